package future_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
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

// gauge counts how many are inside at once, and the most there ever were.
type gauge struct{ now, most atomic.Int32 }

func (g *gauge) enter() (leave func()) {
	n := g.now.Add(1)
	for {
		most := g.most.Load()
		if n <= most || g.most.CompareAndSwap(most, n) {
			return func() { g.now.Add(-1) }
		}
	}
}

// Answers come in the order of qs, from n goroutines in total.
func TestParallel(t *testing.T) {
	for _, n := range []int{1, 3, 10, 1000} {
		bubble(t, func(t *testing.T) {
			var inside gauge
			var ids sync.Map
			rs, err := future.Parallel(t.Context(), n, numbers(10), func(ctx context.Context, q int) (int, error) {
				defer inside.enter()()
				ids.Store(goroutine(), true)
				time.Sleep(time.Duration(10-q) * time.Second)
				return q * q, nil
			})
			if err != nil || !slices.Equal(rs, []int{0, 1, 4, 9, 16, 25, 36, 49, 64, 81}) {
				t.Errorf("%v, %v", rs, err)
			}
			goroutines := 0
			ids.Range(func(any, any) bool { goroutines++; return true })
			if want := min(n, 10); int(inside.most.Load()) != want || goroutines != want {
				t.Errorf("n is %d: %d calls at once on %d goroutines", n, inside.most.Load(), goroutines)
			}
		})
	}
}

// goroutine names the goroutine of its caller.
func goroutine() string {
	buf := make([]byte, 64)
	var id int
	_, _ = fmt.Sscanf(string(buf[:runtime.Stack(buf, false)]), "goroutine %d", &id)
	return fmt.Sprint(id)
}

// It starts n goroutines and nothing else, also while they wait for a scope.
func TestParallelStartsNoMoreThanN(t *testing.T) {
	bubble(t, func(t *testing.T) {
		gate := make(chan struct{})
		before := runtime.NumGoroutine()
		f := future.Go(t.Context(), func(ctx context.Context) ([]int, error) {
			return future.Parallel(ctx, 5, numbers(100), func(_ context.Context, q int) (int, error) { <-gate; return q, nil })
		})
		synctest.Wait()
		if n := runtime.NumGoroutine() - before; n != 5+1 { // and the caller's
			t.Errorf("%d goroutines", n-1)
		}
		close(gate)
		if rs, err := f.Await(t.Context()); len(rs) != 100 || err != nil {
			t.Errorf("%v, %v", rs, err)
		}
	})
}

func TestParallelOfLessThanOneGoroutine(t *testing.T) {
	for _, n := range []int{0, -1, -1 << 40} {
		bubble(t, func(t *testing.T) {
			var inside gauge
			rs, err := future.Parallel(noContext, n, numbers(3*runtime.GOMAXPROCS(0)), func(ctx context.Context, q int) (int, error) {
				if ctx == nil {
					t.Error("f was given no context")
				}
				defer inside.enter()()
				time.Sleep(time.Second)
				return q, nil
			})
			if !slices.Equal(rs, numbers(3*runtime.GOMAXPROCS(0))) || err != nil || int(inside.most.Load()) != runtime.GOMAXPROCS(0) {
				t.Errorf("%v, %v, %d at once", rs, err, inside.most.Load())
			}
		})
	}
}

