package pollertest

// rules are the sentences of poller.Operations, in about their order.
var rules = []rule{
	{
		name:  "Stored",
		why:   "P7: when Submit returns an operation, that can be read: nobody gets an id that is not known",
		check: checkStored,
	},
	{
		name:  "Ids",
		why:   "who knows an id may ask for its operation: no two are equal, and none can be guessed",
		check: checkIds,
	},
	{
		name:  "Result",
		why:   "an operation that succeeds has the encoded answer of its own request, whatever there is in it",
		check: checkResult,
	},
	{
		name:  "Failure",
		why:   "an operation that fails keeps the error's text, code, reason, details, marks and advice: errors.Is holds for who asks",
		check: checkFailure,
	},
	{
		name:  "Life",
		why:   "P8: each change is another Version, from 1 on, and what is read later is not older; Created, Updated and Ended are when it happened",
		check: checkLife,
	},
	{
		name:  "Ends",
		why:   "P8: an end is for good",
		check: checkEnds,
	},
	{
		name:  "Invalid",
		why:   "a request that cannot be meant is code invalid_argument, not accepted, and is not stored",
		check: checkInvalid,
	},
	{
		name:  "Full",
		why:   "X6: if there is no room, that is code resource_exhausted, not accepted: who reads it asks again later; and there is room again when others have ended",
		needs: []need{limit},
		check: checkFull,
	},
	{
		name:  "SubmitEnded",
		why:   "a Submit whose context has ended fails, not accepted, and stores nothing",
		check: checkSubmitEnded,
	},
	{
		name:  "SubmitContext",
		why:   "P7: the context of a Submit that has returned means nothing to the operation: the request is over, the work is not",
		check: checkSubmitContext,
	},
	{
		name:  "Deadline",
		why:   "an operation ends with the deadline of its asker, as what it is: deadline_exceeded",
		check: checkDeadline,
	},
	{
		name:  "DeadlineReachesWork",
		why:   "the work's deadline is no later than the asker's",
		needs: []need{deadline},
		check: checkDeadlineReachesWork,
	},
	{
		name:  "Header",
		why:   "Header reaches the work, and is the operation's Metadata, in any alphabet",
		needs: []need{header},
		check: checkHeader,
	},
	{
		name:  "Progress",
		why:   "what the work reports is shown while it is at work, and wakes who waits",
		needs: []need{progress},
		check: checkProgress,
	},
	{
		name:  "Key",
		why:   "another Submit of an equal payload with the same Key gives the operation that is there, known, also when it has ended",
		needs: []need{keys},
		check: checkKey,
	},
	{
		name:  "KeyReused",
		why:   "a Key of another payload is code already_exists, not accepted, and harms nothing",
		needs: []need{keys},
		check: checkKeyReused,
	},
	{
		name:  "KeyAtOnce",
		why:   "of any number of Submits with one Key at once, one is accepted and all return it: the work is done once",
		needs: []need{keys},
		check: checkKeyAtOnce,
	},
	{
		name:  "KeyFree",
		why:   "a Key is free when its operation is not known any more",
		needs: []need{keys, deletes},
		check: checkKeyFree,
	},
	{
		name:  "NoKey",
		why:   "what a store lacks fails with errors.ErrUnsupported, not accepted, so that whoever needs it learns that at once",
		needs: []need{noKeys},
		check: checkNoKey,
	},
	{
		name:  "Unknown",
		why:   "an id that is not known is code not_found, whatever it looks like",
		check: checkUnknown,
	},
	{
		name:  "WaitChanges",
		why:   "Wait returns when there is a Version beyond the one it is given, and not before",
		check: checkWaitChanges,
	},
	{
		name:  "WaitReturnsAtOnce",
		why:   "Wait does not wait for what has happened: a greater Version, or an end, whatever it is given",
		check: checkWaitReturnsAtOnce,
	},
	{
		name:  "WaitEnds",
		why:   "a Wait whose context ends returns the operation as it was last, and no error: a client's patience is no failure",
		check: checkWaitEnds,
	},
	{
		name:  "WaitMany",
		why:   "all who wait for an operation are woken, and those who wait for others are not",
		check: checkWaitMany,
	},
	{
		name:  "CancelRunning",
		why:   "cancelling reaches the work's context and is shown; the operation ends as the work says",
		needs: []need{cancels},
		check: checkCancelRunning,
	},
	{
		name:  "CancelIgnored",
		why:   "a cancel is a wish: work that goes on and succeeds has succeeded",
		needs: []need{cancels},
		check: checkCancelIgnored,
	},
	{
		name:  "CancelEnded",
		why:   "Cancel changes nothing about an operation that has ended, and returns it",
		needs: []need{cancels},
		check: checkCancelEnded,
	},
	{
		name:  "NoCancel",
		why:   "what a store lacks fails with errors.ErrUnsupported, so that whoever needs it learns that at once",
		needs: []need{noCancel},
		check: checkNoCancel,
	},
	{
		name:  "Delete",
		why:   "an operation that was deleted is as one that never was",
		needs: []need{deletes},
		check: checkDelete,
	},
	{
		name:  "DeleteRunning",
		why:   "what has not ended is not deleted, which is code failed_precondition: somebody is at work, and somebody waits",
		needs: []need{deletes},
		check: checkDeleteRunning,
	},
	{
		name:  "NoDelete",
		why:   "what a store lacks fails with errors.ErrUnsupported, so that whoever needs it learns that at once",
		needs: []need{noDelete},
		check: checkNoDelete,
	},
	{
		name:  "List",
		why:   "List returns each operation once, the latest submitted first, by page",
		needs: []need{lists},
		check: checkList,
	},
	{
		name:  "ListState",
		why:   "List of a state returns those that are in it, and no others",
		needs: []need{lists},
		check: checkListState,
	},
	{
		name:  "ListUnknown",
		why:   "List after an id that is not known gives none, or code not_found, and never the first page again: who follows pages would not end",
		needs: []need{lists},
		check: checkListUnknown,
	},
	{
		name:  "NoList",
		why:   "what a store lacks fails with errors.ErrUnsupported, so that whoever needs it learns that at once",
		needs: []need{noList},
		check: checkNoList,
	},
	{
		name:  "Ownership",
		why:   "neither side modifies what it was given or has given: a request is what it was, a result is not used again",
		check: checkOwnership,
	},
	{
		name:  "NoLeak",
		why:   "a Wait that has returned leaves no goroutine behind",
		check: checkNoLeak,
	},
}

