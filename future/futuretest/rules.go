package futuretest

// rules is the law, in the order of its sentences.
var rules = []rule{
	{
		Name:  "Value",
		Why:   "X8: the asker gets the very value that f returned",
		Check: checkValue,
	},
	{
		Name:  "NilContext",
		Why:   "X8: a nil context counts as context.Background(), here as everywhere",
		Check: checkNilContext,
	},
	{
		Name:  "OwnAnswer",
		Why:   "X8: of many asks at once, each gets its own answer, in whatever order they are answered",
		Check: checkOwnAnswer,
	},
	{
		Name:  "AskReturnsAtOnce",
		Why:   "X8: an Asker returns without waiting for the answer: that is what the future is for",
		Check: checkAskReturnsAtOnce,
	},
	{
		Name:  "AnswerBeforeAwait",
		Why:   "X8: an answer that comes before the asker waits is kept",
		Check: checkAnswerBeforeAwait,
	},
	{
		Name:  "SettlesOnce",
		Why:   "X8: the future settles exactly once: every reader, whenever it looks, sees the same",
		Check: checkSettlesOnce,
	},
	{
		Name:  "SlowHarmsNobody",
		Why:   "X8: a call of f that does not return keeps no other ask from its answer",
		Check: checkSlowHarmsNobody,
	},
	{
		Name:  "Calls",
		Why:   "X8: f is called at least once for an ask that succeeds, and exactly once where the way promises it",
		Check: checkCalls,
	},
	{
		Name:  "ErrorCode",
		Why:   "X8: an error keeps its code and class, and stays what it is for errors.Is",
		Check: checkErrorCode,
	},
	{
		Name:  "ErrorAdvice",
		Why:   "X8: what f says about trying again (Permanent, RetryAfter) reaches the asker",
		Check: checkErrorAdvice,
	},
	{
		Name:  "Panic",
		Why:   "X8: a panic in f is an error of code internal, and harms no later ask",
		Check: checkPanic,
	},
	{
		Name:  "Goexit",
		Why:   "X8: runtime.Goexit in f is an error, and harms no later ask",
		Needs: []need{goexit},
		Check: checkGoexit,
	},
	{
		Name:  "CancelReachesWork",
		Why:   "X8: cancelling the asker's context reaches f's context, and the future settles",
		Needs: []need{cancel},
		Check: checkCancelReachesWork,
	},
	{
		Name:  "CanceledBefore",
		Why:   "X8: an ask whose context has ended already fails with that, instead of hanging",
		Check: checkCanceledBefore,
	},
	{
		Name:  "DeadlineReachesWork",
		Why:   "X8: f's deadline is no later than the asker's",
		Needs: []need{deadline},
		Check: checkDeadlineReachesWork,
	},
	{
		Name:  "DeadlineSettles",
		Why:   "X8: the future settles never later than the deadline, also when f ignores its context, and then it is unknown whether the work was done",
		Check: checkDeadlineSettles,
	},
	{
		Name:  "NotAcceptedIsTrue",
		Why:   "X8: an error of class not accepted means that f was never called: who reads it asks again",
		Check: checkNotAcceptedIsTrue,
	},
	{
		Name:  "Progress",
		Why:   "X8: what f reports reaches the asker while f is still at work",
		Needs: []need{progress},
		Check: checkProgress,
	},
	{
		Name:  "Trace",
		Why:   "the trace of the asker's context goes on in f, untouched, and that of no other ask",
		Needs: []need{trace},
		Check: checkTrace,
	},
	{
		Name:  "NoLeak",
		Why:   "X8: an ask that has settled, or was given up, leaves no goroutine behind",
		Check: checkNoLeak,
	},
}

var (
	goexit   = need{Lack: "runtime.Goexit is not survived", Has: func(w Way) bool { return !w.NoGoexit }}
	cancel   = need{Lack: "a cancel does not reach f", Has: func(w Way) bool { return !w.NoCancel }}
	deadline = need{Lack: "f does not learn the deadline", Has: func(w Way) bool { return !w.NoDeadline }}
	progress = need{Lack: "what f reports does not reach the asker", Has: func(w Way) bool { return !w.NoProgress }}
	trace    = need{Lack: "the trace context does not reach f", Has: func(w Way) bool { return !w.NoTrace }}
)
