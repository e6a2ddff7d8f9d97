package future_test

import (
	"context"
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

// A watched context knows what hangs on it. It is a type of its own, as those of
// many frameworks are, which package context asks to call it back.
type watched struct {
	done chan struct{}

	mu   sync.Mutex
	err  error
	hung map[*func()]bool
}

func watch() *watched { return &watched{done: make(chan struct{}), hung: make(map[*func()]bool)} }

func (w *watched) Deadline() (at time.Time, ok bool) { return at, false }
func (w *watched) Done() <-chan struct{}             { return w.done }
func (w *watched) Value(any) any                     { return nil }

func (w *watched) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

func (w *watched) AfterFunc(f func()) (stop func() bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		go f()
		return func() bool { return false }
	}
	w.hung[&f] = true
	return func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		was := w.hung[&f]
		delete(w.hung, &f)
		return was
	}
}

func (w *watched) cancel() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = context.Canceled
	close(w.done)
	for f := range w.hung {
		go (*f)()
	}
	clear(w.hung)
}

func (w *watched) hanging() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.hung)
}

// A context lives longer than what is asked with it: once that is over, nothing of it
// may be left there.
func TestF3_NothingStaysOnAContext(t *testing.T) {
	brief := func(ctx context.Context, q int) (int, error) { return q, sleep(ctx, time.Second) }
	fails := func(ctx context.Context, q int) (int, error) { return 0, errBoom }
	lifted := func(f future.Func[int, int], p *future.Policy) func(context.Context) {
		ask := future.Lift(f, p)
		return func(ctx context.Context) {
			fs := []*future.Future[int]{ask(ctx, 1), ask(ctx, 2), ask(ctx, 3)}
			_, _ = future.Settled(fs...).Await(ctx)
		}
	}
	fn := func(ctx context.Context) (int, error) { return brief(ctx, 1) }
	asks := func(ctx context.Context) *future.Future[int] { return future.Go(ctx, fn) }
	var group future.Group[int, int]
	for name, use := range map[string]func(context.Context){
		"Lift":          lifted(brief, nil),
		"Policy":        lifted(brief, &future.Policy{Attempts: 2}),
		"Concurrency":   lifted(brief, &future.Policy{Concurrency: 1}),
		"Queue":         lifted(brief, &future.Policy{Concurrency: 1, Queue: 1}),
		"Timeout":       lifted(brief, &future.Policy{Timeout: time.Minute}),
		"timed out":     lifted(brief, &future.Policy{Timeout: time.Millisecond}),
		"Hedge":         lifted(brief, &future.Policy{Hedge: time.Millisecond}),
		"Attempts":      lifted(fails, &future.Policy{Attempts: 3}),
		"mistake":       lifted(fails, &future.Policy{Attempts: -1}),
		"Go and All":    func(ctx context.Context) { _, _ = future.All(asks(ctx), asks(ctx)).Await(ctx) },
		"First":         func(ctx context.Context) { _, _ = future.First(ctx, asks, asks).Await(ctx) },
		"future.Hedge":  func(ctx context.Context) { _, _ = future.Hedge(ctx, time.Millisecond, 3, fn).Await(ctx) },
		"Group.Do":      func(ctx context.Context) { _, _ = group.Do(ctx, 1, fn) },
		"Group.Go":      func(ctx context.Context) { _, _ = group.Go(ctx, 1, fn).Await(ctx) },
		"Lazy":          func(ctx context.Context) { _, _ = (&future.Lazy[int]{New: fn}).Get(ctx) },
		"Parallel":      func(ctx context.Context) { _, _ = future.Parallel(ctx, 2, []int{1, 2, 3}, brief) },
		"ParallelSeq":   func(ctx context.Context) { drain(future.ParallelSeq(ctx, 2, slices.Values([]int{1, 2}), brief)) },
		"ParallelSeq 1": func(ctx context.Context) { one(future.ParallelSeq(ctx, 2, slices.Values([]int{1, 2}), brief)) },
		"AsCompleted":   func(ctx context.Context) { drain(future.AsCompleted(ctx, asks(ctx), asks(ctx))) },
		"AsCompleted 1": func(ctx context.Context) { one(future.AsCompleted(ctx, asks(ctx), asks(ctx))) },
		"Run": func(ctx context.Context) {
			_ = future.Run(ctx, func(s *future.Scope) error {
				s.SetLimit(1)
				asks(s)
				asks(s)
				lifted(brief, &future.Policy{Concurrency: 1, Timeout: time.Minute})(s)
				return nil
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				ctx := watch()
				use(ctx)
				time.Sleep(time.Hour) // losers too have ended
				if n := ctx.hanging(); n != 0 {
					t.Errorf("%d still hang on the context", n)
				}
			})
			bubble(t, func(t *testing.T) { // who gives up leaves nothing either
				ctx := watch()
				go use(ctx)
				synctest.Wait()
				ctx.cancel()
				synctest.Wait()
				use(ctx)
				if n := ctx.hanging(); n != 0 {
					t.Errorf("%d hang on a context that has ended", n)
				}
			})
		})
	}
}

func drain[A, B any](seq func(func(A, B) bool)) { seq(func(A, B) bool { return true }) }
func one[A, B any](seq func(func(A, B) bool))   { seq(func(A, B) bool { return false }) }

