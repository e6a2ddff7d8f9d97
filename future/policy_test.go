package future_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
)

func TestCallOptsPassesOptions(t *testing.T) {
	sum := func(_ context.Context, q int, opts ...int) (int, error) {
		for _, o := range opts {
			q += o
		}
		return q, nil
	}
	mustBe(t, future.CallOpts(t.Context(), sum, 1, 2, 3), 6, nil)
	mustBe(t, future.CallOpts(t.Context(), sum, 1), 1, nil)
}

func TestWithoutAPolicyWithIsTheFunction(t *testing.T) {
	same := 0
	f := func(context.Context, int) (int, error) { same++; return 7, errBoom }
	if v, err := future.With(f, nil)(t.Context(), 1); v != 7 || err != errBoom || same != 1 {
		t.Errorf("%d, %v", v, err)
	}
	if v, err := future.With(f, &future.Policy{Attempts: 3, Backoff: antiphon.Constant(0)})(t.Context(), 1); v != 7 || err != errBoom || same != 4 {
		t.Errorf("%d, %v after %d", v, err, same)
	}
}

func TestNegativePolicyFieldsFailEachAsk(t *testing.T) {
	for field, p := range map[string]*future.Policy{
		"Timeout": {Timeout: -1}, "Attempts": {Attempts: -1}, "Concurrency": {Concurrency: -1}, "Queue": {Queue: -1}, "Hedge": {Hedge: -1},
	} {
		ask := future.Lift(func(context.Context, int) (int, error) { t.Error("called"); return 0, nil }, p)
		for range 2 {
			_, err := ask(t.Context(), 1).Await(t.Context())
			if antiphon.CodeOf(err) != antiphon.CodeInvalidArgument || antiphon.ClassOf(err) != antiphon.ClassNotAccepted || !strings.Contains(err.Error(), "Policy."+field) {
				t.Errorf("%s: %v", field, err)
			}
		}
	}
}

// What becomes of a Policy later is nothing to those who were made with it.
func TestPolicyIsCopied(t *testing.T) {
	calls := 0
	f := func(context.Context, int) (int, error) { calls++; return 0, errBoom }
	p := &future.Policy{Attempts: 3, Backoff: antiphon.Constant(0)}
	ask, with := future.Lift(f, p), future.With(f, p)
	*p = future.Policy{Attempts: -1}
	_, err := ask(t.Context(), 1).Await(t.Context())
	is(t, err, errBoom)
	_, err = with(t.Context(), 1)
	is(t, err, errBoom)
	same(t, 6, calls)
}

func TestAttempts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var infos []antiphon.Info
		var events []string
		ask := future.Lift(func(ctx context.Context, succeed int) (int, error) {
			infos = append(infos, antiphon.InfoFrom(ctx))
			if n := len(infos); n < succeed {
				return 0, fmt.Errorf("attempt %d: %w", n, errBoom)
			}
			return 7, nil
		}, &future.Policy{
			Name: "lookup", Attempts: 3,
			Backoff: func(n int) time.Duration { return time.Duration(n) * time.Second },
			Observer: func(e antiphon.Event) {
				events = append(events, fmt.Sprint(e.Name, e.Kind, e.Attempt, e.Duration, e.Err != nil, e.Context != nil))
			},
		})
		start := time.Now()
		ctx := antiphon.WithInfo(t.Context(), antiphon.Info{ID: "7", Attempt: 9, Key: "k"})
		mustBe(t, ask(ctx, 3), 7, nil)
		at(t, start, 3*time.Second)
		for i, info := range infos {
			if info.Attempt != i+1 || info.ID != "7" || info.Key != "k" {
				t.Errorf("attempt %d sees %+v", i+1, info)
			}
		}
		if want := []string{"future.retrylookup11strue true"}; len(events) != 2 || !strings.Contains(events[0], "future.retry") {
			t.Errorf("events %q, want %q …", events, want)
		}
		infos = nil
		_, err := ask(t.Context(), 99).Await(t.Context())
		if len(infos) != 3 || err == nil || err.Error() != "attempt 3: boom" {
			t.Errorf("%v after %d attempts", err, len(infos))
		}
	})
}