func TestX5_ParallelOfNothing(t *testing.T) {
	over, cancel := context.WithCancel(context.Background())
	cancel()
	for _, ctx := range []context.Context{t.Context(), noContext, over} { // all calls have been made
		for _, qs := range [][]int{nil, {}} {
			if rs, err := future.Parallel(ctx, 3, qs, inc2); rs == nil || len(rs) != 0 || err != nil {
				t.Errorf("%v, %v", rs, err)
			}
		}
	}
	for _, qs := range [][]int{nil, {1}} {
		if rs, err := future.Parallel[int, int](t.Context(), 3, qs, nil); rs != nil || !errors.Is(err, errNilFunc) || antiphon.CodeOf(err) != antiphon.CodeInvalidArgument {
			t.Errorf("nil f: %v, %v", rs, err)
		}
	}
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
	deaf := func(context.Context, int) (int, error) { time.Sleep(time.Second); return 1, nil }
	heeds := func(ctx context.Context, _ int) (int, error) { return 1, sleep(ctx, time.Second) }
	for _, c := range []struct {
		name  string
		f     future.Func[int, int]
		n     int           // questions
		after time.Duration // ctx ends
		want  error
		calls int32
		took  time.Duration
	}{
		{"before", deaf, 10, 0, future.ErrNotStarted, 0, 0},
		{"between", deaf, 10, 1500 * time.Millisecond, future.ErrNotStarted, 4, 2 * time.Second},
		{"in the last calls", deaf, 4, 1500 * time.Millisecond, nil, 4, 2 * time.Second},
		{"and a call says so", heeds, 10, 1500 * time.Millisecond, errCause, 4, 1500 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				start := time.Now()
				ctx, cancel := context.WithTimeoutCause(context.Background(), c.after, errCause)
				defer cancel()
				var calls atomic.Int32
				rs, err := future.Parallel(ctx, 2, numbers(c.n), func(ctx context.Context, q int) (int, error) {
					calls.Add(1)
					return c.f(ctx, q)
				})
				if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) || (rs == nil) != (err != nil) || calls.Load() != c.calls {
					t.Errorf("%v, %v after %d calls", rs, err, calls.Load())
				}
				at(t, start, c.took)
				if c.want == future.ErrNotStarted {
					is(t, err, errCause)
					is(t, err, context.DeadlineExceeded)
				}
			})
		})
	}
}

// The first error wins, though others come while the goroutines end.
func TestParallelReturnsTheFirstError(t *testing.T) {
	for range 100 {
		bubble(t, func(t *testing.T) {
			start := time.Now()
			ended := 0
			_, err := future.Parallel(t.Context(), 4, numbers(8), func(_ context.Context, q int) (int, error) {
				time.Sleep(time.Duration(4-q) * time.Second) // deaf
				if q == 0 {
					ended++
				}
				return 0, fmt.Errorf("error %d", q)
			})
			if err == nil || err.Error() != "error 3" || ended != 1 {
				t.Errorf("%v; waited for all: %d", err, ended)
			}
			at(t, start, 4*time.Second)
		})
	}
}

// A member with the only slot lends it while its helpers wait for members, and
// the helpers do not lend what they do not have.
func TestF9_ParallelInAScopeOfOneSlot(t *testing.T) {
	ways := map[string]func(ctx context.Context, qs []int, f future.Func[int, int]) ([]int, error){
		"Parallel": func(ctx context.Context, qs []int, f future.Func[int, int]) ([]int, error) {
			return future.Parallel(ctx, 3, qs, f)
		},
		"ParallelSeq": func(ctx context.Context, qs []int, f future.Func[int, int]) (rs []int, err error) {
			for r, err := range future.ParallelSeq(ctx, 3, slices.Values(qs), f) {
				if err != nil {
					return nil, err
				}
				rs = append(rs, r)
				time.Sleep(time.Second) // the loop holds the slot
			}
			return rs, nil
		},
		"ParallelSeq, left": func(ctx context.Context, qs []int, f future.Func[int, int]) ([]int, error) {
			for r, err := range future.ParallelSeq(ctx, 3, slices.Values(qs), f) {
				_, _ = r, err
				break
			}
			return qs, nil
		},
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var inside gauge
				err := future.Run(t.Context(), func(s *future.Scope) error {
					s.SetLimit(1)
					for range 2 {
						future.Go(s, func(ctx context.Context) (int, error) {
							rs, err := way(ctx, numbers(6), func(ctx context.Context, q int) (int, error) {
								f := future.Go(ctx, func(ctx context.Context) (int, error) { // a member
									defer inside.enter()()
									return q, sleep(context.Background(), time.Second)
								})
								v, err := f.Await(ctx)
								if err != nil { // the loop was left: whatever it fails with is not the scope's failure
									return 0, nil
								}
								return v, nil
							})
							if err == nil && !slices.Equal(rs, numbers(6)) {
								t.Errorf("%v", rs)
							}
							return 0, err
						})
					}
					return nil
				})
				if err != nil && name != "ParallelSeq, left" {
					t.Error(err)
				}
				if inside.most.Load() != 1 {
					t.Errorf("%d members at once", inside.most.Load())
				}
			})
		})
	}
}

