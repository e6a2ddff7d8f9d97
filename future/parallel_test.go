package future_test

import (
	"context"
	"errors"
	"iter"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
)

var errNilFunc = &antiphon.Error{Reason: "future.nil_func"}

func numbers(n int) []int {
	qs := make([]int, n)
	for i := range qs {
		qs[i] = i
	}
	return qs
}

func TestParallel(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var running, most atomic.Int32
		start := time.Now()
		before := runtime.NumGoroutine()
		rs, err := future.Parallel(t.Context(), 3, numbers(10), func(ctx context.Context, q int) (int, error) {
			most.Store(max(most.Load(), running.Add(1)))
			defer running.Add(-1)
			if g := runtime.NumGoroutine() - before; g > 3 {
				t.Errorf("%d goroutines", g)
			}
			time.Sleep(time.Duration(10-q) * time.Second)
			return q * q, nil
		})
		if err != nil || most.Load() != 3 || !slices.Equal(rs, []int{0, 1, 4, 9, 16, 25, 36, 49, 64, 81}) {
			t.Errorf("%v, %v, %d at once", rs, err, most.Load())
		}
		if time.Since(start) > 25*time.Second {
			t.Errorf("took %v", time.Since(start))
		}
		if rs, err := future.Parallel(noContext, 0, nil, inc2); rs == nil || len(rs) != 0 || err != nil {
			t.Errorf("of nothing: %v, %v", rs, err)
		}
	})
}

func inc2(_ context.Context, q int) (int, error) { return q + 1, nil }

func TestParallelFailsFast(t *testing.T) {
	for name, c := range map[string]struct {
		fail func() error
		want error
	}{
		"error":  {func() error { return errBoom }, errBoom},
		"panic":  {func() error { panic(errBoom) }, future.ErrPanic},
		"Goexit": {func() error { runtime.Goexit(); return nil }, future.ErrGoexit},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var calls, ended atomic.Int32
				rs, err := future.Parallel(t.Context(), 4, numbers(100), func(ctx context.Context, q int) (int, error) {
					calls.Add(1)
					defer ended.Add(1)
					if q == 2 {
						time.Sleep(time.Second)
						return 0, c.fail()
					}
					<-ctx.Done()
					if !errors.Is(context.Cause(ctx), c.want) {
						t.Errorf("the cause is %v", context.Cause(ctx))
					}
					time.Sleep(time.Second)
					return 0, ctx.Err()
				})
				if rs != nil || !errors.Is(err, c.want) || calls.Load() != 4 || ended.Load() != 4 {
					t.Errorf("%v, %v; %d calls, %d ended", rs, err, calls.Load(), ended.Load())
				}
			})
		})
	}
}

func TestParallelWhenTheContextEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(context.Background(), 1500*time.Millisecond, errCause)
		defer cancel()
		var calls atomic.Int32
		_, err := future.Parallel(ctx, 2, numbers(10), func(context.Context, int) (int, error) {
			calls.Add(1)
			time.Sleep(time.Second)
			return 1, nil // deaf, and successful
		})
		if !errors.Is(err, future.ErrNotStarted) || !errors.Is(err, errCause) || calls.Load() != 4 {
			t.Errorf("%v after %d calls", err, calls.Load())
		}
	})
}

func TestParallelSeq(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var made, yielded atomic.Int32
		pulled := 0
		qs := func(yield func(int) bool) {
			for i := range 50 {
				if pulled++; pulled > int(yielded.Load())+4+1 {
					t.Errorf("%d pulled, %d yielded", pulled, yielded.Load())
				}
				if !yield(i) {
					return
				}
			}
		}
		var got []int
		for r, err := range future.ParallelSeq(t.Context(), 4, qs, func(_ context.Context, q int) (int, error) {
			if ahead := made.Add(1) - yielded.Load(); ahead > 4 {
				t.Errorf("%d calls made and not yielded", ahead)
			}
			time.Sleep(time.Duration(q*7%5) * time.Second)
			return q, nil
		}) {
			yielded.Add(1)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, r)
			time.Sleep(500 * time.Millisecond)
		}
		if !slices.Equal(got, numbers(50)) {
			t.Errorf("%v", got)
		}
	})
}

