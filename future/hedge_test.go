package future_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
)

// A copy is made whenever another delay has passed, on any clock.
func TestHedgeMakesItsCopiesInTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		start := time.Now()
		var mu sync.Mutex
		var calls []time.Duration
		ctx, cancel := context.WithCancelCause(context.Background())
		f := future.Hedge(ctx, time.Second, 4, func(ctx context.Context) (int, error) {
			mu.Lock()
			calls = append(calls, time.Since(start))
			mu.Unlock()
			<-ctx.Done()
			return 0, ctx.Err()
		})
		time.Sleep(time.Minute)
		mu.Lock()
		made := slices.Clone(calls)
		mu.Unlock()
		if len(made) != 4 {
			t.Fatalf("%d calls", len(made))
		}
		for i, c := range made {
			if c != time.Duration(i)*time.Second {
				t.Errorf("call %d after %v", i+1, c)
			}
		}
		if _, settled := f.Peek(); settled {
			t.Error("settled without an outcome")
		}
		cancel(errCause) // reaches all copies
		_, err := f.Await(noContext)
		is(t, err, context.Canceled)
		mu.Lock()
		defer mu.Unlock()
		if n := len(calls); n != 4 {
			t.Errorf("%d calls", n)
		}
	})
}

// A call that fails is not replaced: while others are under way they may still
// answer, and when none is, Hedge has failed.
func TestHedgeDoesNotReplaceWhatFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var calls atomic.Int32
		start := time.Now()
		_, err := future.Hedge(noContext, time.Second, 3, func(context.Context) (int, error) {
			calls.Add(1)
			time.Sleep(time.Second / 2)
			return 0, errBoom
		}).Await(noContext)
		at(t, start, time.Second/2)
		if err != errBoom || calls.Load() != 1 {
			t.Errorf("%v after %d calls", err, calls.Load())
		}
	})
	bubble(t, func(t *testing.T) {
		var calls atomic.Int32
		start := time.Now()
		mustBe(t, future.Hedge(noContext, time.Second, 3, func(ctx context.Context) (int, error) {
			switch calls.Add(1) {
			case 1:
				time.Sleep(1500 * time.Millisecond)
				return 0, errBoom // the second is under way
			case 2:
				time.Sleep(1200 * time.Millisecond)
				panic("and now the third is")
			}
			return 3, sleep(ctx, time.Second)
		}), 3, nil)
		at(t, start, 3*time.Second)
	})
}

// The first value wins, whatever the others do: fail, panic, Goexit, or never
// come back.
func TestF6_HedgeSurvivesWhatItsCopiesDo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		gate := make(chan struct{})
		var calls atomic.Int32
		start := time.Now()
		mustBe(t, future.Hedge(noContext, time.Second, 5, func(ctx context.Context) (int, error) {
			switch calls.Add(1) {
			case 1:
				<-gate
			case 2:
				panic("now")
			case 3:
				runtime.Goexit()
			case 4:
				return 0, errBoom
			}
			return 5, nil
		}), 5, nil)
		at(t, start, 4*time.Second)
		close(gate)
	})
	bubble(t, func(t *testing.T) {
		var calls atomic.Int32
		_, err := future.Hedge(noContext, time.Second, 2, func(ctx context.Context) (int, error) {
			n := calls.Add(1)
			time.Sleep(5 * time.Second)
			if n == 1 {
				panic(errCause)
			}
			runtime.Goexit()
			return 0, nil
		}).Await(noContext)
		for _, want := range []error{future.ErrPanic, errCause, future.ErrGoexit} {
			is(t, err, want)
		}
	})
}

func TestHedgeEndsAtTheDeadline(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), 2500*time.Millisecond)
		defer cancel()
		start := time.Now()
		var calls atomic.Int32
		_, err := future.Hedge(ctx, time.Second, 9, func(context.Context) (int, error) {
			if calls.Add(1) == 2 {
				return 0, errBoom
			}
			time.Sleep(time.Hour) // deaf
			return 1, nil
		}).Await(noContext)
		at(t, start, 2500*time.Millisecond)
		if !errors.Is(err, future.ErrTimeout) || !errors.Is(err, errBoom) || antiphon.ClassOf(err) != antiphon.ClassUnknown || calls.Load() != 3 {
			t.Errorf("%v, class %s after %d calls: what failed stays beside it", err, antiphon.ClassOf(err), calls.Load())
		}
		time.Sleep(2 * time.Hour)
		if calls.Load() != 3 {
			t.Errorf("%d calls", calls.Load())
		}
	})
}

