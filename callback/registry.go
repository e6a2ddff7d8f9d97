package callback

import (
	"context"
	"time"

	"github.com/benbjohnson/clock"
	"golang.org/x/sync/semaphore"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
)

// RegistryOptions are the limits of a [Registry]. A zero field means its default.
type RegistryOptions struct {
	// MaxPending is how many expectations there may be at once. 0 means 1048576.
	MaxPending int
	// Wait makes Expect wait for room where it would else fail with ErrFull.
	Wait bool
	// TTL is how long an expectation lives for which Expect is given none. 0
	// means 30 seconds.
	TTL time.Duration

	// Name is the Kind of the events.
	Name string
	// Observer is told of these events: callback.expired (an expectation was not
	// met in time), and callback.late, callback.duplicate and callback.unknown
	// (an answer was an orphan). nil means nobody.
	Observer antiphon.Observer
	// Clock measures the TTLs. nil means the real one.
	Clock clock.Clock
}

const (
	defaultMaxPending = 1 << 20
	defaultTTL        = 30 * time.Second
)

// A Registry keeps expectations: answers that are to come from elsewhere, each
// named by an [ID] that whoever answers must know. Expect before you ask, so that
// no answer can be faster than its expectation.
//
// Of all answers to one ID exactly one is taken; the others are told why not, and
// observed. An expectation ends when it is answered, when its time or its context
// is over, or with the registry; it costs no goroutine, and no timer of its own.
//
// Concurrency: all methods may be called by any number of goroutines.
//
// Cancellation: when the context that Expect was given ends, so does the
// expectation.
//
// Closing: Close ends all expectations.
//
// Zero value: none; use NewRegistry.
type Registry[T any] struct {
	table *table
	opts  RegistryOptions
	room  *semaphore.Weighted // nil unless Expect waits
	wrong error               // what is wrong with the options
}

// NewRegistry returns an empty registry; nil options mean the defaults. If an
// option is negative, every Expect fails with an error of code invalid_argument
// that names it.
func NewRegistry[T any](o *RegistryOptions) *Registry[T] {
	r := &Registry[T]{}
	if o != nil {
		r.opts = *o
	}
	switch {
	case r.opts.MaxPending < 0:
		r.wrong = misuse("options", "RegistryOptions.MaxPending is negative")
	case r.opts.TTL < 0:
		r.wrong = misuse("options", "RegistryOptions.TTL is negative")
	}
	if r.opts.MaxPending == 0 {
		r.opts.MaxPending = defaultMaxPending
	}
	if r.opts.TTL == 0 {
		r.opts.TTL = defaultTTL
	}
	limit := r.opts.MaxPending
	if r.opts.Wait && limit > 0 {
		r.room = semaphore.NewWeighted(int64(limit))
	}
	r.table = newTable(r.opts.Clock, limit)
	return r
}

// An expectation is an entry of a registry, and its future.
type expectation[T any] struct {
	promise future.Promise[T]
	in      *Registry[T]
	stop    func() bool // takes the hook off the context; guarded by the table
}

// Expect enters an expectation for ttl, or for the registry's TTL if ttl is 0.
// Hand the ID to whoever is to answer; the future settles with the answer, or
// with an error that is ErrExpired, ErrClosed, or the cause for which ctx ended,
// all of class unknown: for the registry does not know what became of the
// request.
//
// It fails, and there is no expectation, if ctx has ended, with ErrFull or
// ErrClosed, or with code invalid_argument if ttl is negative. A nil ctx counts as
// context.Background().
func (r *Registry[T]) Expect(ctx context.Context, ttl time.Duration) (ID, *future.Future[T], error) {
	if ctx == nil {
		ctx = context.Background()
	}
	switch {
	case r.wrong != nil:
		return ID{}, nil, r.wrong
	case ttl < 0:
		return ID{}, nil, errNegativeTTL
	case ttl == 0:
		ttl = r.opts.TTL
	}
	if ctx.Err() != nil {
		return ID{}, nil, gaveUp(ctx, antiphon.ClassNotAccepted)
	}
	if r.room != nil {
		if r.table.closed.Load() {
			return ID{}, nil, ErrClosed
		}
		if r.room.Acquire(ctx, 1) != nil {
			return ID{}, nil, gaveUp(ctx, antiphon.ClassNotAccepted)
		}
	}
	e := &expectation[T]{in: r}
	f := e.promise.Future() // before anybody can settle it
	id, err := r.table.add(e, r.table.in(ttl))
	if err != nil {
		r.freeRoom()
		return ID{}, nil, err
	}
	if ctx.Done() != nil {
		stop := context.AfterFunc(ctx, func() { r.giveUp(ctx, id) })
		if !r.table.hold(id, func() { e.stop = stop }) {
			stop()
		}
	}
	return id, f, nil
}

