package future_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
)

// makes returns a New that takes a second and gives 1, 2, 3 and so on.
func makes(made *atomic.Int64) func(context.Context) (int64, error) {
	return func(ctx context.Context) (int64, error) {
		n := made.Add(1)
		return n, sleep(ctx, time.Second)
	}
}

// get is Get on a goroutine of its own, which has got so far that it waits.
func get[T any](ctx context.Context, l *future.Lazy[T]) *future.Future[T] {
	f := future.Go(context.Background(), func(context.Context) (T, error) { return l.Get(ctx) })
	synctest.Wait()
	return f
}

func TestLazyMakesOnceAndKeeps(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var made atomic.Int64
		l := future.Lazy[int64]{New: makes(&made)}
		start := time.Now()
		synctest.Wait()
		if v, ok := l.Peek(); v != 0 || ok || made.Load() != 0 {
			t.Errorf("before anybody has asked: %d, %t, %d made", v, ok, made.Load())
		}
		var fs []*future.Future[int64]
		for range 50 {
			fs = append(fs, get(t.Context(), &l))
		}
		if v, ok := l.Peek(); v != 0 || ok {
			t.Errorf("while it is made: %d, %t", v, ok)
		}
		for _, f := range fs {
			mustBe(t, f, 1, nil)
		}
		at(t, start, time.Second)
		mustBe(t, get(noContext, &l), 1, nil)
		if v, ok := l.Peek(); v != 1 || !ok {
			t.Errorf("Peek is %d, %t", v, ok)
		}
		at(t, start, time.Second)
		if made.Load() != 1 {
			t.Errorf("%d made", made.Load())
		}
		if n := testing.AllocsPerRun(100, func() { _, _ = l.Get(context.Background()) }); n != 0 {
			t.Errorf("%v allocations to get what is there", n)
		}
	})
}

// A value is a value, be it a nil pointer or an error.
func TestLazyKeepsNil(t *testing.T) {
	made := 0
	l := future.Lazy[error]{New: func(context.Context) (error, error) { made++; return nil, nil }}
	for range 2 {
		if v, err := l.Get(t.Context()); v != nil || err != nil {
			t.Errorf("%v, %v", v, err)
		}
	}
	if _, ok := l.Peek(); !ok || made != 1 {
		t.Errorf("kept: %t, made %d times", ok, made)
	}
}

func TestLazyRetriesWhatFailed(t *testing.T) {
	for name, c := range map[string]struct {
		fail func() (int, error)
		want error
	}{
		"error":  {func() (int, error) { return 7, errBoom }, errBoom},
		"panic":  {func() (int, error) { panic(errBoom) }, future.ErrPanic},
		"Goexit": {func() (int, error) { runtime.Goexit(); return 0, nil }, future.ErrGoexit},
	} {
		t.Run("F6 "+name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				made := 0
				l := future.Lazy[int]{New: func(context.Context) (int, error) {
					made++
					time.Sleep(time.Second)
					if made < 3 {
						return c.fail()
					}
					return made, nil
				}}
				for try := range 2 {
					a, b := get(t.Context(), &l), get(t.Context(), &l) // all who share the making
					for _, f := range []*future.Future[int]{a, b} {
						if _, err := f.Await(t.Context()); !errors.Is(err, c.want) {
							t.Errorf("try %d: %v", try, err)
						}
					}
					if v, ok := l.Peek(); v != 0 || ok {
						t.Errorf("a failure was kept: %d, %t", v, ok)
					}
				}
				mustBe(t, get(t.Context(), &l), 3, nil)
				mustBe(t, get(t.Context(), &l), 3, nil)
			})
		})
	}
}

func TestLazyForget(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var made atomic.Int64
		l := future.Lazy[int64]{New: makes(&made)}
		l.Forget() // nothing to forget
		mustBe(t, get(t.Context(), &l), 1, nil)
		l.Forget()
		if v, ok := l.Peek(); v != 0 || ok {
			t.Errorf("not forgotten: %d, %t", v, ok)
		}
		second := get(t.Context(), &l)
		l.Forget() // does not end the making
		third := get(t.Context(), &l)
		mustBe(t, second, 2, nil)
		mustBe(t, third, 2, nil)
		mustBe(t, get(t.Context(), &l), 2, nil)
	})
}

// Who gives up leaves the others alone, and the context of the making ends with
// the last of them; it carries the values of the first.
func TestLazyGivingUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var made atomic.Int64
		ended := make(chan error, 3)
		l := future.Lazy[int64]{New: func(ctx context.Context) (int64, error) {
			if _, timed := ctx.Deadline(); timed || ctx.Value(key{}) != "first" {
				t.Errorf("deadline %t, value %v", timed, ctx.Value(key{}))
			}
			v, err := makes(&made)(ctx)
			ended <- context.Cause(ctx)
			return v, err
		}}
		ask := func(d time.Duration) *future.Future[int64] {
			ctx, cancel := context.WithTimeoutCause(context.WithValue(context.Background(), key{}, "first"), d, errCause)
			t.Cleanup(cancel)
			return get(ctx, &l)
		}
		start := time.Now()
		first, second := ask(100*time.Millisecond), get(context.WithValue(t.Context(), key{}, "second"), &l)
		for _, want := range []error{future.ErrPending, context.DeadlineExceeded, errCause} {
			if _, err := first.Await(t.Context()); !errors.Is(err, want) {
				t.Errorf("%v, want %v", err, want)
			}
		}
		at(t, start, 100*time.Millisecond)
		mustBe(t, second, 1, nil)
		at(t, start, time.Second)
		if err := <-ended; err != nil {
			t.Errorf("the making was cancelled: %v", err)
		}
		l.Forget()
		third, fourth := ask(100*time.Millisecond), ask(200*time.Millisecond)
		mustBe(t, third, 0, future.ErrPending)
		synctest.Wait()
		if len(ended) > 0 {
			t.Error("the making ended before the last had given up")
		}
		mustBe(t, fourth, 0, future.ErrPending)
		synctest.Wait()
		if len(ended) == 0 {
			t.Fatal("nobody waits, and the making goes on")
		}
		if err := <-ended; err == nil || antiphon.CodeOf(err) != antiphon.CodeCanceled {
			t.Errorf("nobody waits, and the making ended with %v", err)
		}
		mustBe(t, ask(time.Minute), 3, nil)
	})
}