func TestWhatIsNotRetried(t *testing.T) {
	for name, c := range map[string]struct {
		err       error
		retryable func(error) bool
		calls     int
	}{
		"plain":       {errBoom, nil, 2},
		"permanent":   {antiphon.Permanent(errBoom), nil, 1},
		"not found":   {&antiphon.Error{Code: antiphon.CodeNotFound}, nil, 1},
		"own rule":    {errBoom, func(error) bool { return false }, 1},
		"own rule on": {&antiphon.Error{Code: antiphon.CodeNotFound}, func(error) bool { return true }, 2},
	} {
		bubble(t, func(t *testing.T) {
			calls := 0
			f := future.With(func(context.Context, int) (int, error) { calls++; return 0, c.err },
				&future.Policy{Attempts: 2, Retryable: c.retryable})
			if _, err := f(t.Context(), 1); err != c.err || calls != c.calls {
				t.Errorf("%s: %v after %d calls", name, err, calls)
			}
		})
	}
	bubble(t, func(t *testing.T) {
		calls := 0
		f := future.With(func(context.Context, int) (int, error) { calls++; panic("a bug") }, &future.Policy{Attempts: 5})
		if _, err := f(t.Context(), 1); !errors.Is(err, future.ErrPanic) || calls != 1 {
			t.Errorf("a panic: %v after %d calls", err, calls)
		}
	})
}

func TestRetryAfterLengthensTheDelay(t *testing.T) {
	for _, c := range []struct{ hint, want time.Duration }{{time.Minute, time.Minute}, {time.Millisecond, time.Second}, {0, time.Second}} {
		bubble(t, func(t *testing.T) {
			calls := 0
			start := time.Now()
			_, _ = future.With(func(context.Context, int) (int, error) {
				calls++
				return 0, antiphon.RetryAfter(errBoom, c.hint)
			}, &future.Policy{Attempts: 2, Backoff: antiphon.Constant(time.Second)})(t.Context(), 1)
			at(t, start, c.want)
		})
	}
}

func TestX7_PanicsInThePolicyAreErrors(t *testing.T) {
	for name, p := range map[string]*future.Policy{
		"Retryable": {Attempts: 3, Retryable: func(error) bool { panic("x") }},
		"Backoff":   {Attempts: 3, Backoff: func(int) time.Duration { panic("x") }},
	} {
		bubble(t, func(t *testing.T) {
			_, err := future.With(func(context.Context, int) (int, error) { return 0, errBoom }, p)(t.Context(), 1)
			if !errors.Is(err, future.ErrPanic) || !errors.Is(err, errBoom) {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	bubble(t, func(t *testing.T) {
		p := &future.Policy{Attempts: 2, Backoff: antiphon.Constant(time.Second), Observer: func(antiphon.Event) { panic("x") }}
		if _, err := future.With(func(context.Context, int) (int, error) { return 0, errBoom }, p)(t.Context(), 1); err != errBoom {
			t.Errorf("Observer: %v", err)
		}
	})
}

func TestTimeoutOfAnAttempt(t *testing.T) {
	for _, deaf := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			var causes []error
			var events []string
			var mu sync.Mutex
			f := func(ctx context.Context, _ int) (int, error) {
				if d, ok := ctx.Deadline(); !ok || time.Until(d) != time.Second {
					t.Errorf("the function's deadline is in %v, %t", time.Until(d), ok)
				}
				<-ctx.Done()
				mu.Lock()
				causes = append(causes, context.Cause(ctx))
				mu.Unlock()
				if deaf {
					time.Sleep(time.Hour)
				}
				return 1, fmt.Errorf("gave up: %w", context.Canceled) // whatever it says
			}
			start := time.Now()
			_, err := future.With(f, &future.Policy{
				Timeout: time.Second, Attempts: 2, Backoff: antiphon.Constant(time.Second),
				Observer: func(e antiphon.Event) { mu.Lock(); events = append(events, e.Name); mu.Unlock() },
			})(t.Context(), 1)
			at(t, start, 3*time.Second)
			if !errors.Is(err, future.ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) || antiphon.ClassOf(err) != antiphon.ClassUnknown {
				t.Errorf("%v, class %s", err, antiphon.ClassOf(err))
			}
			time.Sleep(2 * time.Hour)
			synctest.Wait()
			for _, c := range causes {
				if c != future.ErrTimeout {
					t.Errorf("the cause is %v", c)
				}
			}
			slices.Sort(events)
			if want := []string{"future.retry", "future.timeout", "future.timeout"}; !slices.Equal(slices.DeleteFunc(events, func(e string) bool { return e == "future.late" }), want) {
				t.Errorf("events %q", events)
			}
		})
	}
}

func TestLimitHoldsAndQueueIsInOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var running, most atomic.Int32
		var order []int
		ask := future.Lift(func(_ context.Context, i int) (int, error) {
			most.Store(max(most.Load(), running.Add(1)))
			defer running.Add(-1)
			order = append(order, i)
			time.Sleep(time.Second)
			return i, nil
		}, &future.Policy{Concurrency: 1, Queue: 9})
		before := runtime.NumGoroutine()
		var fs []*future.Future[int]
		for i := range 10 {
			fs = append(fs, ask(context.Background(), i))
		}
		synctest.Wait()
		if now := runtime.NumGoroutine() - before; now > 1 {
			t.Errorf("%d goroutines for one call", now)
		}
		full := ask(context.Background(), 10)
		if r, ok := full.Peek(); !ok || !errors.Is(r.Err, future.ErrFull) || antiphon.ClassOf(r.Err) != antiphon.ClassNotAccepted || antiphon.CodeOf(r.Err) != antiphon.CodeResourceExhausted {
			t.Errorf("one too many: %v, %t", r.Err, ok)
		}
		vs, err := future.All(fs...).Await(noContext)
		if err != nil || most.Load() != 1 || !slices.Equal(order, vs) {
			t.Errorf("%v, %d at once, in order %v", err, most.Load(), order)
		}
	})
}

