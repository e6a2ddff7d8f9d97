package future_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/benbjohnson/clock"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
)

// events collects what an Observer is told.
type events struct {
	mu  sync.Mutex
	all []antiphon.Event
}

func (e *events) observe(ev antiphon.Event) { e.mu.Lock(); e.all = append(e.all, ev); e.mu.Unlock() }

func (e *events) named(name string) (found []antiphon.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, ev := range e.all {
		if ev.Name == name {
			found = append(found, ev)
		}
	}
	return found
}

func (e *events) names() (names []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, ev := range e.all {
		names = append(names, ev.Name)
	}
	return names
}

// Who is cancelled while the policy makes up its mind does not rest, nor is the
// function called again.
func TestCancelledWhileDeciding(t *testing.T) {
	for name, p := range map[string]func(cancel func()) *future.Policy{
		"Observer": func(cancel func()) *future.Policy {
			return &future.Policy{Observer: func(e antiphon.Event) {
				if e.Name == "future.retry" {
					cancel()
				}
			}}
		},
		"Backoff": func(cancel func()) *future.Policy {
			return &future.Policy{Backoff: func(int) time.Duration { cancel(); return time.Hour }}
		},
		"Retryable": func(cancel func()) *future.Policy {
			return &future.Policy{Retryable: func(error) bool { cancel(); return true }}
		},
	} {
		for _, pause := range []time.Duration{0, time.Minute} {
			bubble(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(context.Background())
				policy := p(func() { cancel(errCause); time.Sleep(pause) })
				policy.Attempts = 3
				if policy.Backoff == nil {
					policy.Backoff = antiphon.Constant(time.Hour)
				}
				calls := 0
				start := time.Now()
				_, err := future.Lift(func(context.Context, int) (int, error) { calls++; return 0, errBoom }, policy)(ctx, 1).Await(noContext)
				if !errors.Is(err, errBoom) || !errors.Is(err, errCause) || antiphon.ClassOf(err) != antiphon.ClassFailed || calls != 1 {
					t.Errorf("%s: %v, class %s after %d calls", name, err, antiphon.ClassOf(err), calls)
				}
				at(t, start, pause)
			})
		}
	}
}

// Goexit in what the policy asks is as good as a panic.
func TestF6_GoexitInThePolicyStrandsNobody(t *testing.T) {
	goexit := func() { runtime.Goexit() }
	for name, p := range map[string]*future.Policy{
		"Retryable": {Attempts: 3, Retryable: func(error) bool { goexit(); return true }},
		"Backoff":   {Attempts: 3, Backoff: func(int) time.Duration { goexit(); return 0 }},
		"retry":     {Attempts: 3, Observer: func(e antiphon.Event) { goexit() }},
		"timeout": {Timeout: time.Second, Observer: func(e antiphon.Event) {
			if e.Name == "future.timeout" {
				goexit()
			}
		}},
		"hedge": {Hedge: time.Second, Observer: func(e antiphon.Event) {
			if e.Name == "future.hedge" {
				goexit()
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := *p
				p.Concurrency = 2
				p.Backoff = cmpOr(p.Backoff, antiphon.Constant(time.Second))
				ask := future.Lift(func(context.Context, int) (int, error) { time.Sleep(time.Minute); return 0, errBoom }, &p)
				for range 4 {
					f := ask(noContext, 1)
					time.Sleep(time.Hour)
					r, ok := f.Peek()
					if !ok {
						t.Fatal("pending for ever")
					}
					if !errors.Is(r.Err, errBoom) && !errors.Is(r.Err, future.ErrTimeout) {
						t.Errorf("%v", r.Err)
					}
				}
			})
		})
	}
}

func cmpOr(a, b antiphon.Backoff) antiphon.Backoff {
	if a != nil {
		return a
	}
	return b
}