// It yields in order, makes at most n calls that have not been yielded, and does
// not ask qs for more than n answers that have not.
func TestParallelSeq(t *testing.T) {
	for seed := range uint64(50) {
		for _, n := range []int{1, 2, 4, 100} {
			bubble(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(seed, 5))
				times := make([]time.Duration, 60)
				for i := range times {
					times[i] = time.Duration(rng.IntN(5)) * time.Second
				}
				var pulled, made, yielded atomic.Int32
				var inside gauge
				qs := func(yield func(int) bool) {
					for i := range 50 {
						pulled.Add(1)
						time.Sleep(time.Nanosecond) // who is to run at this instant has run now
						if ahead := pulled.Load() - yielded.Load(); int(ahead) > n {
							t.Errorf("n is %d: %d pulled and not yielded", n, ahead)
						}
						if !yield(i) {
							t.Error("qs was left")
							return
						}
					}
				}
				f := func(_ context.Context, q int) (int, error) {
					defer inside.enter()()
					made.Add(1)
					time.Sleep(time.Nanosecond)
					if ahead := made.Load() - yielded.Load(); int(ahead) > n {
						t.Errorf("n is %d: %d calls made and not yielded", n, ahead)
					}
					time.Sleep(times[q])
					return q, nil
				}
				var got []int
				for r, err := range future.ParallelSeq(t.Context(), n, qs, f) {
					yielded.Add(1)
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, r)
					time.Sleep(times[len(times)-1-r%10])
				}
				if !slices.Equal(got, numbers(50)) {
					t.Errorf("%v", got)
				}
				if n > 1 && inside.most.Load() < 2 {
					t.Errorf("n is %d, but one call after another", n)
				}
			})
		}
	}
}

// While the loop does not ask for more, nothing is asked of qs.
func TestParallelSeqWaitsForTheLoop(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var pulled, made atomic.Int32
		endless := func(yield func(int) bool) {
			for i := 0; yield(i); i++ {
				pulled.Add(1)
			}
		}
		yielded := 0
		for _, err := range future.ParallelSeq(t.Context(), 3, endless, func(context.Context, int) (int, error) { made.Add(1); return 0, nil }) {
			if err != nil {
				t.Fatal(err)
			}
			yielded++
			time.Sleep(time.Hour)
			if int(made.Load()) != yielded+3 || int(pulled.Load()) > yielded+3 {
				t.Errorf("%d calls made and %d pulled, %d yielded", made.Load(), pulled.Load(), yielded)
			}
			if yielded == 10 {
				break
			}
		}
	})
}

// It may be ranged over again, if qs may, and does nothing until it is.
func TestParallelSeqIsASequence(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var made atomic.Int32
		seq := future.ParallelSeq(noContext, 0, slices.Values(numbers(5)), func(ctx context.Context, q int) (int, error) {
			made.Add(1)
			return q, ctx.Err()
		})
		synctest.Wait()
		if made.Load() != 0 {
			t.Error("it has begun by itself")
		}
		for range 2 {
			var got []int
			for r, err := range seq {
				if err != nil {
					t.Error(err)
				}
				got = append(got, r)
			}
			if !slices.Equal(got, numbers(5)) {
				t.Errorf("%v", got)
			}
		}
		for range future.ParallelSeq(t.Context(), 2, func(func(int) bool) {}, inc2) {
			t.Error("an answer to nothing")
		}
	})
}