func TestSlotIsKeptUntilTheFunctionReturnsAndNotAcrossABackoff(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ask := future.Lift(func(_ context.Context, d time.Duration) (int, error) {
			time.Sleep(d)
			return 0, errBoom
		}, &future.Policy{Concurrency: 1, Timeout: time.Second, Attempts: 2, Backoff: antiphon.Constant(time.Hour)})
		start := time.Now()
		deaf := ask(context.Background(), 30*time.Minute)
		synctest.Wait()
		var ended time.Duration
		other := future.Go(context.Background(), func(ctx context.Context) (int, error) {
			_, err := ask(ctx, 0).Await(ctx)
			ended = time.Since(start)
			return 0, err
		})
		mustBe(t, other, 0, errBoom)
		// It got the slot after 30 m, when the deaf call was back, and was
		// ready again an hour later; by then the deaf one, which had rested an
		// hour from its timeout on, was at its second attempt, for a second.
		if ended != 90*time.Minute+time.Second {
			t.Errorf("the other ended after %v", ended)
		}
		_, _ = deaf.Await(noContext)
		time.Sleep(2 * time.Hour)
	})
}

// If it says "not accepted", the function was never called; and whoever waits
// for a slot is told at once when its context ends.
func TestNotAcceptedMeansNeverCalled(t *testing.T) {
	for i := range 1000 {
		bubble(t, func(t *testing.T) {
			var called atomic.Bool
			gate := make(chan struct{})
			ask := future.Lift(func(_ context.Context, n int) (int, error) {
				if n == 0 {
					<-gate
				} else {
					called.Store(true)
				}
				return n, nil
			}, &future.Policy{Concurrency: 1})
			first := ask(context.Background(), 0)
			ctx, cancel := context.WithCancelCause(context.Background())
			second := ask(ctx, 1)
			if i%2 == 0 {
				synctest.Wait()
			}
			go close(gate)
			go cancel(errCause)
			_, err := second.Await(context.Background())
			_, _ = first.Await(noContext)
			synctest.Wait()
			switch {
			case err == nil && !called.Load():
				t.Fatal("answered without a call")
			case err != nil && (!errors.Is(err, future.ErrNotStarted) || !errors.Is(err, errCause) || antiphon.ClassOf(err) != antiphon.ClassNotAccepted):
				t.Fatalf("%v, class %s", err, antiphon.ClassOf(err))
			case err != nil && called.Load():
				t.Fatalf("%v, but the function was called", err)
			}
			mustBe(t, ask(context.Background(), 2), 2, nil) // the slot is back
		})
	}
}

