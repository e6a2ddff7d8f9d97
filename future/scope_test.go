package future_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
)

// sleep works for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func TestF9_RunReturnsWhenAllHasEnded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var ended atomic.Int32
		start := time.Now()
		work := func(ctx context.Context, d time.Duration) {
			future.Go(ctx, func(ctx context.Context) (int, error) {
				future.Go(ctx, func(context.Context) (int, error) { // a member of a member, started late
					time.Sleep(d)
					ended.Add(1)
					return 0, nil
				})
				time.Sleep(d)
				ended.Add(1)
				return 0, nil
			})
		}
		err := future.Run(t.Context(), func(s *future.Scope) error {
			work(s, time.Second)
			timed, cancel := context.WithTimeout(context.WithValue(s, key{}, 1), time.Hour)
			defer cancel()
			work(timed, 2*time.Second) // derived contexts are members too
			return nil
		})
		if err != nil || ended.Load() != 4 {
			t.Errorf("%v, %d ended", err, ended.Load())
		}
		at(t, start, 2*time.Second)
	})
}

func TestScopeEndsWithTheFirstFailure(t *testing.T) {
	bubble(t, func(t *testing.T) {
		causes := make(chan error, 3)
		start := time.Now()
		err := future.Run(t.Context(), func(s *future.Scope) error {
			for range 3 {
				future.Go(s, func(ctx context.Context) (int, error) {
					<-ctx.Done()
					causes <- context.Cause(ctx)
					time.Sleep(time.Second) // takes its time to end
					return 0, errors.New("a consequence")
				})
				synctest.Wait()
			}
			failed := future.Go(s, func(ctx context.Context) (int, error) {
				time.Sleep(time.Second)
				return 0, errBoom
			})
			_, err := failed.Await(context.Background())
			if err != errBoom {
				t.Errorf("the member's future: %v", err)
			}
			return errors.New("too late to count")
		})
		if err != errBoom {
			t.Errorf("Run returned %v", err)
		}
		for range 3 {
			if c := <-causes; c != errBoom {
				t.Errorf("cause %v", c)
			}
		}
		at(t, start, 2*time.Second)
	})
}

func TestScopeCancel(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(*future.Scope, context.CancelCauseFunc) error
		want error
	}{
		"success": {func(s *future.Scope, _ context.CancelCauseFunc) error {
			s.Cancel(nil)
			s.Cancel(errBoom)
			return errBoom
		}, nil},
		"failure":  {func(s *future.Scope, _ context.CancelCauseFunc) error { s.Cancel(errBoom); s.Cancel(nil); return nil }, errBoom},
		"returned": {func(*future.Scope, context.CancelCauseFunc) error { return errBoom }, errBoom},
		"parent":   {func(_ *future.Scope, cancel context.CancelCauseFunc) error { cancel(errBoom); return nil }, errBoom},
		"panic":    {func(*future.Scope, context.CancelCauseFunc) error { panic(errBoom) }, errBoom},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				parent, cancel := context.WithCancelCause(context.Background())
				defer cancel(nil)
				ended := false
				err := future.Run(parent, func(s *future.Scope) error {
					future.Go(s, func(ctx context.Context) (int, error) {
						<-ctx.Done()
						ended = true
						return 0, context.Cause(ctx)
					})
					return c.end(s, cancel)
				})
				if !errors.Is(err, c.want) || (c.want == nil) != (err == nil) || !ended {
					t.Errorf("%v, ended %t", err, ended)
				}
			})
		})
	}
}

func TestF6_GoexitInAScope(t *testing.T) {
	bubble(t, func(t *testing.T) {
		done := make(chan bool)
		go func() {
			ended := false
			defer func() { done <- ended }()
			_ = future.Run(context.Background(), func(s *future.Scope) error {
				future.Go(s, func(ctx context.Context) (int, error) {
					<-ctx.Done()
					time.Sleep(time.Second)
					ended = true
					return 0, nil
				})
				runtime.Goexit()
				return nil
			})
		}()
		if !<-done {
			t.Error("Run left before its member had ended")
		}
		err := future.Run(t.Context(), func(s *future.Scope) error {
			future.Go(s, func(context.Context) (int, error) { runtime.Goexit(); return 0, nil })
			return nil
		})
		if !errors.Is(err, future.ErrGoexit) {
			t.Errorf("a member's Goexit: %v", err)
		}
	})
}

