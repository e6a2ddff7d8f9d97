package future_test

import (
	"context"
	"errors"
	"log"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon/future"
)

// Of a hundred at once, one decides; here on all processors, outside a bubble.
func TestF1_OneOfAHundredDecides(t *testing.T) {
	for range 200 {
		var p future.Promise[int]
		var won atomic.Int32
		var winner atomic.Int64
		gate := make(chan struct{})
		var all sync.WaitGroup
		for i := range 100 {
			all.Go(func() {
				<-gate
				decide := []func() bool{
					func() bool { return p.Resolve(i) },
					func() bool { return p.Reject(errs100[i]) },
					func() bool { return p.Settle(i, errs100[i]) },
					func() bool { return p.Settle(i, nil) },
				}[i%4]
				if decide() {
					won.Add(1)
					winner.Store(int64(i))
				}
			})
		}
		close(gate)
		all.Wait()
		if won.Load() != 1 {
			t.Fatalf("%d calls decided", won.Load())
		}
		w := int(winner.Load())
		want := []future.Result[int]{{Value: w}, {Err: errs100[w]}, {Value: w, Err: errs100[w]}, {Value: w}}[w%4]
		if r, ok := p.Future().Peek(); !ok || r != want {
			t.Fatalf("call %d decided, the outcome is %v, %t", w, r, ok)
		}
		if p.Resolve(-1) || p.Reject(errBoom) || p.Reject(nil) || p.Settle(-1, nil) {
			t.Fatal("decided again")
		}
	}
}

var errs100 = func() (errs [100]error) {
	for i := range errs {
		errs[i] = errors.New("failure")
	}
	return errs
}()

func TestX5_ZeroPromiseIsReadyAndEmbeddable(t *testing.T) {
	type call struct {
		name string
		future.Promise[string]
	}
	c := &call{name: "c"}
	if again := c.Future(); c.Future() != again {
		t.Error("Future is a view: always the same")
	}
	if n := testing.AllocsPerRun(100, func() { _ = c.Future() }); n != 0 {
		t.Errorf("%v allocations for a view", n)
	}
	if _, ok := c.Future().Peek(); ok {
		t.Error("a zero promise is pending")
	}
	c.Resolve("v")
	mustBe(t, c.Future(), "v", nil)

	var lone future.Future[int]
	if _, ok := lone.Peek(); ok {
		t.Error("a Future on its own is pending")
	}
}

// An outcome that came before ctx ended has won, however the two race with the
// call of Await; outside a bubble, for there the race hardly happens.
func TestF4_TheValueWinsARaceWithTheCall(t *testing.T) {
	rounds := 20_000
	if testing.Short() {
		rounds = 1000
	}
	for i := range rounds {
		var p future.Promise[int]
		ctx, cancel := context.WithCancel(context.Background())
		var begun atomic.Bool
		go func() {
			for !begun.Load() {
			}
			for range i % 64 {
				begun.Load()
			}
			p.Resolve(7)
			cancel()
		}()
		begun.Store(true)
		if v, err := p.Future().Await(ctx); v != 7 || err != nil {
			t.Fatalf("round %d: %d, %v", i, v, err)
		}
	}
}

// A ticking context settles the future at the moment that Await asks it: the
// worst time there is.
type ticking struct {
	context.Context
	onErr func()
}

func (c ticking) Err() error { c.onErr(); return c.Context.Err() }

func TestF4_SettledWhileAwaitAsksTheContext(t *testing.T) {
	over, cancel := context.WithCancel(context.Background())
	cancel()
	var p future.Promise[int]
	if v, err := p.Future().Await(ticking{over, func() { p.Resolve(7) }}); v != 7 || err != nil {
		t.Errorf("%d, %v", v, err)
	}
}

// Callbacks are started in the order of registration, transforms run in it:
// when transform k runs, exactly the callbacks before it have been started.
func TestF7_FirstInFirstStarted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var p future.Promise[int]
		var mu sync.Mutex
		var started []int
		for i := range 20 {
			p.Future().OnDone(func(future.Result[int]) {
				mu.Lock()
				defer mu.Unlock()
				started = append(started, i)
			})
			future.Map(p.Future(), func(int) (int, error) {
				time.Sleep(time.Nanosecond) // until all that were started have ended
				mu.Lock()
				defer mu.Unlock()
				if len(started) != i+1 || started[i] != i {
					t.Errorf("when transform %d runs, callbacks %v have been started", i, started)
				}
				return 0, nil
			})
		}
		p.Resolve(1)
	})
}

