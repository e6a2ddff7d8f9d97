package callback

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/benbjohnson/clock"
	"golang.org/x/sync/semaphore"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
)

// RegistryOptions are the limits of a [Registry]. A zero field means its default.
type RegistryOptions struct {
	// MaxPending is how many expectations there may be at once. 0 means 1048576.
	// It bounds the memory: about 50 bytes each beside its future, and about 280
	// more if its context can end.
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
// Of all answers to one ID at most one is taken; the others are told why not, and
// observed. An expectation ends when it is answered, when its time or its context
// is over, or with the registry; it costs no goroutine, and no timer of its own.
// At least the last 256 that were answered are remembered, and the last 256 that
// ended otherwise: a later answer is told from one to an ID that never was.
//
// Concurrency: all methods may be called by any number of goroutines.
//
// Cancellation: when the context that Expect was given ends, so does the
// expectation.
//
// Closing: Close ends all expectations. A registry that nobody closes leaves
// nothing behind once the time of its last expectation is over.
//
// Zero value: an empty registry with the defaults. A Registry must not be copied.
type Registry[T any] struct {
	once  sync.Once
	table atomic.Pointer[table] // nil of a zero value that was never used
	opts  RegistryOptions
	room  *semaphore.Weighted // nil unless Expect waits
	exit  exit
	wrong error // what is wrong with the options
}

// NewRegistry returns an empty registry; nil options mean the defaults. If an
// option is negative, every Expect fails with an error of code invalid_argument
// that names it.
func NewRegistry[T any](o *RegistryOptions) *Registry[T] {
	r := &Registry[T]{}
	if o != nil {
		r.opts = *o
	}
	r.ready()
	return r
}

// ready returns the table of r, which may be a zero value.
func (r *Registry[T]) ready() *table {
	if t := r.table.Load(); t != nil {
		return t
	}
	r.once.Do(r.init)
	return r.table.Load()
}

func (r *Registry[T]) init() {
	o := &r.opts
	switch {
	case o.MaxPending < 0:
		r.wrong = misuse("options", "RegistryOptions.MaxPending is negative")
	case o.TTL < 0:
		r.wrong = misuse("options", "RegistryOptions.TTL is negative")
	}
	if o.MaxPending == 0 {
		o.MaxPending = defaultMaxPending
	}
	if o.TTL == 0 {
		o.TTL = defaultTTL
	}
	if o.Wait && o.MaxPending > 0 {
		r.room = semaphore.NewWeighted(int64(o.MaxPending))
	}
	r.table.Store(newTable(o.Clock, o.MaxPending, r.expire))
}

// An expectation is a promise in the table, and nothing else, unless a context may
// end it: it is a bound one then.
type bound[T any] struct {
	promise future.Promise[T]
	stop    func() bool // takes the hook off the context; guarded by the table
}

// Expect enters an expectation for ttl, or for the registry's TTL if ttl is 0.
// Hand the ID to whoever is to answer; the future settles with the answer, or
// with an error that is ErrExpired, ErrClosed, or the cause for which ctx ended,
// all of class unknown: for the registry does not know what became of the
// request.
//
// If Expect has to wait for room, it waits until there is some, ctx ends or the
// registry is closed; ttl begins after that. It fails, and there is no
// expectation, if ctx has ended, with ErrFull or ErrClosed, or with code
// invalid_argument if ttl is negative. A nil ctx counts as context.Background().
func (r *Registry[T]) Expect(ctx context.Context, ttl time.Duration) (ID, *future.Future[T], error) {
	t := r.ready()
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
	ends := ctx.Done() != nil
	if ends && ctx.Err() != nil {
		return ID{}, nil, gaveUp(ctx, antiphon.ClassNotAccepted)
	}
	if r.room != nil && r.room.Acquire(ctx, 1) != nil { // Close makes room for all
		return ID{}, nil, gaveUp(ctx, antiphon.ClassNotAccepted)
	}
	if ends {
		return r.expectBound(ctx, t, ttl)
	}
	p := new(future.Promise[T])
	f := p.Future() // before anybody can settle it
	k, err := t.put(p, t.in(ttl))
	if err != nil {
		r.freeRoom()
		return ID{}, nil, err
	}
	return k.id(), f, nil
}

func (r *Registry[T]) expectBound(ctx context.Context, t *table, ttl time.Duration) (ID, *future.Future[T], error) {
	e := new(bound[T])
	f := e.promise.Future()
	id, err := t.add(e, t.in(ttl))
	if err != nil {
		r.freeRoom()
		return ID{}, nil, err
	}
	stop := context.AfterFunc(ctx, func() {
		r.exit.through(func() { r.giveUp(ctx, id) })
	})
	if !t.hold(id, func() { e.stop = stop }) {
		stop()
	}
	return id, f, nil
}

var errNegativeTTL = misuse("negative_ttl", "the time to live of an expectation is negative")

// Resolve answers the expectation of id with v. It returns nil for the one answer
// that is taken; any other is an orphan: the error is [ErrOrphan] and says why.
func (r *Registry[T]) Resolve(id ID, v T) error {
	e, err := r.ready().pull(id.key(), answered)
	if err != nil {
		return r.orphaned(id, err)
	}
	r.leave(e).Resolve(v)
	return nil
}

// Reject answers the expectation of id with err, as Resolve does with a value. An
// asker that gives up rejects its own expectation. A nil err is replaced by an
// error that says so.
func (r *Registry[T]) Reject(id ID, err error) error {
	e, missing := r.ready().pull(id.key(), answered)
	if missing != nil {
		return r.orphaned(id, missing)
	}
	r.leave(e).Reject(err)
	return nil
}

// Touch gives the expectation of id another ttl from now on, or the registry's TTL
// if ttl is 0. It fails as Resolve does, and changes nothing, if there is none.
func (r *Registry[T]) Touch(id ID, ttl time.Duration) error {
	t := r.ready()
	switch {
	case ttl < 0:
		return errNegativeTTL
	case ttl == 0:
		ttl = r.opts.TTL
	}
	at := t.in(ttl)
	return t.touch(id, func() moment { return at })
}

// Pending returns how many expectations there are.
func (r *Registry[T]) Pending() int { return int(r.ready().count.Load()) }

// Close refuses further expectations with [ErrClosed] and ends all there are, with
// an error of class unknown that is ErrClosed and err, which may be nil. Calling
// it again does nothing.
func (r *Registry[T]) Close(err error) {
	why := because(ErrClosed, antiphon.ClassUnknown, err)
	each(r.ready().close(), func(e entry) {
		r.leave(e).Reject(why)
	})
}

// orphaned observes that an answer to id was an orphan, and returns why.
func (r *Registry[T]) orphaned(id ID, why error) error {
	if r.opts.Observer != nil {
		r.opts.Observer.Emit(antiphon.Event{Name: orphanEvent(why), Kind: r.opts.Name, ID: id.String(), Err: why})
	}
	return why
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
	if e, err := r.ready().remove(id, gone); err == nil {
		r.leave(e).Reject(gaveUp(ctx, antiphon.ClassUnknown))
	}
}

func (r *Registry[T]) freeRoom() {
	if r.room != nil {
		r.room.Release(1)
	}
}

// leave gives back what an expectation held beside its slot, which is free, and
// returns what is left to settle.
func (r *Registry[T]) leave(e entry) *future.Promise[T] {
	r.freeRoom()
	switch e := e.(type) {
	case *future.Promise[T]:
		return e
	case *bound[T]:
		if e.stop != nil {
			e.stop()
			e.stop = nil
		}
		return &e.promise
	}
	panic("callback: a registry holds expectations")
}

// expire: the time of e is over.
func (r *Registry[T]) expire(e entry, id ID, _ moment) {
	if !r.ready().removeDue(id) {
		return // answered or touched meanwhile
	}
	r.leave(e).Reject(ErrExpired)
	if r.opts.Observer != nil {
		r.opts.Observer.Emit(antiphon.Event{Name: "callback.expired", Kind: r.opts.Name, ID: id.String(), Err: ErrExpired})
	}
}