func TestNothingStartsInAScopeThatHasEnded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var kept *future.Scope
		check := func(f *future.Future[int]) {
			_, err := f.Await(context.Background())
			if !errors.Is(err, future.ErrNotStarted) || antiphon.ClassOf(err) != antiphon.ClassNotAccepted {
				t.Errorf("%v, class %s", err, antiphon.ClassOf(err))
			}
		}
		work := func(context.Context) (int, error) { t.Error("called"); return 0, nil }
		ask := future.Lift(func(ctx context.Context, _ int) (int, error) { return work(ctx) }, &future.Policy{Attempts: 2})
		_ = future.Run(noContext, func(s *future.Scope) error {
			kept = s
			s.Cancel(errCause)
			f := future.Go(s, work)
			check(f)
			if _, err := f.Await(noContext); !errors.Is(err, errCause) {
				t.Errorf("%v does not tell why", err)
			}
			check(ask(s, 1))
			return nil
		})
		check(future.Go(kept, work))
		check(ask(kept, 1))
	})
}

func TestScopeLimit(t *testing.T) {
	for _, limit := range []int{1, 2, 5} {
		bubble(t, func(t *testing.T) {
			var running, most, started atomic.Int32
			before := runtime.NumGoroutine()
			start := time.Now()
			err := future.Run(t.Context(), func(s *future.Scope) error {
				s.SetLimit(limit)
				fs := make([]*future.Future[int], 20)
				for i := range fs {
					fs[i] = future.Go(s, func(context.Context) (int, error) {
						if n := started.Add(1); limit == 1 && int(n) != i+1 {
							t.Errorf("task %d is the %dth to start", i, n)
						}
						most.Store(max(most.Load(), running.Add(1)))
						time.Sleep(time.Second)
						running.Add(-1)
						return i, nil
					})
				}
				synctest.Wait()
				if now := runtime.NumGoroutine() - before; now > limit {
					t.Errorf("%d goroutines for a limit of %d", now, limit)
				}
				_, err := future.All(fs...).Await(s) // the body holds no slot, and lends none
				return err
			})
			if err != nil || int(most.Load()) != limit {
				t.Errorf("%v; %d at once, the limit is %d", err, most.Load(), limit)
			}
			at(t, start, time.Duration((20+limit-1)/limit)*time.Second)
		})
	}
}

func TestScopeLimitCanChange(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var running atomic.Int32
		_ = future.Run(t.Context(), func(s *future.Scope) error {
			s.SetLimit(1)
			for range 100 {
				future.Go(s, func(ctx context.Context) (int, error) {
					running.Add(1)
					defer running.Add(-1)
					return 0, sleep(ctx, time.Second)
				})
			}
			for _, step := range []struct {
				limit, want int
				after       time.Duration
			}{{1, 1, 0}, {7, 7, 0}, {2, 7, 0}, {2, 2, 1500 * time.Millisecond}, {-1, 90, 0}} {
				s.SetLimit(step.limit)
				time.Sleep(step.after)
				synctest.Wait()
				if got := int(running.Load()); got != step.want && step.limit >= 0 || got < 80 && step.limit < 0 {
					t.Errorf("%d run at a limit of %d, want %d", got, step.limit, step.want)
				}
			}
			return nil
		})
	})
}

// fib is the worst way to compute, and the best to nest.
func fib(ctx context.Context, n int) (int, error) {
	if n < 2 {
		return n, nil
	}
	a, b := future.Call(ctx, fib, n-1), future.Call(ctx, fib, n-2)
	x, err := a.Await(ctx)
	if err != nil {
		return 0, err
	}
	y, err := b.Await(ctx)
	return x + y, err
}

func TestF9_NestingNeverDeadlocks(t *testing.T) {
	for _, limit := range []int{1, 2, 3} {
		bubble(t, func(t *testing.T) {
			var got int
			err := future.Run(t.Context(), func(s *future.Scope) (err error) {
				s.SetLimit(limit)
				got, err = future.Call(s, fib, 12).Await(s)
				return err
			})
			if got != 144 || err != nil {
				t.Errorf("fib(12) is %d, %v", got, err)
			}
		})
	}
}

