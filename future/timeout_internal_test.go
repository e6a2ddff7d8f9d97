package future

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
)

var errOuter = errors.New("the outer reason")

type otherClock struct{ clock.Clock }

// What holds of the context of an attempt, whatever the clock. pass lets time
// pass by it.
func forEachClock(t *testing.T, check func(t *testing.T, clk clock.Clock, pass func(time.Duration))) {
	real := func(d time.Duration) { time.Sleep(d); synctest.Wait() }
	for name, make := range map[string]func() (clock.Clock, func(time.Duration)){
		"real": func() (clock.Clock, func(time.Duration)) { return clock.New(), real },
		"wrapped": func() (clock.Clock, func(time.Duration)) {
			return otherClock{clock.New()}, real
		},
		"mock": func() (clock.Clock, func(time.Duration)) {
			m := clock.NewMock()
			return m, func(d time.Duration) { m.Add(d); synctest.Wait() }
		},
		"wrapped mock": func() (clock.Clock, func(time.Duration)) {
			m := clock.NewMock()
			return otherClock{m}, func(d time.Duration) { m.Add(d); synctest.Wait() }
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // a timer that is left would end it late
				clk, pass := make()
				check(t, clk, pass)
			})
		})
	}
}

func wantContext(t *testing.T, ctx context.Context, err, cause error) {
	t.Helper()
	done := false
	select {
	case <-ctx.Done():
		done = true
	default:
	}
	if ctx.Err() != err || context.Cause(ctx) != cause || done != (err != nil) {
		t.Errorf("done %t, err %v, cause %v; want %v, %v", done, ctx.Err(), context.Cause(ctx), err, cause)
	}
}

func TestWithTimeoutEndsInTime(t *testing.T) {
	forEachClock(t, func(t *testing.T, clk clock.Clock, pass func(time.Duration)) {
		ctx, stop := withTimeout(context.WithValue(context.Background(), key("k"), 7), clk, time.Second)
		defer stop()
		child, cancel := context.WithCancel(ctx)
		defer cancel()
		if at, ok := ctx.Deadline(); !ok || clk.Until(at) != time.Second || ctx.Value(key("k")) != 7 {
			t.Errorf("deadline %v, %t; value %v", at, ok, ctx.Value(key("k")))
		}
		pass(time.Second - 1)
		wantContext(t, ctx, nil, nil)
		pass(1)
		wantContext(t, ctx, context.DeadlineExceeded, ErrTimeout)
		if child.Err() == nil || context.Cause(child) != ErrTimeout {
			t.Errorf("a child ends with %v, cause %v", child.Err(), context.Cause(child))
		}
		stop()
		wantContext(t, ctx, context.DeadlineExceeded, ErrTimeout)
	})
}

type key string

func TestWithTimeoutStops(t *testing.T) {
	forEachClock(t, func(t *testing.T, clk clock.Clock, pass func(time.Duration)) {
		ctx, stop := withTimeout(context.Background(), clk, time.Second)
		stop()
		pass(time.Minute)
		wantContext(t, ctx, context.Canceled, context.Canceled)
		stop()
	})
}

func TestWithTimeoutEndsWithTheOuterContext(t *testing.T) {
	forEachClock(t, func(t *testing.T, clk clock.Clock, pass func(time.Duration)) {
		outer, cancel := context.WithCancelCause(context.Background())
		ctx, stop := withTimeout(outer, clk, time.Second)
		defer stop()
		cancel(errOuter)
		synctest.Wait()
		wantContext(t, ctx, context.Canceled, errOuter)
		pass(time.Minute)
		wantContext(t, ctx, context.Canceled, errOuter)
	})
}

func TestWithTimeoutKeepsAnEarlierDeadline(t *testing.T) {
	forEachClock(t, func(t *testing.T, clk clock.Clock, pass func(time.Duration)) {
		outer, cancel := withTimeout(context.Background(), clk, time.Second)
		defer cancel()
		ctx, stop := withTimeout(outer, clk, time.Minute)
		defer stop()
		want, _ := outer.Deadline()
		if at, ok := ctx.Deadline(); !ok || !at.Equal(want) {
			t.Errorf("deadline %v, want the outer one, %v", at, want)
		}
		pass(time.Second)
		wantContext(t, ctx, context.DeadlineExceeded, ErrTimeout)
		later, stop := withTimeout(context.Background(), clk, time.Minute)
		defer stop()
		ctx, stop = withTimeout(later, clk, time.Second)
		defer stop()
		if at, ok := ctx.Deadline(); !ok || clk.Until(at) != time.Second {
			t.Errorf("deadline %v, want its own", at)
		}
	})
}