// Whoever ends with the context that frees their slot is not called any more, in
// whatever order the two are told of it.
func TestNotAcceptedIfTheSlotIsFreedByTheSameEnd(t *testing.T) {
	for _, waiting := range []int{1, 3, 2000} {
		for range max(3, 600/waiting) {
			bubble(t, func(t *testing.T) {
				var called atomic.Int32
				ask := future.Lift(func(ctx context.Context, n int) (int, error) {
					called.Add(1)
					<-ctx.Done()
					return n, ctx.Err()
				}, &future.Policy{Concurrency: 1})
				ctx, cancel := context.WithCancelCause(context.Background())
				first := ask(ctx, 0)
				fs := make([]*future.Future[int], waiting)
				for i := range fs {
					fs[i] = ask(ctx, i+1)
				}
				synctest.Wait()
				cancel(errCause)
				if _, err := first.Await(noContext); !errors.Is(err, context.Canceled) || antiphon.ClassOf(err) != antiphon.ClassUnknown {
					t.Fatalf("under way: %v, class %s", err, antiphon.ClassOf(err))
				}
				for i, f := range fs {
					_, err := f.Await(noContext)
					if !errors.Is(err, future.ErrNotStarted) || !errors.Is(err, errCause) || antiphon.ClassOf(err) != antiphon.ClassNotAccepted {
						t.Fatalf("waiting, %d: %v, class %s", i, err, antiphon.ClassOf(err))
					}
				}
				if n := called.Load(); n != 1 {
					t.Fatalf("%d calls", n)
				}
			})
		}
	}
}

func TestLastRealErrorIsKept(t *testing.T) {
	policy := &future.Policy{Attempts: 9, Backoff: antiphon.Constant(time.Minute)}
	f := future.Lift(func(context.Context, int) (int, error) { return 0, errBoom }, policy)
	bubble(t, func(t *testing.T) { // cancelled while it rests
		ctx, cancel := context.WithCancelCause(context.Background())
		time.AfterFunc(90*time.Second, func() { cancel(errCause) })
		start := time.Now()
		_, err := f(ctx, 1).Await(noContext)
		at(t, start, 90*time.Second)
		if !errors.Is(err, errBoom) || !errors.Is(err, errCause) || !errors.Is(err, context.Canceled) || antiphon.ClassOf(err) != antiphon.ClassFailed {
			t.Errorf("%v, class %s", err, antiphon.ClassOf(err))
		}
	})
	bubble(t, func(t *testing.T) { // no time for another attempt: told now, not then
		ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
		defer cancel()
		start := time.Now()
		_, err := f(ctx, 1).Await(noContext)
		at(t, start, time.Minute)
		if !errors.Is(err, errBoom) || errors.Is(err, future.ErrPending) {
			t.Errorf("%v", err)
		}
	})
}

func TestHedge(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var calls atomic.Int32
		lost := make(chan error, 3)
		work := func(ctx context.Context) (int, error) {
			n := int(calls.Add(1))
			if n == 3 {
				return n, sleep(ctx, 500*time.Millisecond)
			}
			<-ctx.Done()
			lost <- context.Cause(ctx)
			time.Sleep(time.Hour) // not waited for
			return 0, ctx.Err()
		}
		start := time.Now()
		mustBe(t, future.Hedge(context.Background(), time.Second, 3, work), 3, nil)
		at(t, start, 2500*time.Millisecond)
		for range 2 {
			if err := <-lost; err != future.ErrLost {
				t.Errorf("a loser's cause is %v", err)
			}
		}
		time.Sleep(2 * time.Hour)
		if calls.Load() != 3 {
			t.Errorf("%d calls", calls.Load())
		}
		calls.Store(0)
		_, err := future.Hedge(noContext, time.Second, 2, func(ctx context.Context) (int, error) {
			n := calls.Add(1)
			time.Sleep(3 * time.Second)
			return 0, []error{errBoom, errCause}[n-1]
		}).Await(noContext)
		if !errors.Is(err, errBoom) || !errors.Is(err, errCause) || calls.Load() != 2 {
			t.Errorf("all failed: %v after %d calls", err, calls.Load())
		}
		calls.Store(0)
		mustBe(t, future.Hedge(context.Background(), time.Second, 1, func(ctx context.Context) (int, error) {
			calls.Add(1)
			return 1, sleep(ctx, time.Minute)
		}), 1, nil)
		if calls.Load() != 1 {
			t.Errorf("%d calls, one was allowed", calls.Load())
		}
	})
}