// What was perhaps done is never called not accepted: not by what came after.
func TestNotAcceptedIsNotSaidOfWhatMayBeDone(t *testing.T) {
	refused := &antiphon.Error{Code: antiphon.CodeUnavailable, Class: antiphon.ClassNotAccepted, Message: "no connection"}
	lost := &antiphon.Error{Code: antiphon.CodeUnavailable, Class: antiphon.ClassUnknown, Message: "connection lost"}
	for name, c := range map[string]struct {
		errs []error
		want antiphon.Class
	}{
		"all refused":          {[]error{refused, refused}, antiphon.ClassNotAccepted},
		"lost, then refused":   {[]error{lost, refused}, antiphon.ClassUnknown},
		"lost, refused twice":  {[]error{lost, refused, refused}, antiphon.ClassUnknown},
		"refused, then lost":   {[]error{refused, lost}, antiphon.ClassUnknown},
		"failed, then refused": {[]error{errBoom, refused}, antiphon.ClassFailed},
		"lost, then failed":    {[]error{lost, errBoom}, antiphon.ClassFailed}, // what ended badly was surely tried
	} {
		bubble(t, func(t *testing.T) {
			n := 0
			_, err := future.With(func(context.Context, int) (int, error) { n++; return 0, c.errs[n-1] },
				&future.Policy{Attempts: len(c.errs)})(t.Context(), 1)
			if got := antiphon.ClassOf(err); got != c.want || !errors.Is(err, c.errs[n-1]) {
				t.Errorf("%s: class %s, want %s: %v", name, got, c.want, err)
			}
		})
		if name == "lost, refused twice" || name == "lost, then failed" {
			continue
		}
		bubble(t, func(t *testing.T) { // the same of copies of one attempt
			var n atomic.Int32
			_, err := future.Hedge(noContext, time.Second, 2, func(context.Context) (int, error) {
				i := n.Add(1)
				time.Sleep(10 * time.Second)
				return 0, c.errs[i-1]
			}).Await(noContext)
			if got := antiphon.ClassOf(err); got != c.want || !errors.Is(err, c.errs[0]) || !errors.Is(err, c.errs[1]) {
				t.Errorf("copies %s: class %s, want %s: %v", name, got, c.want, err)
			}
		})
	}
	bubble(t, func(t *testing.T) { // nor when the scope refuses the second attempt
		err := future.Run(noContext, func(s *future.Scope) error {
			s.SetLimit(1)
			f := future.Lift(func(context.Context, int) (int, error) { return 0, errBoom },
				&future.Policy{Attempts: 2, Backoff: antiphon.Constant(time.Second)})(s, 1)
			synctest.Wait()
			future.Go(s, func(context.Context) (int, error) { time.Sleep(time.Minute); return 0, nil })
			time.Sleep(10 * time.Second) // the second attempt waits for the slot of the scope
			s.Cancel(errCause)
			_, err := f.Await(noContext)
			if !errors.Is(err, errBoom) || antiphon.ClassOf(err) != antiphon.ClassFailed {
				t.Errorf("%v, class %s", err, antiphon.ClassOf(err))
			}
			return nil
		})
		is(t, err, errCause)
	})
}

// An outer policy's timeout is none of the inner one's.
func TestTimeoutOfAnOuterPolicy(t *testing.T) {
	for name, inner := range map[string]*future.Policy{
		"retries":  {Attempts: 3},
		"timeouts": {Timeout: time.Hour, Attempts: 3},
	} {
		for range 50 {
			bubble(t, func(t *testing.T) {
				var in, out events
				inner := *inner
				inner.Observer = in.observe
				calls := 0
				ask := future.With(func(ctx context.Context, _ int) (int, error) {
					calls++
					<-ctx.Done()
					return 0, fmt.Errorf("stopped: %w", ctx.Err())
				}, &inner)
				start := time.Now()
				_, err := future.With(ask, &future.Policy{Timeout: time.Second, Observer: out.observe})(t.Context(), 1)
				at(t, start, time.Second)
				is(t, err, future.ErrTimeout)
				synctest.Wait()
				if n := len(in.named("future.timeout")); n != 0 || calls != 1 {
					t.Fatalf("%s: the inner policy told of %d timeouts, %d calls", name, n, calls)
				}
				if n := len(out.named("future.timeout")); n != 1 {
					t.Fatalf("%s: the outer policy told of %d timeouts", name, n)
				}
			})
			if t.Failed() {
				return
			}
		}
	}
}

// Every timeout is told of once, however quick the function is.
func TestEveryTimeoutIsToldOnce(t *testing.T) {
	for i := range 300 {
		bubble(t, func(t *testing.T) {
			var ev events
			_, err := future.With(func(ctx context.Context, _ int) (int, error) {
				<-ctx.Done()
				return 0, context.Cause(ctx)
			}, &future.Policy{Timeout: time.Second, Attempts: 2, Backoff: antiphon.Constant(time.Second), Name: "n", Observer: ev.observe})(t.Context(), 1)
			is(t, err, future.ErrTimeout)
			synctest.Wait()
			told := ev.named("future.timeout")
			for n, e := range told {
				if e.Attempt != n+1 || e.Duration != time.Second || e.Kind != "n" || e.Context == nil || !errors.Is(e.Err, future.ErrTimeout) {
					t.Errorf("event %+v", e)
				}
			}
			if len(told) != 2 {
				t.Fatalf("round %d: events %q", i, ev.names())
			}
		})
		if t.Failed() {
			return
		}
	}
}

// A wrapped clock is a clock too.
type wrapped struct{ clock.Clock }