// If ctx ends before qs does, the answers of the calls made are followed by an
// error that says so; if qs was through, there is nothing to say.
func TestParallelSeqWhenTheContextEnds(t *testing.T) {
	endless := func(yield func(int) bool) {
		for i := 0; yield(i); i++ {
		}
	}
	deaf := func(_ context.Context, q int) (int, error) { time.Sleep(time.Second); return q, nil }
	for range 50 {
		for _, c := range []struct {
			name  string
			qs    func(ctx context.Context) iter.Seq[int]
			f     future.Func[int, int]
			after time.Duration
			want  error
			n     int
			took  time.Duration
		}{
			{"before", func(context.Context) iter.Seq[int] { return endless }, deaf, 0, future.ErrNotStarted, 0, 0},
			{"deaf calls", func(context.Context) iter.Seq[int] { return endless }, deaf, 1500 * time.Millisecond, future.ErrNotStarted, 4, 2 * time.Second},
			{"qs is through", func(context.Context) iter.Seq[int] { return slices.Values(numbers(3)) }, deaf, 1500 * time.Millisecond, nil, 3, 2 * time.Second},
			{"calls heed it", func(context.Context) iter.Seq[int] { return endless }, func(ctx context.Context, q int) (int, error) {
				return q, sleep(ctx, time.Second)
			}, 1500 * time.Millisecond, errCause, 2, 1500 * time.Millisecond},
			{"qs heeds it", func(ctx context.Context) iter.Seq[int] {
				return func(yield func(int) bool) { yield(0); <-ctx.Done() }
			}, deaf, 1500 * time.Millisecond, future.ErrNotStarted, 1, 1500 * time.Millisecond},
			{"qs does not", func(context.Context) iter.Seq[int] {
				return func(yield func(int) bool) { _ = yield(0); time.Sleep(time.Minute); _ = yield(1) }
			}, deaf, 1500 * time.Millisecond, future.ErrNotStarted, 1, 1500 * time.Millisecond},
		} {
			t.Run(c.name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					start := time.Now()
					ctx, cancel := context.WithTimeoutCause(context.Background(), c.after, errCause)
					defer cancel()
					n, last := 0, error(nil)
					for r, err := range future.ParallelSeq(ctx, 2, c.qs(ctx), c.f) {
						if last = err; err == nil {
							same(t, n, r)
							n++
						}
					}
					at(t, start, c.took)
					if n != c.n || !errors.Is(last, c.want) || (last == nil) != (c.want == nil) {
						t.Errorf("%d answers, then %v", n, last)
					}
					if c.want != nil {
						is(t, last, errCause)
					}
					time.Sleep(time.Hour) // a deaf source ends with its next value
				})
			})
		}
	}
}

