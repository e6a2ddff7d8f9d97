package future

import (
	"context"
	"reflect"
	"time"

	"github.com/benbjohnson/clock"
)

// withTimeout derives a context that ends after d on clk, with ErrTimeout as
// the cause. On the real clock it is the standard library's. On any other it is
// built from AfterFunc, because the contexts of a clock.Mock race with its Add;
// its Err is context.DeadlineExceeded and its Deadline that of clk.
func withTimeout(ctx context.Context, clk clock.Clock, d time.Duration) (context.Context, context.CancelFunc) {
	if reflect.TypeOf(clk) == realClock {
		return context.WithTimeoutCause(ctx, d, ErrTimeout)
	}
	inner, cancel := context.WithCancelCause(ctx)
	t := &timed{Context: inner, at: clk.Now().Add(d)}
	if at, ok := ctx.Deadline(); ok && at.Before(t.at) {
		t.at = at
	}
	timer := clk.AfterFunc(d, func() { cancel(ErrTimeout) })
	return t, func() { timer.Stop(); cancel(nil) }
}

var realClock = reflect.TypeOf(clock.New()) // which has no exported name

type timed struct {
	context.Context
	at time.Time
}

func (t *timed) Deadline() (time.Time, bool) { return t.at, true }

func (t *timed) Err() error {
	err := t.Context.Err()
	if err != nil && context.Cause(t.Context) == ErrTimeout {
		return context.DeadlineExceeded
	}
	return err
}