// What is ready is yielded though the next question has not come yet.
func TestParallelSeqOfALiveSource(t *testing.T) {
	bubble(t, func(t *testing.T) {
		start := time.Now()
		live := func(yield func(int) bool) {
			for i := range 3 {
				if !yield(i) {
					return
				}
				time.Sleep(time.Minute)
			}
		}
		i := 0
		for r, err := range future.ParallelSeq(t.Context(), 8, live, inc2) {
			if r != i+1 || err != nil {
				t.Errorf("%d, %v", r, err)
			}
			at(t, start, time.Duration(i)*time.Minute)
			i++
		}
	})
}

func TestParallelSeqEnds(t *testing.T) {
	endless := func(yield func(int) bool) {
		for i := 0; yield(i); i++ {
		}
	}
	type end struct {
		name string
		qs   iter.Seq[int]
		f    future.Func[int, int]
		stop int // leave the loop after so many
		want error
		n    int // answers without an error
	}
	slow := func(ctx context.Context, q int) (int, error) { return q, sleep(ctx, time.Second) }
	for _, c := range []end{
		{"left", endless, slow, 3, nil, 3},
		{"error", endless, func(ctx context.Context, q int) (int, error) {
			if q == 5 {
				return 0, errBoom
			}
			return slow(ctx, q)
		}, -1, errBoom, 5},
		{"panic in f", endless, func(ctx context.Context, q int) (int, error) {
			if q == 5 {
				panic("x")
			}
			return slow(ctx, q)
		}, -1, future.ErrPanic, 5},
		{"panic in qs", func(yield func(int) bool) { yield(0); yield(1); panic("x") }, slow, -1, future.ErrPanic, 2},
		{"Goexit in qs", func(yield func(int) bool) { yield(0); runtime.Goexit() }, slow, -1, future.ErrGoexit, 1},
		{"context", endless, slow, -1, context.DeadlineExceeded, 20},
		{"nil qs", nil, slow, -1, errNilFunc, 0},
		{"nil f", endless, nil, -1, errNilFunc, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(context.Background(), 10500*time.Millisecond)
				defer cancel()
				var running atomic.Int32
				f := c.f
				if f != nil {
					f = func(ctx context.Context, q int) (int, error) {
						running.Add(1)
						defer running.Add(-1)
						return c.f(ctx, q)
					}
				}
				n, last := 0, error(nil)
				for r, err := range future.ParallelSeq(ctx, 2, c.qs, f) {
					if last != nil {
						t.Errorf("%d, %v after an error", r, err)
					}
					if last = err; err == nil {
						if r != n {
							t.Errorf("%d in place of %d", r, n)
						}
						n++
					}
					if n == c.stop {
						break
					}
				}
				if n != c.n || !errors.Is(last, c.want) || (c.want == nil) != (last == nil) {
					t.Errorf("%d answers, then %v", n, last)
				}
				if running.Load() != 0 {
					t.Errorf("%d calls are still under way", running.Load())
				}
				synctest.Wait()
			})
		})
	}
}

func TestParallelSeqSurvivesAPanicInTheLoop(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var running atomic.Int32
		defer func() {
			if recover() != "mine" || running.Load() != 0 {
				t.Errorf("%d calls are still under way", running.Load())
			}
		}()
		for range future.ParallelSeq(t.Context(), 3, slices.Values(numbers(10)), func(ctx context.Context, q int) (int, error) {
			running.Add(1)
			defer running.Add(-1)
			if q == 0 {
				return 0, nil
			}
			return 0, sleep(ctx, time.Hour)
		}) {
			panic("mine")
		}
	})
}
