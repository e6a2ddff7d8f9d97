package future_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
)

func TestGroupSharesACall(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var g future.Group[string, int]
		var calls atomic.Int32
		fn := func(context.Context) (int, error) {
			time.Sleep(time.Second)
			return int(calls.Add(1)), nil
		}
		var fs []*future.Future[int]
		for range 5 {
			fs = append(fs, g.Go(t.Context(), "key", fn))
			fs = append(fs, future.Go(t.Context(), func(ctx context.Context) (int, error) { return g.Do(ctx, "key", fn) }))
		}
		other := g.Go(context.Background(), "other", func(context.Context) (int, error) { return 99, nil })
		vs, err := future.All(fs...).Await(noContext)
		for _, v := range vs {
			if v != 1 || err != nil {
				t.Errorf("%d, %v", v, err)
			}
		}
		mustBe(t, other, 99, nil)
		if v, err := g.Do(noContext, "key", fn); v != 2 || err != nil {
			t.Errorf("it remembers: %d, %v", v, err)
		}
	})
}

// The flight carries the first caller's values and nobody's end but the last's.
func TestGroupFlightEndsWithItsLastCaller(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var g future.Group[int, int]
		cause := make(chan error, 1)
		fn := func(ctx context.Context) (int, error) {
			if _, has := ctx.Deadline(); has || ctx.Value(key{}) != "first" {
				t.Errorf("deadline %t, value %v", has, ctx.Value(key{}))
			}
			<-ctx.Done()
			cause <- context.Cause(ctx)
			return 0, ctx.Err()
		}
		start := time.Now()
		join := func(value string, d time.Duration) *future.Future[int] {
			ctx, cancel := context.WithTimeout(context.WithValue(context.Background(), key{}, value), d)
			t.Cleanup(cancel)
			return g.Go(ctx, 1, fn)
		}
		first, second := join("first", time.Second), join("second", 3*time.Second)
		third := future.Go(context.Background(), func(ctx context.Context) (int, error) {
			ctx, cancel := context.WithTimeoutCause(ctx, 2*time.Second, errCause)
			defer cancel()
			return g.Do(ctx, 1, fn)
		})
		_, err := first.Await(noContext)
		at(t, start, time.Second)
		if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, future.ErrPending) || antiphon.ClassOf(err) != antiphon.ClassUnknown {
			t.Errorf("the first: %v", err)
		}
		_, err = third.Await(noContext)
		at(t, start, 2*time.Second)
		if !errors.Is(err, errCause) {
			t.Errorf("the third: %v", err)
		}
		synctest.Wait()
		if len(cause) > 0 {
			t.Error("the flight ended while somebody was waiting")
		}
		_, err = second.Await(noContext)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the second: %v", err)
		}
		synctest.Wait()
		if len(cause) == 0 {
			t.Fatal("everybody has left, and the flight goes on")
		}
		if err := <-cause; err == nil || antiphon.CodeOf(err) != antiphon.CodeCanceled {
			t.Errorf("the flight's cause is %v", err)
		}
	})
}

// Who comes late never gets the end of a flight that others have left: whoever
// does not give up gets a value, whoever does gets the end of his own context.
func TestGroupLateJoinersNeverJoinADyingFlight(t *testing.T) {
	for seed := range uint64(1000) {
		bubble(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 3))
			var g future.Group[int, int]
			var aloft [2]atomic.Int32 // of each key: flights that somebody may still join
			fn := func(key int) func(ctx context.Context) (int, error) {
				return func(ctx context.Context) (int, error) {
					aloft[key].Add(1)
					landed := context.AfterFunc(ctx, func() { aloft[key].Add(-1) })
					time.Sleep(time.Nanosecond) // whoever left at this instant has left now
					if n := aloft[key].Load(); n > 1 {
						t.Errorf("seed %d: %d flights of one key that are not dying", seed, n)
					}
					if err := sleep(ctx, 10*time.Millisecond); err != nil {
						time.Sleep(5 * time.Millisecond) // dies slowly
						return 0, err
					}
					if landed() {
						aloft[key].Add(-1)
					}
					return 7 + key, nil
				}
			}
			for range rng.IntN(20) + 1 {
				d := time.Duration(rng.IntN(30)) * time.Millisecond
				wait := time.Duration(rng.IntN(12)) * time.Millisecond
				how, key := rng.IntN(6), rng.IntN(2)
				go func() {
					time.Sleep(d)
					ctx, cancel := context.WithCancel(context.Background())
					defer cancel()
					give := how%2 == 0
					if give {
						time.AfterFunc(wait, cancel)
					}
					var v int
					var err error
					switch how / 2 {
					case 0:
						v, err = g.Do(ctx, key, fn(key))
					case 1:
						v, err = g.Go(ctx, key, fn(key)).Await(noContext)
					case 2: // gives up the waiting too
						v, err = g.Go(ctx, key, fn(key)).Await(ctx)
					}
					switch {
					case err == nil && v != 7+key:
						t.Errorf("seed %d: %d is not the answer for %d", seed, v, key)
					case err != nil && ctx.Err() == nil:
						t.Errorf("seed %d: %v, though it never gave up", seed, err)
					case err != nil && !errors.Is(err, context.Canceled):
						t.Errorf("seed %d: %v is not the end of its own context", seed, err)
					}
				}()
			}
			time.Sleep(time.Second)
			for key := range aloft {
				if n := aloft[key].Load(); n != 0 {
					t.Errorf("seed %d: %d flights are left", seed, n)
				}
			}
		})
	}
}