// Once ctx has ended, what qs comes up with is not asked for, although the loop
// has not noticed yet.
func TestParallelSeqMakesNoCallsAfterTheEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		qs := func(yield func(int) bool) {
			if !yield(0) {
				t.Error("left too early")
			}
			time.Sleep(time.Second)
			if yield(1) {
				t.Error("asked for more")
			}
		}
		for r, err := range future.ParallelSeq(ctx, 4, qs, func(_ context.Context, q int) (int, error) {
			if q > 0 {
				t.Error("called after the end")
			}
			return q, nil
		}) {
			cancel()
			time.Sleep(time.Minute)
			if r != 0 || err != nil && !errors.Is(err, future.ErrNotStarted) {
				t.Errorf("%d, %v", r, err)
			}
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

// What ends it is the loop: whatever way it is left, the calls under way are
// cancelled and waited for.
func TestParallelSeqLeavesNoCallBehind(t *testing.T) {
	for _, n := range []int{1, 3} {
		for name, leave := range map[string]func(seq iter.Seq2[int, error]){
			"break": func(seq iter.Seq2[int, error]) {
				for range seq {
					break
				}
			},
			"panic": func(seq iter.Seq2[int, error]) {
				defer func() { _ = recover() }()
				for range seq {
					panic("mine")
				}
			},
			"Goexit": func(seq iter.Seq2[int, error]) {
				done := make(chan struct{})
				go func() {
					defer close(done)
					for range seq {
						runtime.Goexit()
					}
				}()
				<-done
			},
			"Pull": func(seq iter.Seq2[int, error]) {
				next, stop := iter.Pull2(seq)
				_, _, _ = next()
				stop()
			},
		} {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					var inside gauge
					start := time.Now()
					leave(future.ParallelSeq(t.Context(), n, slices.Values(numbers(100)), func(ctx context.Context, q int) (int, error) {
						defer inside.enter()()
						if q == 0 {
							return 0, nil
						}
						<-ctx.Done()
						time.Sleep(time.Second) // takes its time to end
						return 0, ctx.Err()
					}))
					if inside.now.Load() != 0 {
						t.Errorf("%d calls are still under way", inside.now.Load())
					}
					if d := time.Since(start); d > time.Second {
						t.Errorf("it took %v: more calls were made", d)
					}
				})
			})
		}
	}
}

// A source that waits in the middle of a value does not keep the loop: its
// goroutine ends with the next value, which is not asked about.
func TestParallelSeqDoesNotWaitForItsSource(t *testing.T) {
	bubble(t, func(t *testing.T) {
		start := time.Now()
		var asked, ended atomic.Int32
		qs := func(yield func(int) bool) {
			defer ended.Add(1)
			for i := 0; yield(i); i++ {
				time.Sleep(time.Minute)
			}
		}
		for range future.ParallelSeq(t.Context(), 4, qs, func(context.Context, int) (int, error) { asked.Add(1); return 0, nil }) {
			break
		}
		at(t, start, 0)
		if ended.Load() != 0 {
			t.Error("the source had ended: this test tests nothing")
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if ended.Load() != 1 || asked.Load() != 1 {
			t.Errorf("the source's goroutine ended: %d, %d calls", ended.Load(), asked.Load())
		}
	})
}

// A source that waits for the loop to catch up is not asked again once the loop
// has been left.
func TestParallelSeqAsksNoMoreOnceLeft(t *testing.T) {
	bubble(t, func(t *testing.T) {
		pulled, ended := 0, false
		qs := func(yield func(int) bool) {
			defer func() { ended = true }()
			for pulled = 1; yield(pulled); pulled++ {
			}
		}
		for range future.ParallelSeq(t.Context(), 2, qs, inc2) {
			synctest.Wait()
			break
		}
		synctest.Wait()
		if pulled != 3 || !ended {
			t.Errorf("%d pulled, the source has ended: %t", pulled, ended)
		}
	})
}

// Errors come in the order of qs, as answers do, although a later call has
// failed first; a panic in qs comes after the answers.
func TestParallelSeqErrorsComeInOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		qs := func(yield func(int) bool) {
			_ = yield(0) && yield(1) && yield(2) && yield(3)
			panic(errCause)
		}
		for fails, want := range map[int]struct {
			n   int
			err error
		}{2: {2, errBoom}, 9: {4, errCause}} {
			n, last := 0, error(nil)
			for r, err := range future.ParallelSeq(t.Context(), 9, qs, func(ctx context.Context, q int) (int, error) {
				if q >= fails {
					return 0, errBoom
				}
				return q, sleep(ctx, time.Duration(10-q)*time.Second)
			}) {
				if last = err; err == nil {
					same(t, n, r)
					n++
				}
			}
			if n != want.n || !errors.Is(last, want.err) || errors.Is(last, future.ErrPanic) != (want.err == errCause) {
				t.Errorf("%d answers, then %v", n, last)
			}
		}
	})
}
