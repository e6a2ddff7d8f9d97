package future

import (
	"context"
	"sync/atomic"
)

// A Lazy makes a value when it is first asked for, and keeps it. Those who ask
// meanwhile share the making, as in a [Group]. Unlike sync.OnceValues it does
// not keep a failure: who asks next tries again. Of two makings, because the
// first was given up and went on nevertheless, the value that is there first is
// kept, and the other is dropped.
//
//	var conn = future.Lazy[*Conn]{New: dial}
//
// Concurrency: all methods may be called by any number of goroutines; New must
// not be changed after first use.
//
// Zero value: useful with New set; without it, Get fails with code
// invalid_argument. A Lazy must not be copied after first use.
type Lazy[T any] struct {
	// New makes the value. Its context carries the values of that of the first
	// who asks, and ends when all who ask have given up.
	New func(context.Context) (T, error)

	value  atomic.Pointer[T]
	making Group[struct{}, T]
}

// Get returns the value, and makes it if there is none. It waits as
// [Future.Await] does.
func (l *Lazy[T]) Get(ctx context.Context) (T, error) {
	if v := l.value.Load(); v != nil {
		return *v, nil
	}
	if l.New == nil {
		var zero T
		return zero, errNilFunc
	}
	return l.making.Do(ctx, struct{}{}, l.make)
}

func (l *Lazy[T]) make(ctx context.Context) (T, error) {
	if v := l.value.Load(); v != nil { // made between our look and our turn
		return *v, nil
	}
	v, err := l.New(ctx)
	if err != nil {
		return v, err
	}
	for !l.value.CompareAndSwap(nil, &v) { // a making that was given up has ended first
		if kept := l.value.Load(); kept != nil {
			return *kept, nil
		}
	}
	return v, nil
}

// Peek returns the value and true, or false while there is none.
func (l *Lazy[T]) Peek() (v T, ok bool) {
	if p := l.value.Load(); p != nil {
		return *p, true
	}
	return v, false
}

// Forget drops the value, so that the next Get makes another. It does not end a
// making under way.
func (l *Lazy[T]) Forget() { l.value.Store(nil) }