func TestEveryClockMeasuresTheTimeout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		mock := clock.NewMock()
		f := future.Lift(func(ctx context.Context, _ int) (int, error) { <-ctx.Done(); return 0, ctx.Err() },
			&future.Policy{Timeout: time.Second, Clock: wrapped{mock}})(noContext, 1)
		time.Sleep(time.Hour)
		if _, settled := f.Peek(); settled {
			t.Error("settled by another clock")
		}
		synctest.Wait()
		mock.Add(time.Second)
		mustBe(t, f, 0, future.ErrTimeout)
	})
}

// The deadline that an outer policy sets by its clock is read by that clock.
func TestPoliciesOnOneMockClockNest(t *testing.T) {
	bubble(t, func(t *testing.T) {
		mock := clock.NewMock()
		calls := 0
		inner := future.With(func(ctx context.Context, _ int) (int, error) {
			if calls++; calls < 3 {
				return 0, errBoom
			}
			return 7, nil
		}, &future.Policy{Attempts: 5, Backoff: antiphon.Constant(time.Second), Clock: mock})
		f := future.Lift(inner, &future.Policy{Timeout: time.Minute, Clock: mock})(noContext, 1)
		for range 3 {
			synctest.Wait()
			mock.Add(time.Second)
		}
		mustBe(t, f, 7, nil)
	})
}

// A settled ask holds what it was answered, not what it was asked or how.
func TestSettledAskHoldsNothing(t *testing.T) {
	type big struct{ _ [1 << 10]byte }
	use := func(b *big) { runtime.KeepAlive(b) }
	for name, start := range map[string]func(*big) *future.Future[int]{
		"fn of a policy": func(b *big) *future.Future[int] {
			return future.Lift(func(context.Context, int) (int, error) { use(b); return 1, nil }, &future.Policy{Concurrency: 1})(noContext, 1)
		},
		"fn of Hedge": func(b *big) *future.Future[int] {
			return future.Hedge(noContext, time.Minute, 2, func(context.Context) (int, error) { use(b); return 1, nil })
		},
		"q and ctx": func(b *big) *future.Future[int] {
			ctx, cancel := context.WithCancel(context.WithValue(context.Background(), key{}, b))
			_ = cancel
			return future.Lift(func(_ context.Context, b *big) (int, error) { use(b); return 1, nil },
				&future.Policy{Concurrency: 1, Timeout: time.Hour, Hedge: time.Hour, Attempts: 3})(ctx, b)
		},
		"after retries": func(b *big) *future.Future[int] {
			n := 0
			return future.Lift(func(ctx context.Context, b *big) (int, error) {
				if n++; n < 3 {
					return 0, errBoom
				}
				use(b)
				return 1, nil
			}, &future.Policy{Attempts: 3, Backoff: antiphon.Constant(0)})(context.WithValue(context.Background(), key{}, b), b)
		},
		"an ask that waited": func(b *big) *future.Future[int] {
			ask := future.Lift(func(_ context.Context, b *big) (int, error) { use(b); return 1, nil }, &future.Policy{Concurrency: 1})
			ask(noContext, nil)
			return ask(context.WithValue(context.Background(), key{}, b), b)
		},
	} {
		b := new(big)
		held := weak.Make(b)
		f := start(b)
		b = nil
		mustBe(t, f, 1, nil)
		for range 10 {
			runtime.GC()
			runtime.Gosched()
		}
		if held.Value() != nil {
			t.Errorf("%s is still held", name)
		}
		runtime.KeepAlive(f)
	}
}

var _ = slices.Equal[[]int]

// A client that reports the bare cause for which its context ended, as that of
// net/http does, has been interrupted: whether the request was done is unknown.
func TestLiftTellsInterruptedFromFailed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, p := range []*future.Policy{nil, {Attempts: 3}, {Timeout: time.Hour}} {
			ask := future.Lift(func(ctx context.Context, n int) (int, error) {
				<-ctx.Done()
				if n == 1 {
					return 0, errBoom // something else
				}
				return 0, fmt.Errorf("get: %w", context.Cause(ctx))
			}, p)
			ctx, cancel := context.WithCancelCause(t.Context())
			f, other := ask(ctx, 0), ask(ctx, 1)
			cancel(errCause)
			_, err := f.Await(noContext)
			is(t, err, errCause)
			is(t, err, context.Canceled)
			if antiphon.CodeOf(err) != antiphon.CodeCanceled || antiphon.ClassOf(err) != antiphon.ClassUnknown {
				t.Errorf("%v: %s, %s", err, antiphon.CodeOf(err), antiphon.ClassOf(err))
			}
			if _, err := other.Await(noContext); antiphon.ClassOf(err) != antiphon.ClassFailed {
				t.Errorf("%v: %s", err, antiphon.ClassOf(err))
			}
		}
	})
}
