package futuretest

// rules is the law, in the order of its sentences.
var rules = []rule{
	{
		name:  "Value",
		why:   "the asker gets the very value that f returned",
		check: checkValue,
	},
	{
		name:  "NilContext",
		why:   "a nil context counts as context.Background(), here as everywhere",
		check: checkNilContext,
	},
	{
		name:  "OwnAnswer",
		why:   "of many asks at once, each gets its own answer, in whatever order they are answered",
		check: checkOwnAnswer,
	},
	{
		name:  "AskReturnsAtOnce",
		why:   "an Asker returns without waiting for the answer: that is what the future is for",
		check: checkAskReturnsAtOnce,
	},
	{
		name:  "AnswerBeforeAwait",
		why:   "an answer that comes before the asker waits is kept",
		check: checkAnswerBeforeAwait,
	},
	{
		name:  "SettlesOnce",
		why:   "the future settles exactly once: every reader, whenever it looks, sees the same",
		check: checkSettlesOnce,
	},
	{
		name:  "SlowHarmsNobody",
		why:   "a call of f that does not return keeps no other ask from its answer",
		check: checkSlowHarmsNobody,
	},
	{
		name:  "Calls",
		why:   "f is called at least once for an ask that succeeds, and exactly once where the way promises it",
		check: checkCalls,
	},
	{
		name:  "ErrorCode",
		why:   "an error keeps its code and class, and stays what it is for errors.Is",
		check: checkErrorCode,
	},
	{
		name:  "ErrorAdvice",
		why:   "what f says about trying again (Permanent, RetryAfter) reaches the asker",
		check: checkErrorAdvice,
	},
	{
		name:  "Panic",
		why:   "a panic in f is an error of code internal, and harms no later ask",
		check: checkPanic,
	},
	{
		name:    "Goexit",
		why:     "runtime.Goexit in f is an error, and harms no later ask",
		applies: func(w Way) bool { return !w.NoGoexit },
		check:   checkGoexit,
	},
	{
		name:    "CancelReachesWork",
		why:     "cancelling the asker's context reaches f's context, and the future settles",
		applies: func(w Way) bool { return !w.NoCancel },
		check:   checkCancelReachesWork,
	},
	{
		name:  "CanceledBefore",
		why:   "an ask whose context has ended already fails with that, instead of hanging",
		check: checkCanceledBefore,
	},
	{
		name:    "DeadlineReachesWork",
		why:     "f's deadline is no later than the asker's",
		applies: func(w Way) bool { return !w.NoDeadline },
		check:   checkDeadlineReachesWork,
	},
	{
		name:  "DeadlineSettles",
		why:   "the future settles never later than the deadline, also when f ignores its context, and then it is unknown whether the work was done",
		check: checkDeadlineSettles,
	},
	{
		name:  "NotAcceptedIsTrue",
		why:   "an error of class not accepted means that f was never called: who reads it asks again",
		check: checkNotAcceptedIsTrue,
	},
	{
		name:    "Progress",
		why:     "what f reports reaches the asker while f is still at work",
		applies: func(w Way) bool { return !w.NoProgress },
		check:   checkProgress,
	},
	{
		name:  "NoLeak",
		why:   "an ask that has settled, or was given up, leaves no goroutine behind",
		check: checkNoLeak,
	},
}