// A need is what a rule is about and a store may lack.
type need struct {
	lack string // said of a store that lacks it
	has  func(Store) bool
}

func (r rule) lacks(s Store) string {
	for _, n := range r.needs {
		if !n.has(s) {
			return n.lack
		}
	}
	return ""
}

var (
	limit    = need{"Store.Limit is 0", func(s Store) bool { return s.Limit > 0 }}
	keys     = need{"there are no keys", func(s Store) bool { return !s.NoKeys }}
	noKeys   = need{"there are keys", func(s Store) bool { return s.NoKeys }}
	cancels  = need{"there is no Cancel", func(s Store) bool { return !s.NoCancel }}
	noCancel = need{"there is Cancel", func(s Store) bool { return s.NoCancel }}
	deletes  = need{"there is no Delete", func(s Store) bool { return !s.NoDelete }}
	noDelete = need{"there is Delete", func(s Store) bool { return s.NoDelete }}
	lists    = need{"there is no List", func(s Store) bool { return !s.NoList }}
	noList   = need{"there is List", func(s Store) bool { return s.NoList }}
	header   = need{"headers are not kept", func(s Store) bool { return !s.NoHeader }}
	progress = need{"progress is not shown", func(s Store) bool { return !s.NoProgress }}
	deadline = need{"the work does not learn the deadline", func(s Store) bool { return !s.NoDeadline }}
)
