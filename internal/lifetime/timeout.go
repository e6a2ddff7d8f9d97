package lifetime

import (
	"context"
	"reflect"
	"time"

	"github.com/benbjohnson/clock"
)

// WithTimeout derives a context that ends after d on clk, with timeUp as the cause. On
// the real clock, which nil stands for, it is the standard library's. On any other it is
// built from AfterFunc, because the contexts of a clock.Mock race with its Add; its Err
// is context.DeadlineExceeded and its Deadline that of clk.
func WithTimeout(ctx context.Context, clk clock.Clock, d time.Duration, timeUp error) (context.Context, context.CancelFunc) {
	if clk == nil || reflect.TypeOf(clk) == realClock {
		return context.WithTimeoutCause(ctx, d, timeUp)
	}
	inner, cancel := context.WithCancelCause(ctx)
	t := &timed{Context: inner, at: clk.Now().Add(d), timeUp: timeUp}
	if at, ok := ctx.Deadline(); ok && at.Before(t.at) {
		t.at = at
	}
	timer := clk.AfterFunc(d, func() { cancel(timeUp) })
	return t, func() { timer.Stop(); cancel(nil) }
}

var realClock = reflect.TypeOf(clock.New()) // which has no exported name

type timed struct {
	context.Context
	at     time.Time
	timeUp error
}

func (t *timed) Deadline() (time.Time, bool) { return t.at, true }

func (t *timed) Err() error {
	err := t.Context.Err()
	if err != nil && context.Cause(t.Context) == t.timeUp {
		return context.DeadlineExceeded
	}
	return err
}
