package future

import (
	"context"
	"iter"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/internal/ending"
)

// A Func is work in the present tense: it answers now. Every method
// c.Get(ctx, req) (resp, error) is one, as it stands.
type Func[Q, R any] = func(context.Context, Q) (R, error)

// An Asker is the same in the future tense: it answers later. It returns at
// once, without waiting for the answer or for room to work on it.
//
// Whoever makes an Asker promises what package futuretest tests: the future
// settles exactly once, and no later than ctx's deadline, if it has one; ending
// ctx reaches the work; errors keep their code and class.
type Asker[Q, R any] = func(context.Context, Q) *Future[R]

// A Stream is work that answers more than once. It ends after an error, and
// when the loop over it is left.
type Stream[Q, R any] = func(context.Context, Q) iter.Seq2[R, error]

// Lift turns work into an Asker: from the present into the future tense. With a
// nil p, each ask is one call of f on a goroutine of its own; otherwise see
// [Policy]. The limits of p hold for all asks of one Asker together.
//
// If the context of an ask has a deadline, the future settles by then, with
// [ErrTimeout] if f is not back. Otherwise it settles when f does: a context that is
// cancelled reaches f, and it is for f to heed it. An error with which f passes on
// the mere cause of that is also ctx.Err(), and so of class unknown. In a [Scope],
// calls of f are members.
func Lift[Q, R any](f Func[Q, R], p *Policy) Asker[Q, R] {
	l := lift(f, p)
	plain := p == nil || p.plain()
	return func(ctx context.Context, q Q) *Future[R] {
		if ctx == nil {
			ctx = context.Background()
		}
		if plain {
			if _, timed := ctx.Deadline(); !timed {
				return l.once(ctx, q)
			}
		}
		return l.ask(ctx, q)
	}
}

// once is one call of f, with nothing to watch.
func (l lifted[Q, R]) once(ctx context.Context, q Q) *Future[R] {
	if l.mistake != nil {
		return Failed[R](l.mistake)
	}
	return Go(ctx, func(ctx context.Context) (R, error) {
		r, err := l.f(ctx, q)
		if err != nil {
			err = interrupted(ctx, err)
		}
		return r, err
	})
}

// With puts work under a policy and leaves it in the present tense. It is
// Block(Lift(f, p)), or f itself if p is nil.
func With[Q, R any](f Func[Q, R], p *Policy) Func[Q, R] {
	if p == nil && f != nil {
		return f
	}
	return Block(Lift(f, p))
}

// Block turns an Asker back into work: from the future into the present tense.
// It returns as soon as ctx is done, with an error of class unknown that is
// ctx.Err() and the cause, and [ErrTimeout] at a deadline; if the outcome is
// there by then, it returns that.
func Block[Q, R any](a Asker[Q, R]) Func[Q, R] {
	return func(ctx context.Context, q Q) (R, error) {
		if a == nil {
			var zero R
			return zero, errNilFunc
		}
		f := a(ctx, q)
		if f == nil {
			var zero R
			return zero, errNilFuture
		}
		_, _ = f.Await(ctx)
		r, ok := f.Peek()
		if !ok {
			return r.Value, unwanted(ctx)
		}
		return r.Get()
	}
}

// unwanted is the error of a call that ctx has ended before its answer came. It
// is not ErrPending, for the caller of a function has no future to ask again.
func unwanted(ctx context.Context) error {
	why := ending.Cause(ctx)
	if antiphon.CodeOf(why) == antiphon.CodeDeadlineExceeded {
		return because(ErrTimeout, why)
	}
	return because(errUnwanted, why)
}

// Call asks f once: it is Go for a function with an argument. Unlike an Asker made
// by Lift it gives the outcome of f as it is, and also after ctx's deadline.
func Call[Q, R any](ctx context.Context, f Func[Q, R], q Q) *Future[R] {
	if f == nil {
		return Failed[R](errNilFunc)
	}
	return Go(ctx, func(ctx context.Context) (R, error) { return f(ctx, q) })
}

// CallOpts is Call for methods with options, as the clients of gRPC and of
// cloud providers have them:
//
//	out := future.CallOpts(ctx, client.GetObject, in, withRegion)
func CallOpts[Q, R, O any](ctx context.Context, f func(context.Context, Q, ...O) (R, error), q Q, opts ...O) *Future[R] {
	if f == nil {
		return Failed[R](errNilFunc)
	}
	return Go(ctx, func(ctx context.Context) (R, error) { return f(ctx, q, opts...) })
}
