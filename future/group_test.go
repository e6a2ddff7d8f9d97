package future_test

import (
	"context"
	"errors"
	"fmt"
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
		var cause error
		fn := func(ctx context.Context) (int, error) {
			if _, has := ctx.Deadline(); has || ctx.Value(key{}) != "first" {
				t.Errorf("deadline %t, value %v", has, ctx.Value(key{}))
			}
			<-ctx.Done()
			cause = context.Cause(ctx)
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
		if cause != nil {
			t.Error("the flight ended while somebody was waiting")
		}
		_, err = second.Await(noContext)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the second: %v", err)
		}
		synctest.Wait()
		if cause == nil || antiphon.CodeOf(cause) != antiphon.CodeCanceled {
			t.Errorf("the flight's cause is %v", cause)
		}
	})
}

// Who comes late never gets the end of a flight that others have left.
func TestGroupLateJoinersNeverJoinADyingFlight(t *testing.T) {
	for seed := range uint64(1000) {
		bubble(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 3))
			var g future.Group[int, int]
			fn := func(ctx context.Context) (int, error) {
				if err := sleep(ctx, 10*time.Millisecond); err != nil {
					time.Sleep(5 * time.Millisecond) // dies slowly
					return 0, err
				}
				return 7, nil
			}
			for range rng.IntN(20) + 1 {
				d := time.Duration(rng.IntN(30)) * time.Millisecond
				give := rng.IntN(2) == 0
				wait := time.Duration(rng.IntN(12)) * time.Millisecond
				direct := rng.IntN(2) == 0
				go func() {
					time.Sleep(d)
					ctx, cancel := context.WithCancel(context.Background())
					defer cancel()
					if give {
						time.AfterFunc(wait, cancel)
					}
					var v int
					var err error
					if direct {
						v, err = g.Do(ctx, 1, fn)
					} else {
						v, err = g.Go(ctx, 1, fn).Await(noContext)
					}
					if !give && (v != 7 || err != nil) || err != nil && ctx.Err() == nil {
						t.Errorf("seed %d: %d, %v, though it never gave up", seed, v, err)
					}
				}()
			}
			time.Sleep(time.Second)
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

func TestLazy(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var made atomic.Int32
		l := future.Lazy[string]{New: func(ctx context.Context) (string, error) {
			n := made.Add(1)
			if err := sleep(ctx, time.Second); err != nil {
				return "", err
			}
			if n == 1 {
				return "half", errBoom
			}
			return fmt.Sprint("made ", n), nil
		}}
		if _, ok := l.Peek(); ok {
			t.Error("there before it was asked for")
		}
		if _, err := l.Get(t.Context()); err != errBoom {
			t.Errorf("the failure: %v", err)
		}
		impatient, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		var fs []*future.Future[string]
		for i := range 5 {
			ctx := context.Background()
			if i == 0 {
				ctx = impatient
			}
			fs = append(fs, future.Go(context.Background(), func(context.Context) (string, error) { return l.Get(ctx) }))
			synctest.Wait()
		}
		if _, err := fs[0].Await(noContext); !errors.Is(err, future.ErrPending) {
			t.Errorf("who gives up: %v", err)
		}
		for _, f := range fs[1:] {
			mustBe(t, f, "made 2", nil)
		}
		if v, ok := l.Peek(); v != "made 2" || !ok {
			t.Errorf("%q, %t", v, ok)
		}
		l.Forget()
		if v, err := l.Get(t.Context()); v != "made 3" || err != nil {
			t.Errorf("%q, %v", v, err)
		}
		if n := testing.AllocsPerRun(100, func() { _, _ = l.Get(context.Background()) }); n != 0 {
			t.Errorf("%v allocations to get what is there", n)
		}
		broken := future.Lazy[int]{New: func(context.Context) (int, error) { panic("x") }}
		for range 2 {
			if _, err := broken.Get(t.Context()); !errors.Is(err, future.ErrPanic) {
				t.Errorf("%v", err)
			}
		}
	})
}