// Whatever a member waits with lends its slot: there is one, and all need it.
func TestF9_EveryWaitLendsTheSlot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		work := func(ctx context.Context, i int) (int, error) { return i, sleep(ctx, time.Second) }
		var running, most atomic.Int32
		enter := func() func() {
			most.Store(max(most.Load(), running.Add(1)))
			return func() { running.Add(-1) }
		}
		var shared future.Group[int, int]
		err := future.Run(t.Context(), func(s *future.Scope) error {
			s.SetLimit(1)
			outer := future.Go(s, func(ctx context.Context) (int, error) {
				member := func(ctx context.Context, i int) (int, error) {
					return future.Go(ctx, func(ctx context.Context) (int, error) {
						defer enter()()
						return work(ctx, i)
					}).Await(ctx)
				}
				if _, err := member(ctx, 1); err != nil { // Await, both kinds
					return 0, err
				}
				for _, r := range future.AsCompleted(ctx, future.Call(ctx, work, 1), future.Call(ctx, work, 2)) {
					if r.Err != nil {
						return 0, r.Err
					}
				}
				if _, err := future.Parallel(ctx, 3, []int{1, 2, 3}, member); err != nil {
					return 0, err
				}
				for _, err := range future.ParallelSeq(ctx, 2, func(yield func(int) bool) { _ = yield(1) && yield(2) && yield(3) }, member) {
					if err != nil {
						return 0, err
					}
				}
				if err := future.Run(ctx, func(inner *future.Scope) error {
					_, err := member(ctx, 2) // waits on the outer scope's slot
					future.Call(inner, work, 1)
					return err
				}); err != nil {
					return 0, err
				}
				if _, err := shared.Do(ctx, 1, func(context.Context) (int, error) { return member(s, 3) }); err != nil {
					return 0, err
				}
				return future.Block(future.Lift(member, &future.Policy{Timeout: time.Minute}))(ctx, 4)
			})
			_, err := outer.Await(s)
			return err
		})
		if err != nil || most.Load() != 1 {
			t.Errorf("%v, %d at once", err, most.Load())
		}
	})
}

// Cancelling wakes those who are parked; they end one after the other, for the
// limit holds to the end, and nobody is left.
func TestF9_ParkedMembersEndUnderCancel(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var ended atomic.Int32
		err := future.Run(t.Context(), func(s *future.Scope) error {
			s.SetLimit(2)
			var never future.Promise[int]
			for range 10 {
				future.Go(s, func(ctx context.Context) (int, error) {
					_, err := never.Future().Await(ctx)
					ended.Add(1)
					return 0, err
				})
			}
			synctest.Wait() // all are parked, having lent their slots
			var started atomic.Int32
			for range 4 {
				future.Go(s, func(context.Context) (int, error) {
					started.Add(1)
					time.Sleep(time.Second)
					return 0, nil
				})
			}
			synctest.Wait()
			s.Cancel(errCause)
			synctest.Wait()
			if ended.Load() != 0 || started.Load() != 2 {
				t.Errorf("%d and %d run beside each other, the limit is 2", ended.Load(), started.Load())
			}
			return nil
		})
		if err != errCause || ended.Load() != 10 {
			t.Errorf("%v, %d of 10 ended", err, ended.Load())
		}
	})
}

// Lifted asks are owned too: also an attempt that was given up, but is not back.
func TestF9_ScopeOwnsAttempts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		back := false
		start := time.Now()
		err := future.Run(t.Context(), func(s *future.Scope) error {
			ask := future.Lift(func(context.Context, int) (int, error) {
				time.Sleep(time.Minute) // deaf to its context
				back = true
				return 1, nil
			}, &future.Policy{Timeout: time.Second})
			_, err := ask(s, 1).Await(s)
			at(t, start, time.Second)
			if !errors.Is(err, future.ErrTimeout) {
				t.Errorf("%v", err)
			}
			return nil
		})
		if !errors.Is(err, future.ErrTimeout) || !back {
			t.Errorf("%v, back %t", err, back)
		}
		at(t, start, time.Minute)
	})
}

// A failed attempt is not a failed member, as long as another follows.
func TestScopeSurvivesAFailedAttempt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := 0
		err := future.Run(t.Context(), func(s *future.Scope) error {
			s.SetLimit(1)
			_, err := future.Lift(func(context.Context, int) (int, error) {
				if n++; n < 3 {
					return 0, errBoom
				}
				return 1, nil
			}, &future.Policy{Attempts: 3, Backoff: antiphon.Constant(time.Second)})(s, 1).Await(s)
			return err
		})
		if err != nil || n != 3 {
			t.Errorf("%v after %d attempts", err, n)
		}
	})
}

