package future

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/antiphon-go/antiphon"
)

// A Future is the read end of an answer that may not be there yet. It settles
// at most once, with a value or an error, and never changes again.
//
// Futures come from Go, from an Asker, from a Promise, or from the functions
// that make one future of others.
//
// Concurrency: all methods may be called by any number of goroutines.
//
// Ownership: every reader gets the same value; what it points to is shared.
//
// Cancellation: giving up waiting changes nothing for the future, for other
// waiters, or for the work.
//
// Zero value: as that of the Promise that it is embedded in; a Future on its
// own stays pending for ever. A Future must not be copied.
type Future[T any] struct {
	// A settled future is read without the lock: val and err are written
	// before head becomes settled, and never after. Until then the lock guards
	// them all.
	//
	// Whoever waits with a context that cannot end parks on a WaitGroup, which
	// costs a tenth less than a channel; a task brings one along.
	//
	// Rejected after measuring: a channel made up front (a pending future grows
	// by 112 B, and reading a settled one takes the channel's lock), a WaitGroup
	// in every future (24 B for what most never need), pooled waiters (they
	// cross synctest bubbles), a context type of our own per task.
	mu   sync.Mutex
	head atomic.Pointer[link] // nil, a ring of links, or a mark: see link.go
	done chan struct{}        // made for the first waiter that needs a channel
	park *parking             // for those that need none
	val  T
	err  error
}

// A Result is how a future ended: with a value, or with an error. The two are
// separate, so that T may itself be an error type.
type Result[T any] struct {
	Value T     // the value, or what a function returned beside its error
	Err   error // nil if it succeeded
}

// Get returns the value and the error, as a call would.
func (r Result[T]) Get() (T, error) { return r.Value, r.Err }

// Await returns the outcome. If there is one, it does so at once, even when ctx
// is done. Otherwise it waits until there is one or ctx is done; then it gives
// up with an error that Is [ErrPending], ctx.Err() and context.Cause(ctx). An
// error from the work never Is ErrPending.
//
// A nil ctx counts as context.Background(). A member of a [Scope] that waits here
// with its own context, or one derived from it, lends its slot to another member;
// with any other, nil too, it keeps the slot.
func (f *Future[T]) Await(ctx context.Context) (T, error) {
	if f.head.Load() == &settled {
		return f.val, f.err
	}
	return f.await(ctx)
}

func (f *Future[T]) await(ctx context.Context) (T, error) {
	if ctx == nil {
		ctx = context.Background()
	}
	stop := ctx.Done()
	over := stop != nil && ctx.Err() != nil
	if f.seen() { // asked after ctx: what settled before ctx ended has won
		return f.val, f.err
	}
	if over {
		var zero T
		return zero, pending(ctx)
	}
	if stop == nil {
		if park := f.parked(); park != nil {
			lent := lend(ctx)
			park.Wait()
			lent.reclaim()
		}
		f.seen()
		return f.val, f.err
	}
	done := f.doneChan()
	lent := lend(ctx)
	select {
	case <-done:
	case <-stop:
	}
	lent.reclaim()
	if f.seen() { // also if both were ready and select chose at random
		return f.val, f.err
	}
	var zero T
	return zero, pending(ctx)
}

// parking is where those wait who need no channel. It counts 1 from the first
// of them until the future has settled.
type parking struct {
	sync.WaitGroup
	used bool
}

// parked returns what to wait on, or nil if f has settled.
func (f *Future[T]) parked() *parking {
	f.mu.Lock()
	defer f.mu.Unlock()
	if isMark(f.head.Load()) {
		return nil
	}
	if f.park == nil {
		f.park = new(parking)
	}
	if !f.park.used {
		f.park.used = true
		f.park.Add(1)
	}
	return f.park
}

// Done returns a channel that is closed when the future has settled. It is made
// on first use and is the same for all callers.
func (f *Future[T]) Done() <-chan struct{} { return f.doneChan() }

func (f *Future[T]) doneChan() chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.done == nil {
		f.done = make(chan struct{})
		if head := f.head.Load(); isMark(head) {
			f.looked(head)
			close(f.done)
		}
	}
	return f.done
}

// Peek returns the outcome and true, or false while there is none. It never
// blocks and never allocates.
func (f *Future[T]) Peek() (Result[T], bool) {
	if f.head.Load() == &settled || f.seen() {
		return Result[T]{f.val, f.err}, true
	}
	return Result[T]{}, false
}

// OnDone calls fn with the outcome, once, on a goroutine of its own, also if
// the future has already settled. The goroutines of several callbacks are
// started in the order of registration. A panic in fn is logged with
// slog.Default() and harms nobody else.
//
// stop unregisters fn and reports whether it did: false means that fn has been
// started, or that stop was called before. It does not wait for fn. These are
// the rules of context.AfterFunc.
//
// A nil fn is never called.
func (f *Future[T]) OnDone(fn func(Result[T])) (stop func() bool) {
	if fn == nil {
		return func() bool { return false }
	}
	c := &callback[T]{fn: fn}
	if !f.link(&c.link, c) {
		c.settled(f)
		return func() bool { return false }
	}
	return func() bool { return f.unlink(&c.link) }
}

type callback[T any] struct {
	link
	fn func(Result[T])
}

func (c *callback[T]) settled(src any) (*link, any) {
	f, fn := src.(*Future[T]), c.fn
	c.fn = nil
	go func() {
		var returned bool
		defer func() {
			if !returned {
				logPanic("future: an OnDone callback did not return", caught(recover()))
			}
		}()
		fn(Result[T]{f.val, f.err})
		returned = true
	}()
	return nil, nil
}

// publish settles f unless it is settled, and reports whether this call did.
// What has to be notified is returned for the caller to pass to notify: settling
// publishes, unlocks, then notifies, and a chain of futures is a loop instead of
// a recursion.
func (f *Future[T]) publish(v T, err error) (ring *link, won bool) {
	f.mu.Lock()
	ring = f.head.Load()
	if isMark(ring) {
		f.mu.Unlock()
		return nil, false
	}
	f.val, f.err = v, err
	mark := &settled
	if debugging.pending {
		mark = f.markWhileDebugging(ring)
	}
	f.head.Store(mark)
	done, park := f.done, f.park
	f.park = nil
	f.mu.Unlock()
	if done != nil {
		close(done)
	}
	if park != nil && park.used {
		park.Done()
	}
	return ring, true
}

// settle publishes and notifies.
func (f *Future[T]) settle(v T, err error) bool {
	ring, won := f.publish(v, err)
	if ring != nil {
		notify(ring, f)
	}
	return won
}

func (f *Future[T]) reject(err error) bool {
	var zero T
	return f.settle(zero, err)
}

// Of returns a future that has settled with v.
func Of[T any](v T) *Future[T] {
	f := &Future[T]{val: v}
	f.head.Store(&settled)
	return f
}

// Failed returns a future that has settled with err. A nil err is replaced by
// an error that says so: a failure has a reason.
func Failed[T any](err error) *Future[T] {
	if err == nil {
		err = errNoReason
	}
	f := &Future[T]{err: err}
	f.head.Store(&settled)
	return f
}

var errNoReason = &antiphon.Error{
	Code:    antiphon.CodeUnknown,
	Reason:  "future.no_reason",
	Message: "future: rejected with a nil error",
}