func TestHedgeNeedsASpareSlot(t *testing.T) {
	for limit, want := range map[int]int32{1: 1, 2: 2} {
		bubble(t, func(t *testing.T) {
			var calls atomic.Int32
			var hedged atomic.Int32
			mustBe(t, future.Lift(func(ctx context.Context, _ int) (int, error) {
				calls.Add(1)
				return 1, sleep(ctx, 5*time.Second)
			}, &future.Policy{Concurrency: limit, Hedge: time.Second, Observer: func(e antiphon.Event) {
				if e.Name == "future.hedge" {
					hedged.Add(1)
				}
			}})(context.Background(), 1), 1, nil)
			if calls.Load() != want || hedged.Load() != want-1 {
				t.Errorf("limit %d: %d calls, %d hedged", limit, calls.Load(), hedged.Load())
			}
		})
	}
}

// A user's mock clock drives timeouts, rests and hedges.
func TestMockClock(t *testing.T) {
	bubble(t, func(t *testing.T) {
		mock := clock.NewMock()
		var calls atomic.Int32
		var sawDeadline atomic.Bool
		ask := future.Lift(func(ctx context.Context, _ int) (int, error) {
			if calls.Add(1) < 3 {
				<-ctx.Done()
				sawDeadline.Store(errors.Is(ctx.Err(), context.DeadlineExceeded) && context.Cause(ctx) == future.ErrTimeout)
				return 0, ctx.Err()
			}
			return 7, nil
		}, &future.Policy{Timeout: time.Second, Attempts: 3, Backoff: antiphon.Constant(time.Minute), Clock: mock})
		f := ask(t.Context(), 1)
		for i, d := range []time.Duration{999 * time.Millisecond, time.Millisecond, time.Minute, time.Second, time.Minute} {
			synctest.Wait()
			if _, settled := f.Peek(); settled {
				t.Fatalf("settled before step %d", i)
			}
			mock.Add(d)
		}
		mustBe(t, f, 7, nil)
		if calls.Load() != 3 || !sawDeadline.Load() {
			t.Errorf("%d calls, saw the deadline %t", calls.Load(), sawDeadline.Load())
		}
		hedged := future.Lift(func(ctx context.Context, _ int) (int, error) {
			if calls.Add(1) == 4 {
				<-ctx.Done()
			}
			return 8, nil
		}, &future.Policy{Hedge: time.Second, Clock: mock})(t.Context(), 1)
		synctest.Wait()
		mock.Add(time.Second)
		mustBe(t, hedged, 8, nil)
	})
}

func TestDeadlineOfTheAsker(t *testing.T) {
	for name, p := range map[string]*future.Policy{"plain": nil, "policy": {Attempts: 5, Timeout: time.Hour, Concurrency: 1}} {
		bubble(t, func(t *testing.T) {
			ask := future.Lift(func(context.Context, int) (int, error) { time.Sleep(time.Hour); return 1, nil }, p)
			ctx, cancel := context.WithTimeoutCause(context.Background(), time.Second, errCause)
			defer cancel()
			start := time.Now()
			_, err := ask(ctx, 1).Await(noContext)
			at(t, start, time.Second)
			if !errors.Is(err, future.ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, errCause) || antiphon.ClassOf(err) != antiphon.ClassUnknown {
				t.Errorf("%s: %v, class %s", name, err, antiphon.ClassOf(err))
			}
			time.Sleep(2 * time.Hour)
		})
	}
}
