package pollertest

// rules are the sentences of poller.Operations, in about their order.
var rules = []rule{
	{
		Name:  "Stored",
		Why:   "P7: when Submit returns an operation, that can be read: nobody gets an id that is not known",
		Check: checkStored,
	},
	{
		Name:  "Ids",
		Why:   "who knows an id may ask for its operation: no two are equal, and none can be guessed",
		Check: checkIds,
	},
	{
		Name:  "Result",
		Why:   "an operation that succeeds has the encoded answer of its own request, whatever there is in it",
		Check: checkResult,
	},
	{
		Name:  "Failure",
		Why:   "an operation that fails keeps the error's text, code, reason, details, marks and advice: errors.Is holds for who asks",
		Check: checkFailure,
	},
	{
		Name:  "Life",
		Why:   "P8: each change is another Version, from 1 on, and what is read later is not older; Created, Updated and Ended are when it happened",
		Check: checkLife,
	},
	{
		Name:  "Ends",
		Why:   "P8: an end is for good",
		Check: checkEnds,
	},
	{
		Name:  "Invalid",
		Why:   "a request that cannot be meant is code invalid_argument, not accepted, and is not stored",
		Check: checkInvalid,
	},
	{
		Name:  "Full",
		Why:   "X6: if there is no room, that is code resource_exhausted, not accepted: who reads it asks again later; and there is room again when others have ended",
		Needs: []need{limit},
		Check: checkFull,
	},
	{
		Name:  "SubmitEnded",
		Why:   "a Submit whose context has ended fails, not accepted, and stores nothing",
		Check: checkSubmitEnded,
	},
	{
		Name:  "SubmitContext",
		Why:   "P7: the context of a Submit that has returned means nothing to the operation: the request is over, the work is not",
		Check: checkSubmitContext,
	},
	{
		Name:  "Deadline",
		Why:   "an operation ends with the deadline of its asker, as what it is: deadline_exceeded",
		Check: checkDeadline,
	},
	{
		Name:  "DeadlineReachesWork",
		Why:   "the work's deadline is no later than the asker's",
		Needs: []need{deadline},
		Check: checkDeadlineReachesWork,
	},
	{
		Name:  "Header",
		Why:   "Header reaches the work, and is the operation's Metadata, in any alphabet",
		Needs: []need{header},
		Check: checkHeader,
	},
	{
		Name:  "Progress",
		Why:   "what the work reports is shown while it is at work, and wakes who waits",
		Needs: []need{progress},
		Check: checkProgress,
	},
	{
		Name:  "Key",
		Why:   "another Submit of an equal payload with the same Key gives the operation that is there, known, also when it has ended",
		Needs: []need{keys},
		Check: checkKey,
	},
	{
		Name:  "KeyReused",
		Why:   "a Key of another payload is code already_exists, not accepted, and harms nothing",
		Needs: []need{keys},
		Check: checkKeyReused,
	},
	{
		Name:  "KeyAtOnce",
		Why:   "of any number of Submits with one Key at once, one is accepted and all return it: the work is done once",
		Needs: []need{keys},
		Check: checkKeyAtOnce,
	},
	{
		Name:  "KeyFree",
		Why:   "a Key is free when its operation is not known any more",
		Needs: []need{keys, deletes},
		Check: checkKeyFree,
	},
	{
		Name:  "NoKey",
		Why:   "what a store lacks fails with errors.ErrUnsupported, not accepted, so that whoever needs it learns that at once",
		Needs: []need{noKeys},
		Check: checkNoKey,
	},
	{
		Name:  "Unknown",
		Why:   "an id that is not known is code not_found, whatever it looks like",
		Check: checkUnknown,
	},
	{
		Name:  "WaitChanges",
		Why:   "Wait returns when there is a Version beyond the one it is given, and not before",
		Check: checkWaitChanges,
	},
	{
		Name:  "WaitReturnsAtOnce",
		Why:   "Wait does not wait for what has happened: a greater Version, or an end, whatever it is given",
		Check: checkWaitReturnsAtOnce,
	},
	{
		Name:  "WaitEnds",
		Why:   "a Wait whose context ends returns the operation as it was last, and no error: a client's patience is no failure",
		Check: checkWaitEnds,
	},
	{
		Name:  "WaitMany",
		Why:   "all who wait for an operation are woken, and those who wait for others are not",
		Check: checkWaitMany,
	},
	{
		Name:  "CancelRunning",
		Why:   "cancelling reaches the work's context and is shown; the operation ends as the work says",
		Needs: []need{cancels},
		Check: checkCancelRunning,
	},
	{
		Name:  "CancelIgnored",
		Why:   "a cancel is a wish: work that goes on and succeeds has succeeded",
		Needs: []need{cancels},
		Check: checkCancelIgnored,
	},
	{
		Name:  "CancelEnded",
		Why:   "Cancel changes nothing about an operation that has ended, and returns it",
		Needs: []need{cancels},
		Check: checkCancelEnded,
	},
	{
		Name:  "NoCancel",
		Why:   "what a store lacks fails with errors.ErrUnsupported, so that whoever needs it learns that at once",
		Needs: []need{noCancel},
		Check: checkNoCancel,
	},
	{
		Name:  "Delete",
		Why:   "an operation that was deleted is as one that never was",
		Needs: []need{deletes},
		Check: checkDelete,
	},
	{
		Name:  "DeleteRunning",
		Why:   "what has not ended is not deleted, which is code failed_precondition: somebody is at work, and somebody waits",
		Needs: []need{deletes},
		Check: checkDeleteRunning,
	},
	{
		Name:  "NoDelete",
		Why:   "what a store lacks fails with errors.ErrUnsupported, so that whoever needs it learns that at once",
		Needs: []need{noDelete},
		Check: checkNoDelete,
	},
	{
		Name:  "List",
		Why:   "List returns each operation once, the latest submitted first, by page",
		Needs: []need{lists},
		Check: checkList,
	},
	{
		Name:  "ListState",
		Why:   "List of a state returns those that are in it, and no others",
		Needs: []need{lists},
		Check: checkListState,
	},
	{
		Name:  "ListUnknown",
		Why:   "List after an id that is not known gives none, or code not_found, and never the first page again: who follows pages would not end",
		Needs: []need{lists},
		Check: checkListUnknown,
	},
	{
		Name:  "NoList",
		Why:   "what a store lacks fails with errors.ErrUnsupported, so that whoever needs it learns that at once",
		Needs: []need{noList},
		Check: checkNoList,
	},
	{
		Name:  "Ownership",
		Why:   "neither side modifies what it was given or has given: a request is what it was, a result is not used again",
		Check: checkOwnership,
	},
	{
		Name:  "NoLeak",
		Why:   "a Wait that has returned leaves no goroutine behind",
		Check: checkNoLeak,
	},
}

