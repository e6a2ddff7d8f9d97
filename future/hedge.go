package future

import (
	"context"
	"time"
)

// Hedge calls fn, and again whenever another after has passed without a value,
// until n calls have been made. The first value wins; the context of the others
// is then cancelled with [ErrLost] as the cause, and they are not waited for.
// A call that fails is not replaced: Hedge is against slowness, [Policy] against
// failure. When none is under way any more, their errors are joined.
//
// It fails, with code invalid_argument, unless after is positive and n at least
// 1. The calls are otherwise those of Lift, also in a [Scope].
func Hedge[T any](ctx context.Context, after time.Duration, n int, fn func(context.Context) (T, error)) *Future[T] {
	switch {
	case fn == nil:
		return Failed[T](errNilFunc)
	case after <= 0 || n < 1:
		return Failed[T](misuse("hedge", "future: Hedge wants a positive delay and at least one call"))
	}
	if ctx == nil {
		ctx = context.Background()
	}
	l := lift(func(ctx context.Context, _ struct{}) (T, error) { return fn(ctx) }, &Policy{Hedge: after})
	l.copies = n
	return l.ask(ctx, struct{}{})
}