func TestF6_GroupPanicsReachAllCallers(t *testing.T) {
	for want, end := range map[error]func(){future.ErrPanic: func() { panic("x") }, future.ErrGoexit: runtime.Goexit} {
		bubble(t, func(t *testing.T) {
			var g future.Group[int, int]
			fn := func(context.Context) (int, error) { time.Sleep(time.Second); end(); return 1, nil }
			a, b := g.Go(t.Context(), 1, fn), g.Go(context.Background(), 1, fn)
			mustBe(t, a, 0, want)
			mustBe(t, b, 0, want)
			if v, err := g.Do(t.Context(), 1, func(context.Context) (int, error) { return 2, nil }); v != 2 || err != nil {
				t.Errorf("the next call: %d, %v", v, err)
			}
		})
	}
}

// The same instant for everybody: settling, giving up and joining race.
func TestGroupUnderFire(t *testing.T) {
	for range 300 {
		bubble(t, func(t *testing.T) {
			var g future.Group[int, int]
			var done atomic.Int32
			for i := range 16 {
				go func() {
					defer done.Add(1)
					ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
					defer cancel()
					fn := func(ctx context.Context) (int, error) { return 7, sleep(ctx, time.Millisecond) }
					var v int
					var err error
					if i%2 == 0 {
						v, err = g.Do(ctx, 1, fn)
					} else {
						v, err = g.Go(ctx, 1, fn).Await(noContext)
					}
					if err == nil && v != 7 || err != nil && !errors.Is(err, context.DeadlineExceeded) && antiphon.CodeOf(err) != antiphon.CodeCanceled {
						t.Errorf("%d, %v", v, err)
					}
				}()
			}
			time.Sleep(time.Second)
			if done.Load() != 16 {
				t.Errorf("%d callers are stranded", 16-done.Load())
			}
		})
	}
}

func TestGroupDoesNotStartForWhoHasGivenUp(t *testing.T) {
	over, cancel := context.WithCancelCause(context.Background())
	cancel(errCause)
	var g future.Group[int, int]
	fn := func(context.Context) (int, error) { t.Error("called"); return 0, nil }
	for _, err := range []error{second(g.Do(over, 1, fn)), second(g.Go(over, 1, fn).Await(over))} {
		if !errors.Is(err, future.ErrNotStarted) || !errors.Is(err, errCause) || antiphon.ClassOf(err) != antiphon.ClassNotAccepted {
			t.Errorf("%v", err)
		}
	}
}

func second(_ int, err error) error { return err }

// A flight may outlive the scope of whoever started it.
func TestGroupFlightIsNoMember(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var g future.Group[int, int]
		start := time.Now()
		fn := func(ctx context.Context) (int, error) {
			inner := future.Go(ctx, func(context.Context) (int, error) { time.Sleep(time.Minute); return 7, nil })
			return inner.Await(ctx)
		}
		other := future.Go(context.Background(), func(ctx context.Context) (int, error) {
			time.Sleep(time.Millisecond)
			return g.Do(ctx, 1, fn)
		})
		err := future.Run(context.Background(), func(s *future.Scope) error {
			g.Go(s, 1, fn)
			time.Sleep(time.Second)
			return errBoom
		})
		if err != errBoom {
			t.Error(err)
		}
		at(t, start, time.Second)
		mustBe(t, other, 7, nil)
	})
}