var (
	limit    = need{Lack: "Store.Limit is 0", Has: func(s Store) bool { return s.Limit > 0 }}
	keys     = need{Lack: "there are no keys", Has: func(s Store) bool { return !s.NoKeys }}
	noKeys   = need{Lack: "there are keys", Has: func(s Store) bool { return s.NoKeys }}
	cancels  = need{Lack: "there is no Cancel", Has: func(s Store) bool { return !s.NoCancel }}
	noCancel = need{Lack: "there is Cancel", Has: func(s Store) bool { return s.NoCancel }}
	deletes  = need{Lack: "there is no Delete", Has: func(s Store) bool { return !s.NoDelete }}
	noDelete = need{Lack: "there is Delete", Has: func(s Store) bool { return s.NoDelete }}
	lists    = need{Lack: "there is no List", Has: func(s Store) bool { return !s.NoList }}
	noList   = need{Lack: "there is List", Has: func(s Store) bool { return s.NoList }}
	header   = need{Lack: "headers are not kept", Has: func(s Store) bool { return !s.NoHeader }}
	progress = need{Lack: "progress is not shown", Has: func(s Store) bool { return !s.NoProgress }}
	deadline = need{Lack: "the work does not learn the deadline", Has: func(s Store) bool { return !s.NoDeadline }}
)