func TestF7_CallbackHasAGoroutineOfItsOwn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, f := range []*future.Future[int]{future.Of(7), after(time.Second, 7, nil)} {
			var mu sync.Mutex // not re-entrant: OnDone must not call back while we hold it
			got := 0
			mu.Lock()
			f.OnDone(func(r future.Result[int]) {
				mu.Lock()
				defer mu.Unlock()
				got = r.Value
			})
			mu.Unlock()
			time.Sleep(2 * time.Second)
			synctest.Wait()
			if got != 7 {
				t.Errorf("got %d", got)
			}
		}
	})
}

// A callback that does not return is logged, with its stack, and that is all.
func TestF7_BadCallbacksAreLoggedAndHarmNobody(t *testing.T) {
	var logged logBuffer
	usual, out := slog.Default(), log.Writer()
	defer func() { slog.SetDefault(usual); log.SetOutput(out) }()
	slog.SetDefault(slog.New(slog.NewTextHandler(&logged, nil)))
	bubble(t, func(t *testing.T) {
		var p future.Promise[int]
		good := 0
		for range 3 {
			p.Future().OnDone(func(future.Result[int]) { panic("bad luck") })
			p.Future().OnDone(func(future.Result[int]) { runtime.Goexit() })
			future.Map(p.Future(), func(int) (int, error) { good++; return 0, nil })
		}
		mapped := future.Map(p.Future(), inc)
		if !p.Resolve(1) {
			t.Error("not decided")
		}
		synctest.Wait()
		mustBe(t, mapped, 2, nil)
		if good != 3 {
			t.Errorf("%d of 3 neighbours were told", good)
		}
	})
	for _, part := range []string{"bad luck", "runtime.Goexit", "promise_test.go", "level=ERROR"} {
		has(t, logged.String(), part)
	}
}

// Transforms run inside the settling call. They too may use the future that
// runs them, and settle it.
func TestF7_TransformsMayReenter(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var p, q future.Promise[int]
		f := p.Future()
		var stop func() bool
		var order []string
		future.Map(f, func(int) (int, error) {
			if p.Resolve(9) || p.Reject(errBoom) {
				t.Error("settled twice")
			}
			if v, err := f.Await(context.Background()); v != 1 || err != nil {
				t.Errorf("%d, %v", v, err)
			}
			<-f.Done()
			mustBe(t, future.Map(f, inc), 2, nil)
			mustBe(t, future.Race(f, q.Future()), 1, nil)
			if stop() {
				t.Error("stop says true of what has settled")
			}
			q.Resolve(5) // another's links, from within a notification
			order = append(order, "first")
			return 0, nil
		})
		stop = f.OnDone(func(future.Result[int]) {})
		future.Map(f, func(int) (int, error) { order = append(order, "last"); return 0, nil })
		future.Map(q.Future(), func(int) (int, error) { order = append(order, "inner"); return 0, nil })
		p.Resolve(1)
		if !slices.Equal(order, []string{"first", "inner", "last"}) && !slices.Equal(order, []string{"inner", "first", "last"}) {
			t.Errorf("in order %v", order)
		}
	})
}

func TestF7_StopRacesWithSettling(t *testing.T) {
	for range 2000 {
		bubble(t, func(t *testing.T) {
			var p future.Promise[int]
			var ran, stopped atomic.Int32
			stop := p.Future().OnDone(func(future.Result[int]) { ran.Add(1) })
			for range 3 {
				go func() {
					if stop() {
						stopped.Add(1)
					}
				}()
			}
			go p.Resolve(1)
			synctest.Wait()
			if ran.Load()+stopped.Load() != 1 {
				t.Fatalf("ran %d times, stopped %d times", ran.Load(), stopped.Load())
			}
		})
	}
}

func TestF2_DoneIsOneChannel(t *testing.T) {
	var p future.Promise[int]
	before := p.Future().Done()
	select {
	case <-before:
		t.Error("closed before there is an outcome")
	default:
	}
	if before != p.Future().Done() {
		t.Error("another channel")
	}
	p.Resolve(1)
	<-before
	if before != p.Future().Done() {
		t.Error("another channel once settled")
	}
	late := future.Of(1)
	<-late.Done()
	if again := late.Done(); late.Done() != again {
		t.Error("another channel for a future that had settled")
	}
}

// Waiters of every kind come while others settle: nobody is stranded.
func TestF2_WaitersRaceWithSettling(t *testing.T) {
	for range 3000 {
		bubble(t, func(t *testing.T) { // who is stranded is a deadlock
			var p future.Promise[int]
			f := p.Future()
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			var told atomic.Int32
			for _, wait := range []func(){
				func() { _, _ = f.Await(noContext) },
				func() { _, _ = f.Await(context.Background()) },
				func() { _, _ = f.Await(ctx) },
				func() { <-f.Done() },
				func() { _, _ = future.Map(f, inc).Await(ctx) },
				func() { _, _ = future.All(f, f).Await(ctx) },
				func() { completed(ctx, f, f) },
				func() { f.OnDone(func(future.Result[int]) { told.Add(1) }) },
			} {
				go func() { wait(); told.Add(1) }()
			}
			go p.Resolve(1)
			synctest.Wait()
			if told.Load() != 9 {
				t.Fatalf("%d of 9 were told", told.Load())
			}
		})
	}
}