// The value wins over a context that has ended; without one nothing is started.
func TestF4_LazyOfWhoHasGivenUp(t *testing.T) {
	over, cancel := context.WithCancelCause(context.Background())
	cancel(errCause)
	var made atomic.Int64
	l := future.Lazy[int64]{New: func(context.Context) (int64, error) { return made.Add(1), nil }}
	if _, err := l.Get(over); !errors.Is(err, future.ErrNotStarted) || !errors.Is(err, errCause) || made.Load() != 0 {
		t.Errorf("%v, %d made", err, made.Load())
	}
	if v, err := l.Get(t.Context()); v != 1 || err != nil {
		t.Errorf("%d, %v", v, err)
	}
	if v, err := l.Get(over); v != 1 || err != nil {
		t.Errorf("what is there: %d, %v", v, err)
	}
}

// A making that was given up and goes on may end together with the next one: of
// both values one is kept, and everybody gets that.
func TestLazyNeverChangesItsValue(t *testing.T) {
	for name, first := range map[string]time.Duration{
		"the one given up ends first": 2 * time.Second, "it ends last": 9 * time.Second, "both at once": 6 * time.Second,
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				takes := []time.Duration{first, 5 * time.Second}
				made := 0
				l := future.Lazy[string]{New: func(context.Context) (string, error) { // deaf
					made++
					v := fmt.Sprint("making ", made)
					time.Sleep(takes[made-1])
					return v, nil
				}}
				impatient, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				mustBe(t, get(impatient, &l), "", future.ErrPending)
				next := get(t.Context(), &l)
				var seen []string
				for range 12 {
					if v, ok := l.Peek(); ok {
						seen = append(seen, v)
					}
					time.Sleep(time.Second)
				}
				if len(seen) == 0 || made != 2 {
					t.Fatalf("%d made, seen %v", made, seen)
				}
				mustBe(t, next, seen[0], nil)
				for _, v := range seen {
					if v != seen[0] {
						t.Fatalf("the value changed: %v", seen)
					}
				}
				mustBe(t, get(t.Context(), &l), seen[0], nil)
			})
		})
	}
}

func TestX5_LazyWithoutNew(t *testing.T) {
	var l future.Lazy[int]
	for range 2 {
		if v, err := l.Get(t.Context()); v != 0 || !errors.Is(err, errNilFunc) || antiphon.CodeOf(err) != antiphon.CodeInvalidArgument {
			t.Errorf("%d, %v", v, err)
		}
	}
	l.Forget()
	if _, ok := l.Peek(); ok {
		t.Error("made of nothing")
	}
}

// New may ask another Lazy: the end of the one who asks reaches both.
func TestLazyOfALazy(t *testing.T) {
	bubble(t, func(t *testing.T) {
		inner := future.Lazy[int]{New: func(ctx context.Context) (int, error) { return 20, sleep(ctx, time.Second) }}
		outer := future.Lazy[int]{New: func(ctx context.Context) (int, error) {
			v, err := inner.Get(ctx)
			return v + 1, err
		}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		mustBe(t, get(ctx, &outer), 0, context.DeadlineExceeded)
		synctest.Wait()
		mustBe(t, get(t.Context(), &outer), 21, nil)
	})
}

// Everybody gets the one value there is, whoever asks, gives up or forgets.
func TestLazyUnderFire(t *testing.T) {
	for range 200 {
		bubble(t, func(t *testing.T) {
			var made atomic.Int64
			l := future.Lazy[int64]{New: makes(&made)}
			for i := range 20 {
				go func() {
					time.Sleep(time.Duration(i%3) * 500 * time.Millisecond)
					ctx, cancel := context.WithTimeout(context.Background(), time.Duration(1+i%4)*400*time.Millisecond)
					defer cancel()
					if v, err := l.Get(ctx); err == nil && v != 1 || err != nil && !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("%d, %v", v, err)
					}
				}()
			}
			time.Sleep(time.Minute)
			if v, ok := l.Peek(); v != 1 || !ok || made.Load() != 1 {
				t.Errorf("%d, %t, %d made", v, ok, made.Load())
			}
		})
	}
}

// Who looked just before the value came makes no other.
func TestLazyMakesOnceUnderARush(t *testing.T) {
	for range 1000 {
		bubble(t, func(t *testing.T) {
			var made atomic.Int64
			l := future.Lazy[int64]{New: func(context.Context) (int64, error) { return made.Add(1), nil }}
			for range 20 {
				go func() {
					if v, err := l.Get(t.Context()); v != 1 || err != nil {
						t.Errorf("%d, %v", v, err)
					}
				}()
			}
			synctest.Wait()
			if made.Load() != 1 {
				t.Fatalf("%d made", made.Load())
			}
		})
	}
}