var errNegativeTTL = misuse("negative_ttl", "the time to live of an expectation is negative")

// Resolve answers the expectation of id with v. It returns nil for the one answer
// that is taken; any other is an orphan: the error is [ErrOrphan] and says why.
func (r *Registry[T]) Resolve(id ID, v T) error {
	e, err := r.end(id, answered)
	if err != nil {
		return err
	}
	e.promise.Resolve(v)
	return nil
}

// Reject answers the expectation of id with err, as Resolve does with a value. An
// asker that gives up rejects its own expectation.
func (r *Registry[T]) Reject(id ID, err error) error {
	e, orphaned := r.end(id, answered)
	if orphaned != nil {
		return orphaned
	}
	e.promise.Reject(err)
	return nil
}

// Touch gives the expectation of id another ttl from now on, or the registry's TTL
// if ttl is 0. It fails as Resolve does, and changes nothing, if there is none.
func (r *Registry[T]) Touch(id ID, ttl time.Duration) error {
	switch {
	case ttl < 0:
		return errNegativeTTL
	case ttl == 0:
		ttl = r.opts.TTL
	}
	return r.table.touch(id, func() moment { return r.table.in(ttl) })
}

// Len returns how many expectations there are.
func (r *Registry[T]) Len() int { return int(r.table.count.Load()) }

// Close refuses further expectations with [ErrClosed] and ends all there are, with
// an error of class unknown that is ErrClosed and err, which may be nil. Calling
// it again does nothing.
func (r *Registry[T]) Close(err error) {
	why := because(ErrClosed, antiphon.ClassUnknown, err)
	for _, e := range r.table.close() {
		e := e.(*expectation[T])
		e.leave()
		e.promise.Reject(why)
	}
}

// end takes the expectation of id out, or observes the orphan.
func (r *Registry[T]) end(id ID, h how) (*expectation[T], error) {
	found, err := r.table.remove(id, h)
	if err != nil {
		if r.opts.Observer != nil {
			r.opts.Observer.Emit(antiphon.Event{Name: orphanEvent(err), Kind: r.opts.Name, ID: id.String(), Err: err})
		}
		return nil, err
	}
	e := found.(*expectation[T])
	e.leave()
	return e, nil
}

func orphanEvent(err error) string {
	switch err {
	case ErrLate:
		return "callback.late"
	case ErrDuplicate:
		return "callback.duplicate"
	}
	return "callback.unknown"
}

func (r *Registry[T]) giveUp(ctx context.Context, id ID) {
	if found, err := r.table.remove(id, gone); err == nil {
		e := found.(*expectation[T])
		e.leave()
		e.promise.Reject(gaveUp(ctx, antiphon.ClassUnknown))
	}
}

func (r *Registry[T]) freeRoom() {
	if r.room != nil {
		r.room.Release(1)
	}
}

// leave gives back what an expectation held beside its slot, which is free.
func (e *expectation[T]) leave() {
	if e.stop != nil {
		e.stop()
		e.stop = nil
	}
	e.in.freeRoom()
}

// due: the time is over.
func (e *expectation[T]) due(id ID, _ moment) {
	r := e.in
	if !r.table.removeDue(id) {
		return // answered or touched meanwhile
	}
	e.leave()
	e.promise.Reject(ErrExpired)
	if r.opts.Observer != nil {
		r.opts.Observer.Emit(antiphon.Event{Name: "callback.expired", Kind: r.opts.Name, ID: id.String(), Err: ErrExpired})
	}
}