// In a scope the copies are members: Run waits for the losers too.
func TestF9_ScopeOwnsHedgedCopies(t *testing.T) {
	bubble(t, func(t *testing.T) {
		start := time.Now()
		back := 0
		err := future.Run(t.Context(), func(s *future.Scope) error {
			var calls atomic.Int32
			mustBe(t, future.Hedge(s, time.Second, 2, func(ctx context.Context) (int, error) {
				if calls.Add(1) == 2 {
					return 2, nil
				}
				<-ctx.Done()
				if context.Cause(ctx) != future.ErrLost || context.Cause(s) != nil {
					t.Errorf("cause %v, of the scope %v", context.Cause(ctx), context.Cause(s))
				}
				time.Sleep(time.Minute)
				back++
				return 0, errBoom // a loser's failure is nobody's
			}), 2, nil)
			at(t, start, time.Second)
			return nil
		})
		if err != nil || back != 1 {
			t.Errorf("%v, back %d", err, back)
		}
		at(t, start, time.Minute+time.Second)
	})
}

func TestHedgedAttemptsAndTheirEvents(t *testing.T) {
	for name, mock := range map[string]bool{"real": false, "mock": true} {
		bubble(t, func(t *testing.T) {
			var ev events
			var mu sync.Mutex
			var attempts []int
			p := &future.Policy{
				Name: "h", Attempts: 2, Hedge: time.Second, Timeout: 10 * time.Second,
				Backoff: antiphon.Constant(time.Second), Observer: ev.observe,
			}
			pass := func(d time.Duration) { time.Sleep(d); synctest.Wait() }
			if mock {
				m := clock.NewMock() // made in the bubble
				p.Clock = m
				pass = func(d time.Duration) { m.Add(d); synctest.Wait() }
			}
			f := future.Lift(func(ctx context.Context, _ int) (int, error) {
				n := antiphon.InfoFrom(ctx).Attempt
				mu.Lock()
				attempts = append(attempts, n)
				last := n == 2 && len(attempts) == 4
				mu.Unlock()
				if last {
					return 7, nil
				}
				<-ctx.Done()
				return 0, context.Cause(ctx)
			}, p)(noContext, 1)
			synctest.Wait()
			for range 9 { // the first attempt: doubled after one second, once
				pass(time.Second)
			}
			made := func() int { mu.Lock(); defer mu.Unlock(); return len(attempts) }
			if made() != 2 {
				t.Errorf("%s: %d copies of one attempt", name, made())
			}
			for range 3 { // its time is up, it rests, and the second attempt is doubled
				pass(time.Second)
			}
			mustBe(t, f, 7, nil)
			if made() != 4 {
				t.Errorf("%s: %d calls", name, made())
			}
			hedged := ev.named("future.hedge")
			for i, e := range hedged {
				if e.Attempt != i+1 || e.Duration != time.Second || e.Kind != "h" || e.Err != nil || e.Context == nil {
					t.Errorf("%s: %+v", name, e)
				}
			}
			if len(hedged) != 2 || len(ev.named("future.timeout")) != 1 || len(ev.named("future.retry")) != 1 {
				t.Errorf("%s: events %q", name, ev.names())
			}
			synctest.Wait()
		})
	}
}

// A function that is quick is never doubled, and leaves no timer.
func TestHedgeOfAQuickFunction(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var calls atomic.Int32
		for range 100 {
			mustBe(t, future.Hedge(noContext, time.Hour, 2, func(context.Context) (int, error) { return int(calls.Add(1) * 0), nil }), 0, nil)
		}
		time.Sleep(2 * time.Hour)
		if calls.Load() != 100 {
			t.Errorf("%d calls", calls.Load())
		}
	})
}