// What was asked for and never started is not success.
func TestRunTellsWhatWasNotStarted(t *testing.T) {
	for name, ask := range map[string]future.Asker[int, int]{
		"Call": func(ctx context.Context, _ int) *future.Future[int] {
			return future.Go(ctx, func(context.Context) (int, error) { time.Sleep(time.Minute); return 1, nil })
		},
		"Lift": future.Lift(func(context.Context, int) (int, error) { time.Sleep(time.Minute); return 1, nil }, &future.Policy{Attempts: 2}),
	} {
		bubble(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(context.Background())
			err := future.Run(ctx, func(s *future.Scope) error {
				s.SetLimit(1)
				ask(s, 1)
				ask(s, 2)
				synctest.Wait()
				cancel(errCause)
				return nil
			})
			if !errors.Is(err, future.ErrNotStarted) || !errors.Is(err, errCause) {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}

// A hedge that waits for a slot of the scope in vain harms nobody: neither is
// it called when the answer is there, nor does it end the ask when the scope
// ends.
func TestHedgeThatNeverStarts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var calls atomic.Int32
		err := future.Run(context.Background(), func(s *future.Scope) error {
			s.SetLimit(1)
			f := future.Hedge(s, time.Second, 3, func(context.Context) (int, error) {
				calls.Add(1)
				time.Sleep(time.Minute)
				return 7, nil
			})
			mustBe(t, f, 7, nil)
			return nil
		})
		if err != nil || calls.Load() != 1 {
			t.Errorf("%v after %d calls", err, calls.Load())
		}
		calls.Store(0)
		err = future.Run(context.Background(), func(s *future.Scope) error {
			s.SetLimit(1)
			f := future.Hedge(s, time.Second, 2, func(context.Context) (int, error) {
				calls.Add(1)
				time.Sleep(time.Minute)
				return 7, nil
			})
			time.Sleep(10 * time.Second)
			s.Cancel(errCause)
			mustBe(t, f, 7, nil)
			return nil
		})
		if err != errCause || calls.Load() != 1 {
			t.Errorf("%v after %d calls", err, calls.Load())
		}
	})
}

// Of several that fail at once one is the first, for everybody.
func TestScopeHasOneFirstFailure(t *testing.T) {
	for range 2000 {
		var cause error
		err := future.Run(noContext, func(s *future.Scope) error {
			var all sync.WaitGroup
			for i := range 4 {
				all.Go(func() { s.Cancel(fmt.Errorf("failure %d", i)) })
			}
			all.Wait()
			cause = context.Cause(s)
			return nil
		})
		if err == nil || err != cause {
			t.Fatalf("Run returned %v, the cause is %v", err, cause)
		}
	}
}

// A member that ends because the scope has ended makes no room for others.
func TestScopeStartsNothingOnceItHasEnded(t *testing.T) {
	for i := range 500 {
		bubble(t, func(t *testing.T) {
			parent, cancel := context.WithCancelCause(context.Background())
			err := future.Run(parent, func(s *future.Scope) error {
				s.SetLimit(1)
				future.Go(s, func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, nil })
				f := future.Go(s, func(ctx context.Context) (int, error) {
					t.Errorf("round %d: called in a scope that has ended: %v", i, context.Cause(ctx))
					return 0, nil
				})
				synctest.Wait()
				cancel(errCause)
				mustBe(t, f, 0, future.ErrNotStarted)
				return nil
			})
			if !errors.Is(err, errCause) || !errors.Is(err, future.ErrNotStarted) {
				t.Errorf("%v", err)
			}
		})
		if t.Failed() {
			return
		}
	}
}

// A limit that is set while members are parked finds their slots free.
func TestF9_LimitSetWhileMembersArePark(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var got int
		err := future.Run(t.Context(), func(s *future.Scope) (err error) {
			gate := make(chan struct{})
			f := future.Go(s, func(ctx context.Context) (int, error) {
				return future.Go(ctx, func(ctx context.Context) (int, error) {
					<-gate
					return future.Call(ctx, fib, 5).Await(ctx)
				}).Await(ctx)
			})
			synctest.Wait()
			s.SetLimit(1)
			close(gate)
			ctx, cancel := context.WithTimeout(s, time.Hour)
			defer cancel()
			got, err = f.Await(ctx)
			if err != nil {
				s.SetLimit(0) // let them go
			}
			return err
		})
		if got != 5 || err != nil {
			t.Errorf("%d, %v", got, err)
		}
	})
}