// What waits is an entry somewhere, and no goroutine.
func TestF5_WhatWaitsHasNoGoroutine(t *testing.T) {
	const n = 100
	never := func(ctx context.Context, _ int) (int, error) { <-ctx.Done(); return 0, ctx.Err() }
	fails := func(context.Context, int) (int, error) { return 0, errBoom }
	for name, start := range map[string]func(ctx context.Context, p *future.Promise[int]){
		"asks in a queue": func(ctx context.Context, _ *future.Promise[int]) {
			ask := future.Lift(never, &future.Policy{Concurrency: 1})
			for i := range n {
				ask(ctx, i)
			}
		},
		"asks that rest": func(ctx context.Context, _ *future.Promise[int]) {
			ask := future.Lift(fails, &future.Policy{Attempts: 2, Backoff: antiphon.Constant(time.Hour)})
			for i := range n {
				ask(ctx, i)
			}
		},
		"combinators": func(ctx context.Context, p *future.Promise[int]) {
			f := p.Future()
			for range n {
				future.All(f, f)
				future.Any(f, f)
				future.Race(f, f)
				future.Settled(f, f)
				future.Recover(f, nil2)
				future.Then(f, func(int) *future.Future[int] { return f })
				f.OnDone(func(future.Result[int]) {})
				future.First(ctx, func(context.Context) *future.Future[int] { return f })
			}
		},
		"callers of one flight": func(ctx context.Context, _ *future.Promise[int]) {
			var g future.Group[int, int]
			for range n {
				g.Go(ctx, 1, func(ctx context.Context) (int, error) { return never(ctx, 1) })
			}
		},
		"members without a slot": func(ctx context.Context, _ *future.Promise[int]) {
			go func() {
				_ = future.Run(ctx, func(s *future.Scope) error {
					s.SetLimit(1)
					for i := range n {
						future.Call(s, never, i)
					}
					return nil
				})
			}()
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				var p future.Promise[int]
				before := runtime.NumGoroutine()
				start(ctx, &p)
				synctest.Wait()
				if got := runtime.NumGoroutine() - before; got > n/2 { // some work, and others end elsewhere
					t.Errorf("%d goroutines for %d that wait", got, n)
				}
				p.Resolve(1)
			})
		})
	}
}

// A counting clock knows the timers that were started, and those that went off.
type counting struct {
	clock.Clock
	started, rang *atomic.Int32
}

func (c counting) AfterFunc(d time.Duration, f func()) *clock.Timer {
	c.started.Add(1)
	return c.Clock.AfterFunc(d, func() { c.rang.Add(1); f() })
}

// Only what has a time to keep starts a timer, and stops it when it is not needed.
func TestF5_TimersAreThoseAskedFor(t *testing.T) {
	brief := func(ctx context.Context, q int) (int, error) { return q, sleep(ctx, time.Second) }
	for name, c := range map[string]struct {
		policy        future.Policy
		started, rang int32 // by three asks, of a second each, that fail
		f             future.Func[int, int]
	}{
		"nothing to time": {future.Policy{Attempts: 3, Concurrency: 1, Queue: 5}, 0, 0, brief},
		"a timeout":       {future.Policy{Timeout: time.Minute}, 3, 0, brief},
		"a hedge":         {future.Policy{Hedge: time.Minute}, 3, 0, brief},
		"a short hedge":   {future.Policy{Hedge: time.Millisecond}, 3, 3, brief},
		"no rest":         {future.Policy{Attempts: 3, Backoff: antiphon.Constant(0)}, 0, 0, func(context.Context, int) (int, error) { return 0, errBoom }},
		"rests":           {future.Policy{Attempts: 3, Backoff: antiphon.Constant(1)}, 6, 6, func(context.Context, int) (int, error) { return 0, errBoom }},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var started, rang atomic.Int32
				p := c.policy
				p.Clock = counting{clock.New(), &started, &rang}
				ask := future.Lift(c.f, &p)
				fs := []*future.Future[int]{ask(t.Context(), 1), ask(t.Context(), 2), ask(t.Context(), 3)}
				_, _ = future.Settled(fs...).Await(t.Context())
				time.Sleep(time.Hour)
				if started.Load() != c.started || rang.Load() != c.rang {
					t.Errorf("%d timers were started and %d rang, want %d and %d", started.Load(), rang.Load(), c.started, c.rang)
				}
			})
		})
	}
	bubble(t, func(t *testing.T) { // who is cancelled while resting wants no more of it
		var started, rang atomic.Int32
		ask := future.Lift(func(context.Context, int) (int, error) { return 0, errBoom }, &future.Policy{
			Attempts: 3, Backoff: antiphon.Constant(time.Minute), Clock: counting{clock.New(), &started, &rang},
		})
		ctx, cancel := context.WithCancel(t.Context())
		f := ask(ctx, 1)
		synctest.Wait()
		cancel()
		_, _ = f.Await(t.Context())
		time.Sleep(time.Hour)
		if started.Load() != 1 || rang.Load() != 0 {
			t.Errorf("%d timers were started and %d rang, want 1 and 0", started.Load(), rang.Load())
		}
	})
}
