package future_test

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon/future"
)

func inc(i int) (int, error) { return i + 1, nil }

func TestMap(t *testing.T) {
	bubble(t, func(t *testing.T) {
		mustBe(t, future.Map(future.Of(1), inc), 2, nil)
		mustBe(t, future.Map(after(time.Second, 1, nil), inc), 2, nil)
		ran := false
		mustBe(t, future.Map(after(time.Second, 1, errBoom), func(int) (int, error) { ran = true; return 0, nil }), 0, errBoom)
		if ran {
			t.Error("an error did not pass by the function")
		}
		mustBe(t, future.Map(future.Of(1), func(int) (int, error) { return 3, errBoom }), 3, errBoom)
	})
}

func TestRecover(t *testing.T) {
	bubble(t, func(t *testing.T) {
		mustBe(t, future.Recover(after(time.Second, 7, nil), func(error) (int, error) { return 0, errBoom }), 7, nil)
		mustBe(t, future.Recover(after(time.Second, 0, errBoom), func(err error) (int, error) { return 8, nil }), 8, nil)
		mustBe(t, future.Recover(future.Failed[int](errBoom), func(err error) (int, error) { return 0, errors.Join(err, errCause) }), 0, errCause)
	})
}

func TestThen(t *testing.T) {
	bubble(t, func(t *testing.T) {
		second := func(i int) *future.Future[int] { return after(time.Second, i*10, nil) }
		start := time.Now()
		mustBe(t, future.Then(after(time.Second, 2, nil), second), 20, nil)
		at(t, start, 2*time.Second)
		mustBe(t, future.Then(future.Of(2), func(int) *future.Future[int] { return future.Of(5) }), 5, nil)
		mustBe(t, future.Then(future.Failed[int](errBoom), second), 0, errBoom)
		mustBe(t, future.Then(future.Of(2), func(int) *future.Future[int] { return future.Failed[int](errBoom) }), 0, errBoom)
	})
}

// A panic in one transform is its own; whatever else hangs on the future is
// still told. Goexit ends the goroutine that settles, and nothing else.
func TestF6_TransformsHarmNobody(t *testing.T) {
	for name, end := range map[string]struct {
		f  func()
		is error
	}{"panic": {func() { panic("x") }, future.ErrPanic}, "Goexit": {runtime.Goexit, future.ErrGoexit}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var p future.Promise[int]
				f := p.Future()
				bad := []*future.Future[int]{
					future.Map(f, func(int) (int, error) { end.f(); return 0, nil }),
					future.Then(f, func(int) *future.Future[int] { end.f(); return nil }),
					future.Recover(future.Map(f, func(int) (int, error) { return 0, errBoom }), func(error) (int, error) { end.f(); return 0, nil }),
				}
				after := future.Map(bad[0], inc)
				good := future.Map(future.Map(f, inc), inc)
				called := false
				f.OnDone(func(future.Result[int]) { called = true })
				go p.Resolve(1)
				synctest.Wait()
				for i, b := range append(bad, after) {
					if _, err := b.Await(t.Context()); !errors.Is(err, end.is) {
						t.Errorf("%d: %v", i, err)
					}
				}
				mustBe(t, good, 3, nil)
				if !called {
					t.Error("a callback was not told")
				}
			})
		})
	}
}

func TestTransformsOfASettledFutureRunAtOnce(t *testing.T) {
	if r, ok := future.Map(future.Of(1), inc).Peek(); !ok || r.Value != 2 {
		t.Error("Map has not settled")
	}
}

// Settling is a loop, not a recursion: the stack stays small.
func TestLongChains(t *testing.T) {
	const n = 1_000_000
	var p future.Promise[int]
	f := p.Future()
	for i := range n {
		switch i % 4 {
		case 0, 1:
			f = future.Map(f, inc)
		case 2:
			f = future.Recover(f, func(err error) (int, error) { return 0, err })
		case 3:
			f = future.Then(f, func(i int) *future.Future[int] { return future.Of(i + 1) })
		}
	}
	p.Resolve(0)
	mustBe(t, f, n/4*3, nil)
}

func TestManyLinksOnOneFuture(t *testing.T) {
	var p future.Promise[int]
	var fs []*future.Future[int]
	for range 10_000 {
		fs = append(fs, future.Map(future.Map(p.Future(), inc), inc))
	}
	p.Resolve(1)
	vs, err := future.All(fs...).Await(context.Background())
	for _, v := range vs {
		if v != 3 || err != nil {
			t.Fatalf("%d, %v", v, err)
		}
	}
}

// Chains of transforms that fall: each panic, each Goexit, is handed on by a
// loop, so that the last transform runs on a stack as shallow as the first.
func TestF6_ChainsOfFallsDoNotNest(t *testing.T) {
	for name, fall := range map[string]func(){"panic": func() { panic("x") }, "Goexit": runtime.Goexit, "neither": func() {}} {
		t.Run(name, func(t *testing.T) {
			const n = 3000
			var p future.Promise[int]
			f := p.Future()
			for i := range n {
				if i%2 == 0 {
					f = future.Recover(f, func(error) (int, error) { fall(); return 0, errBoom })
				} else {
					f = future.Recover(f, func(err error) (int, error) { fall(); return 0, err })
				}
			}
			depth := 0
			last := future.Recover(f, func(error) (int, error) {
				depth = runtime.Callers(0, make([]uintptr, 1000))
				return 7, nil
			})
			go p.Reject(errBoom)
			mustBe(t, last, 7, nil)
			if depth > 100 {
				t.Errorf("the last transform runs %d calls deep", depth)
			}
		})
	}
}