func TestX4_NilContextWaits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		start := time.Now()
		v, err := after(time.Second, 7, nil).Await(noContext)
		if v != 7 || err != nil {
			t.Errorf("%d, %v", v, err)
		}
		at(t, start, time.Second)
	})
}

// Where a context is wanted, nil will do: it counts as context.Background().
func TestX5_NilContextsWork(t *testing.T) {
	brief := func(ctx context.Context, q int) (int, error) { return q, sleep(ctx, time.Second) } // panics on nil
	fn := func(ctx context.Context) (int, error) { return brief(ctx, 7) }
	ask := func(ctx context.Context) *future.Future[int] { return future.Go(ctx, fn) }
	var group future.Group[int, int]
	for name, use := range map[string]func() (int, error){
		"Await": func() (int, error) { return after(time.Second, 7, nil).Await(noContext) },
		"Go":    func() (int, error) { return future.Go(noContext, fn).Await(noContext) },
		"Call":  func() (int, error) { return future.Call(noContext, brief, 7).Await(noContext) },
		"Lift":  func() (int, error) { return future.Lift(brief, nil)(noContext, 7).Await(noContext) },
		"Policy": func() (int, error) {
			return future.Lift(brief, &future.Policy{Concurrency: 1, Timeout: time.Hour})(noContext, 7).Await(noContext)
		},
		"With":       func() (int, error) { return future.With(brief, &future.Policy{Concurrency: 1})(noContext, 7) },
		"Block":      func() (int, error) { return future.Block(future.Lift(brief, nil))(noContext, 7) },
		"First":      func() (int, error) { return future.First(noContext, ask, ask).Await(noContext) },
		"Hedge":      func() (int, error) { return future.Hedge(noContext, time.Minute, 2, fn).Await(noContext) },
		"Group.Do":   func() (int, error) { return group.Do(noContext, 1, fn) },
		"Group.Go":   func() (int, error) { return group.Go(noContext, 1, fn).Await(noContext) },
		"Group.Lift": func() (int, error) { return group.Lift(brief)(noContext, 7).Await(noContext) },
		"Lazy":       func() (int, error) { return (&future.Lazy[int]{New: fn}).Get(noContext) },
		"AsCompleted": func() (v int, err error) {
			for _, r := range future.AsCompleted(noContext, after(time.Second, 7, nil)) {
				v, err = r.Get()
			}
			return v, err
		},
		"Parallel": func() (int, error) {
			rs, err := future.Parallel(noContext, 2, []int{7}, brief)
			return rs[0], err
		},
		"ParallelSeq": func() (v int, err error) {
			for v, err = range future.ParallelSeq(noContext, 2, slices.Values([]int{7}), brief) {
			}
			return v, err
		},
		"Run": func() (v int, err error) {
			err = future.Run(noContext, func(s *future.Scope) (err error) {
				v, err = future.Go(s, fn).Await(s)
				return err
			})
			return v, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				start := time.Now()
				if v, err := use(); v != 7 || err != nil {
					t.Errorf("%d, %v", v, err)
				}
				at(t, start, time.Second)
			})
		})
	}
}

func TestValuesOfErrorTypes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var e future.Promise[error]
		f := e.Future()
		mapped := future.Map(f, func(err error) (error, error) { return err, nil }) //nolint:revive // the value is an error
		all, race := future.All(f, f), future.Race(f)
		e.Resolve(nil)
		for _, f := range []*future.Future[error]{f, mapped, race} {
			if v, err := f.Await(noContext); v != nil || err != nil {
				t.Errorf("%v, %v", v, err)
			}
			if r, ok := f.Peek(); !ok || r != (future.Result[error]{}) {
				t.Errorf("%v, %t", r, ok)
			}
		}
		if vs, err := all.Await(t.Context()); len(vs) != 2 || vs[0] != nil || err != nil {
			t.Errorf("%v, %v", vs, err)
		}
		if v, err := future.Any(future.Of[any](nil)).Await(t.Context()); v != nil || err != nil {
			t.Errorf("%v, %v", v, err)
		}
		if v, err := future.Any(future.Of(errBoom)).Await(t.Context()); v != errBoom || err != nil {
			t.Errorf("a value that is an error: %v, %v", v, err)
		}
	})
}
