package futuretest

// rules is the law, in the order of its sentences.
var rules = []rule{
	{
		name:  "Value",
		why:   "X8: the asker gets the very value that f returned",
		check: checkValue,
	},
	{
		name:  "NilContext",
		why:   "X8: a nil context counts as context.Background(), here as everywhere",
		check: checkNilContext,
	},
	{
		name:  "OwnAnswer",
		why:   "X8: of many asks at once, each gets its own answer, in whatever order they are answered",
		check: checkOwnAnswer,
	},
	{
		name:  "AskReturnsAtOnce",
		why:   "X8: an Asker returns without waiting for the answer: that is what the future is for",
		check: checkAskReturnsAtOnce,
	},
	{
		name:  "AnswerBeforeAwait",
		why:   "X8: an answer that comes before the asker waits is kept",
		check: checkAnswerBeforeAwait,
	},
	{
		name:  "SettlesOnce",
		why:   "X8: the future settles exactly once: every reader, whenever it looks, sees the same",
		check: checkSettlesOnce,
	},
	{
		name:  "SlowHarmsNobody",
		why:   "X8: a call of f that does not return keeps no other ask from its answer",
		check: checkSlowHarmsNobody,
	},
	{
		name:  "Calls",
		why:   "X8: f is called at least once for an ask that succeeds, and exactly once where the way promises it",
		check: checkCalls,
	},
	{
		name:  "ErrorCode",
		why:   "X8: an error keeps its code and class, and stays what it is for errors.Is",
		check: checkErrorCode,
	},
	{
		name:  "ErrorAdvice",
		why:   "X8: what f says about trying again (Permanent, RetryAfter) reaches the asker",
		check: checkErrorAdvice,
	},
	{
		name:  "Panic",
		why:   "X8: a panic in f is an error of code internal, and harms no later ask",
		check: checkPanic,
	},
	{
		name:    "Goexit",
		why:     "X8: runtime.Goexit in f is an error, and harms no later ask",
		applies: func(w Way) bool { return !w.NoGoexit },
		check:   checkGoexit,
	},
	{
		name:    "CancelReachesWork",
		why:     "X8: cancelling the asker's context reaches f's context, and the future settles",
		applies: func(w Way) bool { return !w.NoCancel },
		check:   checkCancelReachesWork,
	},
	{
		name:  "CanceledBefore",
		why:   "X8: an ask whose context has ended already fails with that, instead of hanging",
		check: checkCanceledBefore,
	},
	{
		name:    "DeadlineReachesWork",
		why:     "X8: f's deadline is no later than the asker's",
		applies: func(w Way) bool { return !w.NoDeadline },
		check:   checkDeadlineReachesWork,
	},
	{
		name:  "DeadlineSettles",
		why:   "X8: the future settles never later than the deadline, also when f ignores its context, and then it is unknown whether the work was done",
		check: checkDeadlineSettles,
	},
	{
		name:  "NotAcceptedIsTrue",
		why:   "X8: an error of class not accepted means that f was never called: who reads it asks again",
		check: checkNotAcceptedIsTrue,
	},
	{
		name:    "Progress",
		why:     "X8: what f reports reaches the asker while f is still at work",
		applies: func(w Way) bool { return !w.NoProgress },
		check:   checkProgress,
	},
	{
		name:    "Trace",
		why:     "the trace of the asker's context goes on in f, untouched, and that of no other ask",
		applies: func(w Way) bool { return !w.NoTrace },
		check:   checkTrace,
	},
	{
		name:  "NoLeak",
		why:   "X8: an ask that has settled, or was given up, leaves no goroutine behind",
		check: checkNoLeak,
	},
}