// A member that waits for a flight lends its slot, so that the flight can be
// waited for by, and can itself wait for, members of the same scope.
func TestF9_WaitingForAFlightLendsTheSlot(t *testing.T) {
	for _, asks := range []func(g *future.Group[int, int], ctx context.Context, fn func(context.Context) (int, error)) (int, error){
		func(g *future.Group[int, int], ctx context.Context, fn func(context.Context) (int, error)) (int, error) {
			return g.Do(ctx, 1, fn)
		},
		func(g *future.Group[int, int], ctx context.Context, fn func(context.Context) (int, error)) (int, error) {
			return g.Go(ctx, 1, fn).Await(ctx)
		},
	} {
		bubble(t, func(t *testing.T) {
			var g future.Group[int, int]
			start := time.Now()
			var flights, running, most atomic.Int32
			err := future.Run(t.Context(), func(s *future.Scope) error {
				s.SetLimit(1)
				for range 5 {
					future.Go(s, func(ctx context.Context) (int, error) {
						v, err := asks(&g, ctx, func(context.Context) (int, error) {
							flights.Add(1)
							return future.Go(s, func(ctx context.Context) (int, error) { // needs the slot
								most.Store(max(most.Load(), running.Add(1)))
								defer running.Add(-1)
								return 7, sleep(ctx, time.Second)
							}).Await(s)
						})
						if v != 7 || err != nil {
							t.Errorf("%d, %v", v, err)
						}
						return v, err
					})
				}
				return nil
			})
			if err != nil || flights.Load() != 1 || most.Load() != 1 {
				t.Errorf("%v, %d flights, %d at once", err, flights.Load(), most.Load())
			}
			at(t, start, time.Second)
		})
	}
}

// What a flight starts with its context is no member of the scope either, and
// the end of the scope is only that of one caller.
func TestGroupFlightOutlivesAScopeThatIsCancelled(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var g future.Group[int, int]
		start := time.Now()
		fn := func(ctx context.Context) (int, error) {
			return 7, future.Run(ctx, func(s *future.Scope) error {
				future.Go(s, func(ctx context.Context) (int, error) { return 0, sleep(ctx, time.Minute) })
				return nil
			})
		}
		var member, other *future.Future[int]
		err := future.Run(context.Background(), func(s *future.Scope) error {
			s.SetLimit(1)
			member = future.Go(s, func(ctx context.Context) (int, error) {
				f := g.Go(ctx, 1, fn)
				other = g.Go(context.Background(), 1, nil2now)
				return f.Await(context.Background())
			})
			time.Sleep(time.Second)
			return errBoom
		})
		at(t, start, time.Second)
		if err != errBoom {
			t.Error(err)
		}
		mustBe(t, member, 0, errBoom) // the cause of the scope's end is the caller's
		mustBe(t, other, 7, nil)
		at(t, start, time.Minute)
	})
}

func nil2now(context.Context) (int, error) { return 0, errors.New("a second flight") }

func TestGroupKeysAreApart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var g future.Group[any, int]
		start := time.Now()
		keys := []any{1, "1", 1.0, struct{}{}, nil, [1]int{1}}
		var fs []*future.Future[int]
		for i, k := range keys {
			fn := func(ctx context.Context) (int, error) {
				if i == 1 {
					return 0, errBoom
				}
				return i, sleep(ctx, time.Second)
			}
			fs = append(fs, g.Go(t.Context(), k, fn))
		}
		for i, k := range keys {
			if i != 1 {
				fs = append(fs, g.Go(t.Context(), k, func(context.Context) (int, error) { return -1, nil }))
			}
		}
		for i, f := range fs {
			switch {
			case i == 1:
				mustBe(t, f, 0, errBoom)
			case i < len(keys):
				mustBe(t, f, i, nil)
			default:
				if v, err := f.Await(t.Context()); v < 0 || err != nil {
					t.Errorf("%d, %v", v, err)
				}
			}
		}
		at(t, start, time.Second)
	})
}

func TestGroupLift(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var g future.Group[string, string]
		var calls atomic.Int32
		ask := g.Lift(func(ctx context.Context, key string) (string, error) {
			calls.Add(1)
			if key == "c" {
				panic("c")
			}
			return key + "!", sleep(ctx, time.Second)
		})
		a, a2, b, c := ask(t.Context(), "a"), ask(noContext, "a"), ask(t.Context(), "b"), ask(t.Context(), "c")
		again := g.Lift(func(context.Context, string) (string, error) { return "another function", nil })(t.Context(), "a")
		mustBe(t, a, "a!", nil)
		mustBe(t, a2, "a!", nil)
		mustBe(t, again, "a!", nil) // what is shared is the key, in all of the Group
		mustBe(t, b, "b!", nil)
		mustBe(t, c, "", future.ErrPanic)
		if calls.Load() != 3 {
			t.Errorf("%d calls", calls.Load())
		}
		if v, err := future.Block(ask)(t.Context(), "d"); v != "d!" || err != nil {
			t.Errorf("%q, %v", v, err)
		}
	})
}

