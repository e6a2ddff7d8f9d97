package poller_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/poller"
)

// deaf waits for its time, whatever becomes of its context.
func deaf(d time.Duration) poller.Check[int] {
	return func(context.Context) (poller.Status[int], error) {
		time.Sleep(d)
		return succeeded(1).st, nil
	}
}

func TestP4_SubmitSettlesAtOnceThoughTheCheckDoesNotComeBack(t *testing.T) {
	askBubble(t, func(t *testing.T) {
		var s poller.Scheduler
		defer s.Close()
		ctx, cancel := context.WithCancel(t.Context())
		var ended error
		f := poller.Submit(ctx, &s, func(ctx context.Context) (poller.Status[int], error) {
			time.Sleep(time.Minute)
			ended = context.Cause(ctx)
			return succeeded(1).st, nil
		}, &poller.Options{First: -1})
		time.Sleep(time.Second)
		cancel()
		synctest.Wait()
		r, ok := f.Peek()
		if !ok {
			t.Fatal("it is pending")
		}
		if p := gaveUpWith(t, r.Err, context.Canceled); p.Polls != 1 {
			t.Errorf("%+v", p)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if ended == nil {
			t.Error("the context of the poll did not end")
		}
	})
}

func TestP4_SubmitEndsWithTheTimeThoughTheCheckDoesNotComeBack(t *testing.T) {
	askBubble(t, func(t *testing.T) {
		var s poller.Scheduler
		defer s.Close()
		begun := time.Now()
		for _, tt := range []struct {
			o  poller.Options
			at time.Duration
		}{
			{poller.Options{First: -1, Elapsed: time.Minute, PerPoll: time.Second}, time.Minute},
			{poller.Options{First: -1, Elapsed: time.Minute, PerPoll: time.Hour}, time.Hour},
			{poller.Options{First: time.Hour, Elapsed: time.Hour, PerPoll: time.Hour}, 2 * time.Hour},
		} {
			poller.Submit(t.Context(), &s, deaf(24*time.Hour), &tt.o).OnDone(func(r future.Result[int]) {
				p := gaveUpWith(t, r.Err, poller.ErrElapsed)
				if time.Since(begun) != tt.at || antiphon.CodeOf(p.Last) != antiphon.CodeDeadlineExceeded {
					t.Errorf("%+v after %v", p, time.Since(begun))
				}
			})
		}
		time.Sleep(48 * time.Hour)
	})
}

// The poll that is stuck is not followed by another.
func TestP1_NoPollBesideOneThatIsStuck(t *testing.T) {
	askBubble(t, func(t *testing.T) {
		var s poller.Scheduler
		defer s.Close()
		slow := running(0)
		slow.take = time.Minute
		sc := scripted(t, slow)
		f := poller.Submit(t.Context(), &s, sc.check, &poller.Options{PerPoll: time.Second, Elapsed: 10 * time.Minute})
		_, err := f.Await(t.Context())
		gaveUpWith(t, err, poller.ErrElapsed)
		if sc.polls() > 10 {
			t.Error(sc.polls())
		}
		time.Sleep(time.Minute)
	})
}

func TestLimitOfPollsInFlight(t *testing.T) {
	for limit, want := range map[int]int64{0: 256, 7: 7, -1: 1000} {
		askBubble(t, func(t *testing.T) {
			seen, all := new(seenEvents), new(seenEvents)
			s := poller.Scheduler{Concurrency: limit, Observer: all.observe}
			defer s.Close()
			var flying, most atomic.Int64
			var order []int
			var mu sync.Mutex
			var fs []*future.Future[int]
			for i := range 1000 {
				o := &poller.Options{Name: "slow", First: time.Second + time.Duration(i)*time.Millisecond, Observer: seen.observe}
				fs = append(fs, poller.Submit(t.Context(), &s, func(context.Context) (poller.Status[int], error) {
					most.Store(max(most.Load(), flying.Add(1)))
					mu.Lock()
					order = append(order, i)
					mu.Unlock()
					time.Sleep(10 * time.Second)
					flying.Add(-1)
					return succeeded(1).st, nil
				}, o))
			}
			if _, err := future.All(fs...).Await(t.Context()); err != nil {
				t.Fatal(err)
			}
			if most.Load() != want {
				t.Errorf("%d in flight, not %d", most.Load(), want)
			}
			for i := range order {
				if order[i] != i {
					t.Fatalf("%d polled in place of %d", order[i], i)
				}
			}
			late := seen.named("poller.waited")
			if len(late) != int(1000-want) || len(all.named("poller.waited")) != len(late) {
				t.Errorf("%d were late, the scheduler heard of %d", len(late), len(all.named("poller.waited")))
			}
			if limit == 7 {
				if e := late[0]; e.Duration != 10*time.Second-7*time.Millisecond || e.Kind != "slow" || e.Attempt != 1 {
					t.Error(e)
				}
			}
		})
	}
}

// A turn that does not come before the end is none.
func TestP4_TheTimeEndsWhileItWaitsForItsTurn(t *testing.T) {
	askBubble(t, func(t *testing.T) {
		s := poller.Scheduler{Concurrency: 1}
		defer s.Close()
		stuck := poller.Submit(t.Context(), &s, deaf(time.Hour), &poller.Options{First: -1, PerPoll: -1})
		synctest.Wait()
		sc := scripted(t, succeeded(1))
		begun := time.Now()
		_, err := poller.Submit(t.Context(), &s, sc.check, &poller.Options{First: -1, Elapsed: time.Minute}).Await(t.Context())
		if p := gaveUpWith(t, err, poller.ErrElapsed); p.Polls != 0 || time.Since(begun) != time.Minute {
			t.Errorf("%+v after %v", p, time.Since(begun))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = poller.Submit(ctx, &s, sc.check, &poller.Options{First: -1}).Await(t.Context())
		if p := gaveUpWith(t, err, context.DeadlineExceeded); p.Polls != 0 || time.Since(begun) != 2*time.Minute {
			t.Errorf("%+v after %v", p, time.Since(begun))
		}
		if v, err := stuck.Await(t.Context()); v != 1 || err != nil {
			t.Error(v, err)
		}
		if sc.polls() != 0 {
			t.Error("asked for nobody")
		}
	})
}

func TestCloseEndsAll(t *testing.T) {
	askBubble(t, func(t *testing.T) {
		mock := clock.NewMock()
		seen := new(seenEvents)
		s := &poller.Scheduler{Concurrency: 3, Clock: mock, Observer: seen.observe}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var fs []*future.Future[int]
		var causes []error
		var mu sync.Mutex
		for i := range 1000 {
			o, c := &poller.Options{First: time.Duration(i) * time.Hour}, ctx
			if i%2 == 0 {
				o.First, c = -1, t.Context()
			}
			fs = append(fs, poller.Submit(c, s, func(ctx context.Context) (poller.Status[int], error) {
				<-ctx.Done()
				mu.Lock()
				causes = append(causes, context.Cause(ctx))
				mu.Unlock()
				return succeeded(1).st, nil
			}, o))
		}
		synctest.Wait()
		var closing sync.WaitGroup
		for range 4 {
			closing.Go(s.Close)
		}
		closing.Wait()
		synctest.Wait()
		for _, f := range fs {
			r, ok := f.Peek()
			if !ok {
				t.Fatal("it is pending")
			}
			gaveUpWith(t, r.Err, poller.ErrClosed)
		}
		if len(causes) != 3 || !errors.Is(causes[0], poller.ErrClosed) {
			t.Error(causes)
		}
		if n := len(seen.named("poller.gave_up")); n != 1000 {
			t.Errorf("%d gave up", n)
		}
		if now := mock.Now(); mock.WaitForAllTimers() != now {
			t.Error("a timer is left")
		}
		r, ok := poller.Submit(ctx, s, deaf(0), nil).Peek()
		if !ok {
			t.Fatal("a closed scheduler takes more")
		}
		gaveUpWith(t, r.Err, poller.ErrClosed)
		s.Close()
	})
	(&poller.Scheduler{}).Close() // that was never used
}

func TestX6_MaxPending(t *testing.T) {
	askBubble(t, func(t *testing.T) {
		s := &poller.Scheduler{MaxPending: 2}
		defer s.Close()
		sc := scripted(t, succeeded(1))
		later := &poller.Options{First: time.Hour}
		ctx, cancel := context.WithCancel(t.Context())
		poller.Submit(ctx, s, sc.check, later)
		second := poller.Submit(t.Context(), s, sc.check, later)
		full := func() bool {
			r, ok := poller.Submit(t.Context(), s, sc.check, later).Peek()
			if ok && (r.Err != poller.ErrFull || antiphon.ClassOf(r.Err) != antiphon.ClassNotAccepted || antiphon.CodeOf(r.Err) != antiphon.CodeResourceExhausted) {
				t.Error(r.Err)
			}
			return ok
		}
		if !full() {
			t.Error("there is a third")
		}
		cancel() // makes room
		synctest.Wait()
		if full() || !full() {
			t.Error("there is not room for one")
		}
		if _, err := second.Await(t.Context()); err != nil { // does so too
			t.Error(err)
		}
		synctest.Wait()
		if full() {
			t.Error("no room after an end")
		}
	})
}

func TestSubmitOnAContextThatHasEnded(t *testing.T) {
	askBubble(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		r, ok := poller.Submit(ctx, nil, deaf(0), nil).Peek()
		if !ok {
			t.Fatal("it is pending")
		}
		gaveUpWith(t, r.Err, context.Canceled)
	})
}

// One context of many ends them all, each of its own ends one.
func TestP4_SharedContexts(t *testing.T) {
	type key struct{}
	why := errors.New("enough")
	for name, derive := range map[string]func(context.Context) context.Context{
		"the same":    func(ctx context.Context) context.Context { return ctx },
		"with values": func(ctx context.Context) context.Context { return context.WithValue(ctx, key{}, 1) },
		"of its own": func(ctx context.Context) context.Context {
			ctx, cancel := context.WithCancel(ctx)
			context.AfterFunc(ctx, cancel)
			return ctx
		},
	} {
		t.Run(name, func(t *testing.T) {
			askBubble(t, func(t *testing.T) {
				var s poller.Scheduler
				defer s.Close()
				ctx, cancel := context.WithCancelCause(t.Context())
				other, stop := context.WithCancel(t.Context())
				defer stop()
				var fs []*future.Future[int]
				for range 1000 {
					fs = append(fs, poller.Submit(derive(ctx), &s, scripted(t, running(0)).check, every(time.Minute)))
				}
				rest := poller.Submit(other, &s, scripted(t, running(0), succeeded(1)).check, every(time.Hour))
				time.Sleep(10*time.Minute + time.Second)
				cancel(why)
				synctest.Wait()
				for _, f := range fs {
					r, ok := f.Peek()
					if !ok {
						t.Fatal("it is pending")
					}
					gaveUpWith(t, r.Err, why)
				}
				if v, err := rest.Await(t.Context()); v != 1 || err != nil {
					t.Error(v, err)
				}
			})
		})
	}
}

func TestX7_GoexitHarmsNobodyElse(t *testing.T) {
	askBubble(t, func(t *testing.T) {
		s := poller.Scheduler{Concurrency: 1}
		defer s.Close()
		var fs, good []*future.Future[int]
		for range 10 {
			fs = append(fs, poller.Submit(t.Context(), &s, goexits, nil))
			sc := scripted(t, running(0), succeeded(7))
			good = append(good, poller.Submit(t.Context(), &s, sc.check, nil))
		}
		for _, f := range fs {
			_, err := f.Await(t.Context())
			if p := gaveUpWith(t, err, nil); p.Last != future.ErrGoexit {
				t.Errorf("%+v", p)
			}
		}
		for _, f := range good {
			if v, err := f.Await(t.Context()); v != 7 || err != nil {
				t.Error(v, err)
			}
		}
	})
}

// What hangs on a future runs where it is settled, and may end that goroutine.
func TestX7_GoexitInWhatHangsOnAFuture(t *testing.T) {
	hang := func(f *future.Future[int]) *future.Future[int] {
		return future.Map(f, func(int) (int, error) { runtime.Goexit(); return 0, nil })
	}
	hangErr := func(f *future.Future[int]) {
		future.Recover(f, func(error) (int, error) { runtime.Goexit(); return 0, nil })
	}
	for name, end := range map[string]func(s *poller.Scheduler, cancel func()){
		"success": func(*poller.Scheduler, func()) { time.Sleep(time.Hour) },
		"cancel":  func(_ *poller.Scheduler, cancel func()) { cancel() },
		"close":   func(s *poller.Scheduler, _ func()) { go s.Close() },
		"elapsed": func(*poller.Scheduler, func()) { time.Sleep(10 * time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			askBubble(t, func(t *testing.T) {
				s := &poller.Scheduler{Concurrency: 1}
				defer s.Close()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var fs []*future.Future[int]
				for range 600 {
					a := running(0)
					if name == "success" {
						a = succeeded(1)
					}
					f := poller.Submit(ctx, s, scripted(t, a).check, &poller.Options{First: time.Minute, Min: time.Hour, Elapsed: 5 * time.Hour})
					hang(f)
					hangErr(f)
					fs = append(fs, f)
				}
				end(s, cancel)
				synctest.Wait()
				for _, f := range fs {
					if _, ok := f.Peek(); !ok {
						t.Fatal("it is pending")
					}
				}
			})
		})
	}
}

func TestGoroutinesOnlyForPollsInFlight(t *testing.T) {
	askBubble(t, func(t *testing.T) {
		s := poller.Scheduler{Concurrency: 10}
		defer s.Close()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		before := runtime.NumGoroutine()
		most := atomic.Int64{}
		slow := func(context.Context) (poller.Status[int], error) {
			time.Sleep(time.Millisecond)
			most.Store(max(most.Load(), int64(runtime.NumGoroutine()-before)))
			return running(0).st, nil
		}
		for range 10_000 {
			poller.Submit(ctx, &s, slow, &poller.Options{Min: time.Second, Poll: antiphon.EqualJitter(antiphon.Constant(time.Minute))})
		}
		synctest.Wait()
		if n := runtime.NumGoroutine() - before; n > 0 {
			t.Errorf("%d goroutines for those that wait", n)
		}
		time.Sleep(10 * time.Second)
		if most.Load() > 12 {
			t.Errorf("%d goroutines for 10 polls", most.Load())
		}
	})
}

// Nothing of a question is kept by its future.
func TestAnAnswerKeepsNothing(t *testing.T) {
	s := &poller.Scheduler{}
	defer s.Close()
	collected := make(chan bool)
	ask := func() *future.Future[int] {
		big := new([1 << 20]byte)
		runtime.AddCleanup(big, func(c chan bool) { close(c) }, collected)
		return poller.Submit(context.Background(), s, func(context.Context) (poller.Status[int], error) {
			return poller.Status[int]{State: antiphon.StateSucceeded, Value: int(big[0])}, nil
		}, &poller.Options{First: -1})
	}
	f := ask()
	if _, err := f.Await(context.Background()); err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		runtime.GC()
		select {
		case <-collected:
			runtime.KeepAlive(f)
			return
		default:
			runtime.Gosched()
		}
	}
	t.Error("the check is kept")
}

// A turn that comes after the end of the context, and before word of that, is not taken.
func TestP4_NoTurnIsTakenInAContextThatHasEnded(t *testing.T) {
	for range 50 {
		askBubble(t, func(t *testing.T) {
			s := poller.Scheduler{Concurrency: 1}
			defer s.Close()
			ctx, cancel := context.WithCancel(t.Context())
			polls := 0
			for range 20 { // the one in flight comes back as soon as it is cancelled
				poller.Submit(ctx, &s, func(ctx context.Context) (poller.Status[int], error) {
					polls++
					<-ctx.Done()
					return running(0).st, nil
				}, &poller.Options{First: -1})
			}
			synctest.Wait()
			cancel()
			synctest.Wait()
			if polls != 1 {
				t.Errorf("%d polls", polls)
			}
		})
	}
}
