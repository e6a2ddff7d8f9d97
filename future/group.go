package future

import (
	"context"
	"sync"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/internal/ending"
)

// A Group lets those who ask for the same key at the same time share one call,
// a flight. It remembers nothing: who asks after the flight has ended starts
// another.
//
// Cancellation: the flight's context carries the values of the first caller's,
// and ends only when the last caller has given up; nobody's deadline is
// another's. Who comes after that never joins the dying flight.
//
// Errors: all callers of a flight get the same error, a [*PanicError] too. A
// caller whose context ends while the flight is under way gets an error that is
// ctx.Err() and the cause.
//
// Concurrency: all methods may be called by any number of goroutines. A flight
// is no member of the callers' [Scope], for it may outlive it. fn must not ask for
// its own key: it would wait for itself.
//
// Zero value: ready. A Group must not be copied.
type Group[K comparable, T any] struct {
	mu      sync.Mutex
	flights map[K]*flight[T]
}

type flight[T any] struct {
	f       Future[T]
	callers int                     // that have not given up
	cancel  context.CancelCauseFunc // nil once it has landed
}

// errUnwanted is the cause of a flight that everybody has left, and what a
// caller gets who leaves.
var errUnwanted error = &antiphon.Error{
	Code:    antiphon.CodeCanceled,
	Class:   antiphon.ClassUnknown,
	Reason:  "future.unwanted",
	Message: "future: the answer is not waited for any more",
}

// Do returns what fn returns, or what the flight under way for key does. It
// waits as [Future.Await] does.
func (g *Group[K, T]) Do(ctx context.Context, key K, fn func(context.Context) (T, error)) (T, error) {
	if ctx == nil {
		ctx = context.Background()
	}
	fl, err := g.board(ctx, key, fn)
	if err != nil {
		var zero T
		return zero, err
	}
	defer g.leave(key, fl)
	return fl.f.Await(ctx)
}

// Go is Do in the future tense. The future settles when the flight does, or
// when ctx ends.
func (g *Group[K, T]) Go(ctx context.Context, key K, fn func(context.Context) (T, error)) *Future[T] {
	if ctx == nil {
		ctx = context.Background()
	}
	fl, err := g.board(ctx, key, fn)
	if err != nil {
		return Failed[T](err)
	}
	if ctx.Done() == nil {
		return &fl.f
	}
	p := &passenger[T]{}
	giveUp := func() {
		if fl.f.unlink(&p.link) {
			p.unhook = nil
			p.out.reject(because(errUnwanted, ending.Cause(ctx)))
			g.leave(key, fl)
		}
	}
	p.unhook = context.AfterFunc(ctx, giveUp)
	if !fl.f.link(&p.link, p) {
		p.settled(&fl.f)
	} else if ctx.Err() != nil { // the hook may have come too early
		giveUp()
	}
	return &p.out
}

// Lift makes an Asker of f in which asks for the same key share a flight.
func (g *Group[K, T]) Lift(f Func[K, T]) Asker[K, T] {
	return func(ctx context.Context, key K) *Future[T] {
		if f == nil {
			return Failed[T](errNilFunc)
		}
		return g.Go(ctx, key, func(ctx context.Context) (T, error) { return f(ctx, key) })
	}
}

// A passenger is one caller of Go.
type passenger[T any] struct {
	link
	out    Future[T]
	unhook func() bool // takes the hook off its context; nil once out has settled
}

func (p *passenger[T]) settled(src any) (ring *link, of any) {
	f := src.(*Future[T])
	p.unhook()
	p.unhook = nil
	ring, _ = p.out.publish(f.val, f.err)
	return ring, &p.out
}

// board joins the flight for key, or starts it.
func (g *Group[K, T]) board(ctx context.Context, key K, fn func(context.Context) (T, error)) (*flight[T], error) {
	if fn == nil {
		return nil, errNilFunc
	}
	if ctx.Err() != nil {
		return nil, because(ErrNotStarted, ending.Cause(ctx))
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if fl := g.flights[key]; fl != nil {
		fl.callers++
		return fl, nil
	}
	if g.flights == nil {
		g.flights = make(map[K]*flight[T])
	}
	fl := &flight[T]{callers: 1}
	if key == key { // not a NaN, which would never be found again
		g.flights[key] = fl
	}
	ctx, fl.cancel = context.WithCancelCause(detached{context.WithoutCancel(ctx)})
	go g.fly(ctx, key, fl, fn)
	return fl, nil
}

func (g *Group[K, T]) fly(ctx context.Context, key K, fl *flight[T], fn func(context.Context) (T, error)) {
	var (
		v        T
		err      error
		returned bool
	)
	defer func() {
		if !returned {
			err = caught(recover())
		}
		g.land(key, fl)
		fl.f.settle(v, err)
	}()
	v, err = fn(ctx)
	returned = true
}

// land takes fl off the table, and lets go of its context.
func (g *Group[K, T]) land(key K, fl *flight[T]) {
	g.mu.Lock()
	g.remove(key, fl)
	cancel := fl.cancel
	fl.cancel = nil
	g.mu.Unlock()
	cancel(nil)
}

// leave takes one caller off fl, and ends it with the last.
func (g *Group[K, T]) leave(key K, fl *flight[T]) {
	var cancel context.CancelCauseFunc
	g.mu.Lock()
	if fl.callers--; fl.callers == 0 {
		g.remove(key, fl)
		cancel = fl.cancel
	}
	g.mu.Unlock()
	if cancel != nil {
		cancel(errUnwanted)
	}
}

// remove takes fl off the table unless it has been. The caller holds the lock.
func (g *Group[K, T]) remove(key K, fl *flight[T]) {
	if g.flights[key] == fl {
		delete(g.flights, key)
	}
}