// A nil function joins nothing and starts nothing.
func TestX5_GroupOfNil(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var g future.Group[int, int]
		under := g.Go(t.Context(), 1, func(ctx context.Context) (int, error) { return 7, sleep(ctx, time.Second) })
		for _, key := range []int{1, 2} {
			for _, err := range []error{
				second(g.Do(t.Context(), key, nil)),
				second(g.Go(t.Context(), key, nil).Await(t.Context())),
				second(g.Lift(nil)(t.Context(), key).Await(t.Context())),
			} {
				if !errors.Is(err, errNilFunc) || antiphon.CodeOf(err) != antiphon.CodeInvalidArgument {
					t.Errorf("%v", err)
				}
			}
		}
		mustBe(t, under, 7, nil)
		fn := func(ctx context.Context) (int, error) {
			if ctx == nil || ctx.Err() != nil {
				t.Errorf("the flight's context is %v", ctx)
			}
			return 8, nil
		}
		mustBe(t, g.Go(noContext, 1, fn), 8, nil)
		if v, err := g.Do(noContext, 1, fn); v != 8 || err != nil {
			t.Errorf("%d, %v", v, err)
		}
	})
}

// Do waits as Await does: it says so when it gives up. Go rejects the future.
func TestGroupWhoGivesUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var g future.Group[int, int]
		fn := func(ctx context.Context) (int, error) { return 7, sleep(ctx, time.Minute) }
		ctx, cancel := context.WithCancelCause(context.Background())
		time.AfterFunc(time.Second, func() { cancel(errCause) })
		f := g.Go(ctx, 1, fn)
		_, err := g.Do(ctx, 1, fn)
		for _, want := range []error{future.ErrPending, context.Canceled, errCause} {
			is(t, err, want)
		}
		_, err = f.Await(noContext)
		isNot(t, err, future.ErrPending)
		for _, want := range []error{context.Canceled, errCause} {
			is(t, err, want)
		}
		same(t, antiphon.CodeCanceled, antiphon.CodeOf(err))
		same(t, antiphon.ClassUnknown, antiphon.ClassOf(err))
	})
}

// One whose context cannot end never leaves, even if nobody waits any more.
func TestGroupCallerWhoCannotGiveUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var g future.Group[int, int]
		fn := func(ctx context.Context) (int, error) { return 7, sleep(ctx, time.Minute) }
		ctx, cancel := context.WithCancel(context.Background())
		g.Go(ctx, 1, fn)
		stays := g.Go(context.Background(), 1, fn)
		cancel()
		mustBe(t, stays, 7, nil)
	})
}

// Who asks after the flight has ended starts another, and be it at the very
// moment at which the outcome is known; its context has ended by then.
func TestGroupRemembersNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var g future.Group[int, int]
		calls := 0
		var ended <-chan struct{}
		fn := func(ctx context.Context) (int, error) {
			calls++
			ended = ctx.Done()
			return calls, nil
		}
		for want := 1; want < 10; want += 2 {
			f := g.Go(t.Context(), 1, func(ctx context.Context) (int, error) { time.Sleep(time.Second); return fn(ctx) })
			next := future.Then(f, func(int) *future.Future[int] { // runs as the flight's caller is told
				select {
				case <-ended:
				default:
					t.Error("its context has not ended")
				}
				return g.Go(context.Background(), 1, fn)
			})
			mustBe(t, f, want, nil)
			mustBe(t, next, want+1, nil)
		}
	})
}

// A key that cannot be one panics, as in a map, and the group stays as it was.
func TestX7_KeyThatCannotBeHashed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var g future.Group[any, int]
		fn := func(ctx context.Context) (int, error) { return 7, sleep(ctx, time.Second) }
		under := g.Go(t.Context(), "key", fn)
		for name, use := range map[string]func(key any){
			"Do": func(key any) { _, _ = g.Do(t.Context(), key, fn) },
			"Go": func(key any) { g.Go(t.Context(), key, fn) },
		} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s does not panic", name)
					}
				}()
				use([]int{1})
			}()
		}
		mustBe(t, g.Go(t.Context(), "key", nil2now), 7, nil) // the same flight
		mustBe(t, under, 7, nil)
	})
}
