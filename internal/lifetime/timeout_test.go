package lifetime_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/antiphon-go/antiphon/internal/lifetime"
)

func TestWithTimeout(t *testing.T) {
	for name, clk := range map[string]func() (clock.Clock, func(time.Duration)){
		"nil":  func() (clock.Clock, func(time.Duration)) { return nil, time.Sleep },
		"real": func() (clock.Clock, func(time.Duration)) { return clock.New(), time.Sleep },
		"mock": func() (clock.Clock, func(time.Duration)) { m := clock.NewMock(); return m, m.Add },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				clk, pass := clk()
				now := time.Now()
				if clk != nil {
					now = clk.Now()
				}
				type key struct{}
				base, end := context.WithCancel(context.WithValue(t.Context(), key{}, "v"))
				ctx, cancel := lifetime.WithTimeout(base, clk, time.Minute, errTimeUp)
				defer cancel()
				if at, ok := ctx.Deadline(); !ok || !at.Equal(now.Add(time.Minute)) || ctx.Value(key{}) != "v" || ctx.Err() != nil {
					t.Error(at, ok, ctx.Err())
				}
				pass(time.Minute)
				synctest.Wait()
				if ctx.Err() != context.DeadlineExceeded || context.Cause(ctx) != errTimeUp {
					t.Error("time up:", ctx.Err(), context.Cause(ctx))
				}

				ctx, cancel = lifetime.WithTimeout(base, clk, time.Minute, errTimeUp)
				cancel()
				if ctx.Err() != context.Canceled {
					t.Error("canceled:", ctx.Err())
				}
				ctx, cancel = lifetime.WithTimeout(base, clk, time.Minute, errTimeUp)
				defer cancel()
				end()
				if ctx.Err() != context.Canceled || !errors.Is(context.Cause(ctx), context.Canceled) {
					t.Error("the base has ended:", ctx.Err())
				}
			})
		})
	}
}

func TestTheEarlierDeadlineCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clk := clock.NewMock()
		at := clk.Now().Add(time.Second)
		base, cancel := context.WithDeadline(t.Context(), at)
		defer cancel()
		ctx, cancel := lifetime.WithTimeout(base, clk, time.Minute, errTimeUp)
		defer cancel()
		if d, ok := ctx.Deadline(); !ok || !d.Equal(at) {
			t.Error(d, ok)
		}
	})
}
