package future

import (
	"fmt"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/antiphon-go/antiphon"
)

// A Policy says how a function is to be called: how long, how often, and how
// many calls at once. A zero field means its default, a nil Policy means one
// plain call. A negative field is a mistake: every ask fails with an error of
// code invalid_argument that names it.
//
// Concurrency: a Policy is copied by Lift and With; changing it later changes
// nothing.
type Policy struct {
	// Timeout is how long one attempt may take, from its start: waiting for a
	// slot does not count. After that its context is
	// cancelled, with ErrTimeout as the cause, and the attempt counts as failed
	// with ErrTimeout (class unknown) even if the function is not back. 0 means
	// no timeout but that of the asker's context.
	Timeout time.Duration
	// Attempts is how often the function is called at the most. 0 means 1. More
	// than one says that the function may be called again although it is
	// unknown whether it has done its work: it should be idempotent. The
	// function finds the number of the attempt in antiphon.InfoFrom.
	Attempts int
	// Backoff is how long to wait after a failed attempt; a negative time counts as
	// 0, and an error marked by antiphon.RetryAfter makes it longer. If the wait
	// would not end before the asker's deadline, the ask fails at once, with the
	// failure and the deadline's error.
	// nil means antiphon.Exponential(100*time.Millisecond, 10*time.Second).
	Backoff antiphon.Backoff
	// Retryable tells whether an error is worth another attempt. nil means
	// antiphon.Retryable, which says yes to an error that it knows nothing of:
	// that of a client which has codes of its own, give them an AntiphonError
	// method (antiphon.Describer), or say here what they mean.
	Retryable func(error) bool
	// Concurrency is how many calls may be under way at once, over all asks of one
	// Asker: another Lift with the same Policy counts for itself. A call holds its slot
	// until the function has returned, also past its timeout, and never while
	// it waits to try again. 0 means no limit.
	Concurrency int
	// Queue is how many asks may wait for a slot, in order and without a
	// goroutine; one more fails at once with ErrFull. An ask that waits takes
	// up to 500 bytes and what it asks. 0 means 65536.
	Queue int
	// Hedge is how long to wait for an attempt before it is doubled: a second
	// call is made, if there is a slot, the first value wins, and the loser's
	// context is cancelled with ErrLost as the cause. 0 means never.
	Hedge time.Duration

	// Name is the Kind of the events.
	Name string
	// Observer is told of the events listed in the package comment. nil means
	// nobody.
	Observer antiphon.Observer
	// Clock measures Timeout, Backoff and Hedge. nil means the real one.
	Clock clock.Clock
}

const defaultQueue = 1 << 16

// plain reports whether p asks for nothing but a call.
func (p *Policy) plain() bool {
	return p.Timeout == 0 && (p.Attempts == 0 || p.Attempts == 1) && p.Concurrency == 0 && p.Queue == 0 && p.Hedge == 0
}

func (p *Policy) validate() error {
	bad := func(field string, value any) error {
		return misuse("policy", fmt.Sprintf("future: Policy.%s is %v, want 0 for the default or more", field, value))
	}
	switch {
	case p.Timeout < 0:
		return bad("Timeout", p.Timeout)
	case p.Attempts < 0:
		return bad("Attempts", p.Attempts)
	case p.Concurrency < 0:
		return bad("Concurrency", p.Concurrency)
	case p.Queue < 0:
		return bad("Queue", p.Queue)
	case p.Hedge < 0:
		return bad("Hedge", p.Hedge)
	}
	return nil
}

func (p *Policy) setDefaults() {
	if p.Attempts == 0 {
		p.Attempts = 1
	}
	if p.Backoff == nil {
		p.Backoff = antiphon.Exponential(100*time.Millisecond, 10*time.Second)
	}
	if p.Retryable == nil {
		p.Retryable = antiphon.Retryable
	}
	if p.Queue == 0 {
		p.Queue = defaultQueue
	}
	if p.Clock == nil {
		p.Clock = clock.New()
	}
}