// Many falls on one future: all of the ring is told nevertheless.
func TestF6_ManyFallsOnOneFuture(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var p future.Promise[int]
		var fs []*future.Future[int]
		for i := range 3000 {
			fs = append(fs, future.Map(future.Map(p.Future(), func(int) (int, error) {
				switch i % 3 {
				case 0:
					panic("x")
				case 1:
					runtime.Goexit()
				}
				return i, nil
			}), inc))
		}
		depth := 0
		last := future.Map(p.Future(), func(int) (int, error) { depth = runtime.Callers(0, make([]uintptr, 1000)); return 0, nil })
		go p.Resolve(1)
		mustBe(t, last, 0, nil)
		if depth > 100 {
			t.Errorf("the last transform runs %d calls deep", depth)
		}
		for i, r := range valueOf(future.Settled(fs...)) {
			want := []error{future.ErrPanic, future.ErrGoexit, nil}[i%3]
			if !errors.Is(r.Err, want) || want == nil && (r.Err != nil || r.Value != i+1) {
				t.Fatalf("%d: %v", i, r)
			}
		}
	})
}

// A panic stays inside: the call that settles returns as usual, also where the
// future has settled and the transform runs on the caller.
func TestF6_WhoSettlesIsNotHarmed(t *testing.T) {
	var p future.Promise[int]
	boom := func(int) (int, error) { panic(errBoom) }
	before := future.Map(p.Future(), boom)
	if !p.Resolve(1) {
		t.Error("not decided")
	}
	for _, f := range []*future.Future[int]{
		before,
		future.Map(p.Future(), boom),
		future.Then(p.Future(), func(int) *future.Future[int] { panic(errBoom) }),
		future.Recover(before, func(error) (int, error) { panic(errBoom) }),
	} {
		is(t, errOf(f), errBoom)
		is(t, errOf(f), future.ErrPanic)
	}
}

func TestTransformsRunAtMostOnce(t *testing.T) {
	for range 1000 {
		bubble(t, func(t *testing.T) {
			var p future.Promise[int]
			var ran [3]atomic.Int32
			for i := range ran {
				go func() {
					f := p.Future()
					future.Map(f, func(int) (int, error) { ran[i].Add(1); return 0, nil })
				}()
			}
			go p.Resolve(1)
			synctest.Wait()
			for i := range ran {
				if n := ran[i].Load(); n != 1 {
					t.Fatalf("transform %d ran %d times", i, n)
				}
			}
		})
	}
}

// fn of a transform runs on the goroutine that settles.
func TestTransformsRunOnTheSettlingGoroutine(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var p future.Promise[int]
		ran := false
		future.Then(future.Recover(future.Map(p.Future(), func(int) (int, error) { return 0, errBoom }),
			func(error) (int, error) { return 1, nil }),
			func(int) *future.Future[int] { ran = true; return nil })
		p.Resolve(1)
		if !ran { // no synctest.Wait: it has run when Resolve returns
			t.Error("not run when Resolve returned")
		}
	})
}

// The second ask may settle before, while and after Then hangs on it.
func TestThenWhileTheSecondSettles(t *testing.T) {
	for range 2000 {
		bubble(t, func(t *testing.T) {
			var p, q future.Promise[int]
			f := future.Then(p.Future(), func(int) *future.Future[int] { return q.Future() })
			g := future.Map(f, inc)
			go p.Resolve(1)
			go q.Resolve(2)
			mustBe(t, g, 3, nil)
		})
	}
}

// A chain of a million of one kind each; and one of asks that end one by one.
func TestLongChainsOfEachKind(t *testing.T) {
	n := 300_000
	if testing.Short() {
		n = 10_000
	}
	for name, stage := range map[string]func(*future.Future[int]) *future.Future[int]{
		"Map":     func(f *future.Future[int]) *future.Future[int] { return future.Map(f, inc) },
		"Recover": func(f *future.Future[int]) *future.Future[int] { return future.Recover(f, nil2) },
		"Then": func(f *future.Future[int]) *future.Future[int] {
			return future.Then(f, func(i int) *future.Future[int] { return future.Of(i + 1) })
		},
		"Any": func(f *future.Future[int]) *future.Future[int] { return future.Any(f) },
		"All": func(f *future.Future[int]) *future.Future[int] {
			return future.Map(future.All(f), func(is []int) (int, error) { return is[0] + 1, nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			var p future.Promise[int]
			f := p.Future()
			for range n {
				f = stage(f)
			}
			depth := 0
			f = future.Map(f, func(i int) (int, error) { depth = runtime.Callers(0, make([]uintptr, 1000)); return i, nil })
			p.Resolve(0)
			want := n
			if name == "Recover" || name == "Any" {
				want = 0
			}
			mustBe(t, f, want, nil)
			if depth > 50 {
				t.Errorf("settled %d calls deep", depth)
			}
		})
	}
}

func nil2(err error) (int, error) { return 0, err }
