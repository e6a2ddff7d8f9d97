package future

import (
	"errors"
	"sync/atomic"
)

// All returns the values of all of fs, in order, or the first error. It decides
// on the first error without waiting for the rest. All of nothing is an empty
// slice.
//
// All and its siblings never cancel what they are given, start no goroutine,
// and hold nothing of a future once they have decided. A future may be given
// more than once; a nil one counts as failed.
func All[T any](fs ...*Future[T]) *Future[[]T] {
	if len(fs) == 0 {
		return Of([]T{})
	}
	a := &all[T]{}
	a.left.Store(int64(len(fs)))
	a.hang(fs, a)
	return &a.out
}

type all[T any] struct {
	gathering[T]
	out  Future[[]T]
	left atomic.Int64
}

func (a *all[T]) arrived(_ int, src any) (ring *link, of any) {
	f := src.(*Future[T])
	if f.err != nil {
		ring, won := a.out.publish(nil, f.err)
		if won {
			a.decide()
		}
		return ring, &a.out
	}
	if a.left.Add(-1) == 0 {
		values := make([]T, len(a.links))
		for i := range values {
			values[i] = a.links[i].f.val
		}
		ring, _ = a.out.publish(values, nil)
		a.decide()
	}
	return ring, &a.out
}

// Settled returns the outcomes of all of fs, in order. It never fails. Settled
// of nothing is an empty slice.
func Settled[T any](fs ...*Future[T]) *Future[[]Result[T]] {
	if len(fs) == 0 {
		return Of([]Result[T]{})
	}
	s := &settledAll[T]{}
	s.left.Store(int64(len(fs)))
	s.hang(fs, s)
	return &s.out
}

type settledAll[T any] struct {
	gathering[T]
	out  Future[[]Result[T]]
	left atomic.Int64
}

func (s *settledAll[T]) arrived(int, any) (ring *link, of any) {
	if s.left.Add(-1) == 0 {
		results := make([]Result[T], len(s.links))
		for i := range results {
			f := s.links[i].f
			results[i] = Result[T]{f.val, f.err}
		}
		ring, _ = s.out.publish(results, nil)
		s.decide()
	}
	return ring, &s.out
}

// Any returns the first value, or, if all of fs fail, their errors joined in
// the order of fs. Any of nothing fails with [ErrNone].
func Any[T any](fs ...*Future[T]) *Future[T] {
	if len(fs) == 0 {
		return Failed[T](ErrNone)
	}
	a := &anyOf[T]{}
	a.left.Store(int64(len(fs)))
	a.hang(fs, a)
	return &a.out
}

type anyOf[T any] struct {
	gathering[T]
	out  Future[T]
	left atomic.Int64
}

func (a *anyOf[T]) arrived(_ int, src any) (ring *link, of any) {
	f := src.(*Future[T])
	if f.err == nil {
		ring, won := a.out.publish(f.val, nil)
		if won {
			a.decide()
		}
		return ring, &a.out
	}
	if a.left.Add(-1) == 0 {
		errs := make([]error, len(a.links))
		for i := range errs {
			errs[i] = a.links[i].f.err
		}
		var zero T
		ring, _ = a.out.publish(zero, errors.Join(errs...))
		a.decide()
	}
	return ring, &a.out
}

// Race returns the outcome, value or error, of whichever of fs settles first;
// of several that have settled already, the first in order. Race of nothing
// fails with [ErrNone].
func Race[T any](fs ...*Future[T]) *Future[T] {
	if len(fs) == 0 {
		return Failed[T](ErrNone)
	}
	for _, f := range fs {
		if f == nil {
			return Failed[T](errNilFuture)
		}
		if r, ok := f.Peek(); ok {
			done := &Future[T]{val: r.Value, err: r.Err}
			done.head.Store(&settled)
			return done
		}
	}
	r := &race[T]{}
	r.hang(fs, r)
	return &r.out
}

type race[T any] struct {
	gathering[T]
	out Future[T]
}

func (r *race[T]) arrived(_ int, src any) (ring *link, of any) {
	f := src.(*Future[T])
	ring, won := r.out.publish(f.val, f.err)
	if won {
		r.decide()
	}
	return ring, &r.out
}
