package future

import (
	"context"
	"iter"
)

// AsCompleted ranges over the outcomes of fs as they come, each with its
// position in fs. Every position is yielded exactly once: when ctx ends, those
// that are still pending follow in order, with an error that Is [ErrPending],
// as [Future.Await] would give. Leaving the loop early leaves nothing behind.
//
// A nil ctx counts as context.Background(). The sequence may be ranged over
// more than once, each time from the beginning.
func AsCompleted[T any](ctx context.Context, fs ...*Future[T]) iter.Seq2[int, Result[T]] {
	if ctx == nil {
		ctx = context.Background()
	}
	return func(yield func(int, Result[T]) bool) {
		if len(fs) == 0 {
			return
		}
		var g gathering[T]
		come := make(arrivals, len(fs)) // room for all: who settles never waits
		g.hang(fs, come)
		defer g.decide()
		waiting := make([]bool, len(fs))
		for i := range waiting {
			waiting[i] = true
		}
		for range fs {
			i, ok := next(ctx, come)
			if !ok {
				break
			}
			waiting[i] = false
			if !yield(i, outcome(fs[i])) {
				return
			}
		}
		for i, w := range waiting {
			if !w {
				continue
			}
			r, ok := fs[i].Peek() // the value wins over ctx
			if !ok {
				r.Err = pending(ctx)
			}
			if !yield(i, r) {
				return
			}
		}
	}
}

// arrivals are the positions of what has settled, in that order.
type arrivals chan int

func (a arrivals) arrived(i int, _ any) (*link, any) {
	a <- i
	return nil, nil
}

// next receives from come, or reports false if ctx ends first.
func next(ctx context.Context, come arrivals) (int, bool) {
	select {
	case i := <-come:
		return i, true
	default:
	}
	defer lend(ctx).reclaim()
	select {
	case i := <-come:
		return i, true
	case <-ctx.Done():
		return 0, false
	}
}

func outcome[T any](f *Future[T]) Result[T] {
	if f == nil {
		return Result[T]{Err: errNilFuture}
	}
	r, _ := f.Peek()
	return r
}