// A transform that ends its goroutine ends neither the scope's count nor the
// others that are told.
func TestF6_GoexitInATransformStrandsNoScope(t *testing.T) {
	goexit := func(int) (int, error) { runtime.Goexit(); return 0, nil }
	goexitErr := func(error) (int, error) { runtime.Goexit(); return 0, nil }
	ended := func(t *testing.T, run func() error, want error) {
		t.Helper()
		done := future.Go(noContext, func(context.Context) (int, error) { return 0, run() })
		time.Sleep(time.Hour)
		r, ok := done.Peek()
		if !ok {
			t.Fatal("Run never returned")
		}
		if !errors.Is(r.Err, want) || want == nil && r.Err != nil {
			t.Errorf("%v, want %v", r.Err, want)
		}
	}
	value := func(ctx context.Context, d time.Duration) (int, error) { time.Sleep(d); return 1, nil }
	plain := future.Lift(value, nil)
	policed := future.Lift(value, &future.Policy{Attempts: 2, Concurrency: 1})
	for name, ask := range map[string]future.Asker[time.Duration, int]{"plain": plain, "policed": policed} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				ended(t, func() error {
					return future.Run(noContext, func(s *future.Scope) error {
						mapped := future.Map(ask(s, time.Second), goexit)
						_, err := mapped.Await(noContext)
						is(t, err, future.ErrGoexit)
						return nil
					})
				}, nil)
			})
			bubble(t, func(t *testing.T) { // those that wait, when the scope is cancelled
				ended(t, func() error {
					return future.Run(noContext, func(s *future.Scope) error {
						s.SetLimit(1)
						running := ask(s, time.Second)
						var fs []*future.Future[int]
						for range 5 {
							f := ask(s, time.Second)
							fs = append(fs, f, future.Recover(f, goexitErr))
						}
						failing := future.Go(s, func(context.Context) (int, error) { t.Error("called"); return 0, nil })
						synctest.Wait()
						s.Cancel(errCause)
						for _, f := range append(fs, failing, running) {
							_, err := f.Await(noContext)
							if f != running && !errors.Is(err, future.ErrNotStarted) && !errors.Is(err, future.ErrGoexit) {
								t.Errorf("%v", err)
							}
						}
						return nil
					})
				}, errCause)
			})
		})
	}
}

// Also an ask that is refused at once counts as not started.
func TestRunTellsOfAnAskThatWasRefusedAtOnce(t *testing.T) {
	for name, ask := range map[string]future.Asker[int, int]{
		"plain":  future.Lift(func(context.Context, int) (int, error) { return 1, nil }, nil),
		"policy": future.Lift(func(context.Context, int) (int, error) { return 1, nil }, &future.Policy{Attempts: 2}),
	} {
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(errCause)
		err := future.Run(ctx, func(s *future.Scope) error {
			mustBe(t, ask(s, 1), 0, future.ErrNotStarted)
			return nil
		})
		if !errors.Is(err, future.ErrNotStarted) || !errors.Is(err, errCause) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is started outside is no member: its failure ends nothing, nobody waits for it, and
// it holds no slot. It has the values of the context, and its end.
func TestScopeOutside(t *testing.T) {
	bubble(t, func(t *testing.T) {
		start := time.Now()
		var late *future.Future[int]
		err := future.Run(context.WithValue(t.Context(), key{}, "v"), func(s *future.Scope) error {
			s.SetLimit(1)
			timed, cancel := context.WithTimeout(s, time.Minute)
			defer cancel()
			member := future.Go(timed, func(ctx context.Context) (int, error) {
				out := future.Outside(ctx)
				if at, ok := out.Deadline(); !ok || at != start.Add(time.Minute) || out.Value(key{}) != "v" {
					t.Errorf("%v %t %v", at, ok, out.Value(key{}))
				}
				_, err := future.Go(out, func(context.Context) (int, error) { return 0, errBoom }).Await(out)
				if !errors.Is(err, errBoom) {
					t.Error(err)
				}
				return 1, sleep(ctx, time.Second)
			})
			if _, err := member.Await(s); err != nil {
				t.Error(err)
			}
			late = future.Go(future.Outside(s), func(ctx context.Context) (int, error) { return 0, sleep(ctx, time.Hour) })
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		at(t, start, time.Second)
		if _, err := late.Await(t.Context()); !errors.Is(err, context.Canceled) { // with the scope
			t.Error(err)
		}
		if future.Outside(noContext) != context.Background() {
			t.Error("nil is not Background")
		}
	})
}
