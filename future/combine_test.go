package future_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
)

// after is a future that settles at a time of its own.
func after(d time.Duration, v int, err error) *future.Future[int] {
	var p future.Promise[int]
	time.AfterFunc(d, func() { p.Settle(v, err) })
	return p.Future()
}

func at(t testing.TB, start time.Time, want time.Duration) {
	t.Helper()
	if got := time.Since(start); got != want {
		t.Errorf("after %v, want %v", got, want)
	}
}

func TestAll(t *testing.T) {
	bubble(t, func(t *testing.T) {
		start := time.Now()
		vs, err := future.All(after(3*time.Second, 1, nil), future.Of(2), after(time.Second, 3, nil)).Await(t.Context())
		if !slices.Equal(vs, []int{1, 2, 3}) || err != nil {
			t.Errorf("%v, %v", vs, err)
		}
		at(t, start, 3*time.Second)
		start = time.Now()
		vs, err = future.All(after(3*time.Second, 1, nil), after(time.Second, 0, errBoom), after(2*time.Second, 0, errCause)).Await(t.Context())
		if vs != nil || err != errBoom {
			t.Errorf("%v, %v", vs, err)
		}
		at(t, start, time.Second)
		f := after(time.Second, 7, nil)
		if vs, err := future.All(f, f, f).Await(t.Context()); !slices.Equal(vs, []int{7, 7, 7}) || err != nil {
			t.Errorf("thrice the same: %v, %v", vs, err)
		}
		if vs, err := future.All[int]().Await(t.Context()); vs == nil || len(vs) != 0 || err != nil {
			t.Errorf("of nothing: %v, %v", vs, err)
		}
		time.Sleep(5 * time.Second)
	})
}

func TestSettled(t *testing.T) {
	bubble(t, func(t *testing.T) {
		rs, err := future.Settled(after(2*time.Second, 1, nil), future.Failed[int](errBoom), after(time.Second, 3, errCause), nil).Await(t.Context())
		if err != nil || len(rs) != 4 || rs[0].Value != 1 || rs[1].Err != errBoom || rs[2] != (future.Result[int]{Value: 3, Err: errCause}) || rs[3].Err == nil {
			t.Errorf("%v, %v", rs, err)
		}
		if rs, err := future.Settled[int]().Await(t.Context()); rs == nil || len(rs) != 0 || err != nil {
			t.Errorf("of nothing: %v, %v", rs, err)
		}
	})
}

func TestAny(t *testing.T) {
	bubble(t, func(t *testing.T) {
		start := time.Now()
		mustBe(t, future.Any(after(3*time.Second, 1, nil), after(time.Second, 0, errBoom), after(2*time.Second, 3, nil)), 3, nil)
		at(t, start, 2*time.Second)
		errs := []error{errors.New("a"), errors.New("b"), errors.New("c")}
		_, err := future.Any(after(3*time.Second, 0, errs[0]), after(time.Second, 0, errs[1]), after(2*time.Second, 0, errs[2])).Await(t.Context())
		if err == nil || err.Error() != "a\nb\nc" || !errors.Is(err, errs[1]) {
			t.Errorf("all failed: %v", err)
		}
		if _, err := future.Any[int]().Await(t.Context()); !errors.Is(err, future.ErrNone) {
			t.Errorf("of nothing: %v", err)
		}
		time.Sleep(5 * time.Second)
	})
}

func TestRace(t *testing.T) {
	bubble(t, func(t *testing.T) {
		mustBe(t, future.Race(after(3*time.Second, 1, nil), after(time.Second, 0, errBoom)), 0, errBoom)
		mustBe(t, future.Race(after(time.Second, 1, nil), future.Of(2), future.Of(3)), 2, nil)
		f := after(time.Second, 7, nil)
		mustBe(t, future.Race(f, f), 7, nil)
		if _, err := future.Race[int]().Await(t.Context()); !errors.Is(err, future.ErrNone) {
			t.Errorf("of nothing: %v", err)
		}
		time.Sleep(5 * time.Second)
	})
}

// A contender in race after race collects nothing of them.
func TestF8_LongLivedContenderRetainsNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var shutdown future.Promise[int]
		before := runtime.NumGoroutine()
		round := func() {
			var p, q, r future.Promise[int]
			race, any, all := future.Race(shutdown.Future(), p.Future()), future.Any(q.Future(), shutdown.Future()), future.All(shutdown.Future(), r.Future())
			p.Resolve(1)
			q.Resolve(2)
			r.Reject(errBoom)
			mustBe(t, race, 1, nil)
			mustBe(t, any, 2, nil)
			_, _ = all.Await(noContext)
			for range future.AsCompleted(context.Background(), shutdown.Future(), p.Future()) {
				break
			}
		}
		round()
		var m runtime.MemStats
		heap := func() uint64 { runtime.GC(); runtime.ReadMemStats(&m); return m.HeapAlloc }
		h := heap()
		const n = 20_000
		for range n {
			round()
		}
		if grown := int64(heap()) - int64(h); grown > n*10 {
			t.Errorf("%d bytes are held of %d races", grown, n)
		}
		if now := runtime.NumGoroutine(); now > before {
			t.Errorf("%d goroutines are left", now-before)
		}
		shutdown.Resolve(0)
	})
}

// Links are hung while futures settle: whoever comes second takes them off.
func TestF8_SettlingWhileLinking(t *testing.T) {
	for seed := range uint64(2000) {
		bubble(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			n := rng.IntN(8) + 1
			ps := make([]future.Promise[int], n)
			fs := make([]*future.Future[int], n)
			for i := range ps {
				fs[i] = ps[i].Future()
			}
			failing := rng.IntN(n + 1)
			for i := range ps {
				go func() {
					if i < failing {
						ps[i].Reject(errBoom)
					} else {
						ps[i].Resolve(i)
					}
				}()
			}
			all, settled, any, race := future.All(fs...), future.Settled(fs...), future.Any(fs...), future.Race(fs...)
			synctest.Wait()
			vs, err := all.Await(t.Context())
			if failing > 0 != (err != nil) || err == nil && len(vs) != n {
				t.Fatalf("All of %d, %d failing: %v, %v", n, failing, vs, err)
			}
			if rs, _ := settled.Await(t.Context()); len(rs) != n || failing > 0 && rs[0].Err == nil || failing < n && rs[n-1].Value != n-1 {
				t.Fatalf("Settled of %d, %d failing: %v", n, failing, rs)
			}
			if v, err := any.Await(t.Context()); failing == n != (err != nil) || err == nil && v < failing {
				t.Fatalf("Any of %d, %d failing: %v, %v", n, failing, v, err)
			}
			if _, ok := race.Peek(); !ok {
				t.Fatal("Race has not settled")
			}
		})
	}
}

func TestCombinatorsOfWhatHasSettled(t *testing.T) {
	never := new(future.Promise[int]).Future()
	bad, worse := future.Failed[int](errBoom), future.Failed[int](errCause)
	for what, c := range map[string]struct {
		f    *future.Future[int]
		want future.Result[int]
	}{
		"Race: the first in order":            {future.Race(never, future.Of(2), bad), future.Result[int]{Value: 2}},
		"Race: also a failure":                {future.Race(never, bad, future.Of(2)), future.Result[int]{Err: errBoom}},
		"Any: the first value in order":       {future.Any(bad, never, future.Of(2), future.Of(3)), future.Result[int]{Value: 2}},
		"All: the first error in order":       {future.Map(future.All(never, worse, bad), length), future.Result[int]{Err: errCause}},
		"All: without waiting":                {future.Map(future.All(future.Of(1), never, bad), length), future.Result[int]{Err: errBoom}},
		"Race of one, before":                 {future.Race(bad), future.Result[int]{Err: errBoom}},
		"a value beside an error is a failed": {future.Race(settled(7, errBoom)), future.Result[int]{Value: 7, Err: errBoom}},
	} {
		if r, ok := c.f.Peek(); !ok || r != c.want { // at once: on the caller
			t.Errorf("%s: %v, %t", what, r, ok)
		}
	}
	if _, ok := future.Any(never, bad).Peek(); ok {
		t.Error("Any has decided on a failure")
	}
	if _, ok := future.Settled(never, bad).Peek(); ok {
		t.Error("Settled has not waited")
	}
	// A nil one is a failure that is there from the start, at its place.
	same(t, antiphon.CodeInvalidArgument, antiphon.CodeOf(errOf(future.Race(never, nil, future.Of(1)))))
	mustBe(t, future.Race(never, future.Of(1), nil), 1, nil)
	mustBe(t, future.Any(nil, future.Of(1)), 1, nil)
}

func length(s []int) (int, error) { return len(s), nil }

func settled(v int, err error) *future.Future[int] {
	var p future.Promise[int]
	p.Settle(v, err)
	return p.Future()
}

// They never cancel what they are given, and settling goes on unimpressed.
func TestCombinatorsCancelNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ended := make(chan error, 3)
		work := func(d time.Duration, err error) *future.Future[int] {
			return future.Go(t.Context(), func(ctx context.Context) (int, error) {
				time.Sleep(d)
				ended <- ctx.Err()
				return 1, err
			})
		}
		a, b, c := work(time.Second, errBoom), work(2*time.Second, nil), work(3*time.Second, nil)
		is(t, errOf(future.All(a, b, c)), errBoom)
		is(t, errOf(future.Race(a, b, c)), errBoom)
		mustBe(t, future.Any(a, b, c), 1, nil)
		for range 3 {
			if err := <-ended; err != nil {
				t.Errorf("cancelled: %v", err)
			}
		}
		mustBe(t, c, 1, nil)
	})
}

// The slice that the values come in is the caller's; the one that the futures
// came in is not kept.
func TestAllOwnsNoSlice(t *testing.T) {
	bubble(t, func(t *testing.T) {
		fs := []*future.Future[int]{after(time.Second, 1, nil), after(2*time.Second, 2, nil)}
		all, results, race := future.All(fs...), future.Settled(fs...), future.Race(fs...)
		clear(fs)
		if vs, err := all.Await(t.Context()); !slices.Equal(vs, []int{1, 2}) || err != nil {
			t.Errorf("%v, %v", vs, err)
		}
		if rs := valueOf(results); len(rs) != 2 || rs[1].Value != 2 {
			t.Errorf("%v", rs)
		}
		mustBe(t, race, 1, nil)
	})
}

// Outside a bubble, on all processors: many combinators are hung on the same
// futures while these settle.
func TestF8_LinkingUnderFire(t *testing.T) {
	rounds := 300
	if testing.Short() {
		rounds = 30
	}
	for round := range rounds {
		const n, hangers = 20, 6
		ps := make([]future.Promise[int], n)
		fs := make([]*future.Future[int], n)
		for i := range ps {
			fs[i] = ps[i].Future()
		}
		var outs [hangers][4]*future.Future[int]
		var all sync.WaitGroup
		gate := make(chan struct{})
		for h := range hangers {
			all.Go(func() {
				<-gate
				sum := func(is []int) (s int, err error) {
					for _, i := range is {
						s += i
					}
					return s, nil
				}
				outs[h][0] = future.Map(future.All(fs...), sum)
				outs[h][1] = future.Map(future.Settled(fs...), func(rs []future.Result[int]) (s int, err error) {
					for i, r := range rs {
						if r.Value != i {
							return 0, errBoom
						}
						s += r.Value
					}
					return s, nil
				})
				outs[h][2] = future.Race(fs...)
				outs[h][3] = future.Any(slices.Concat(fs, fs)...)
			})
		}
		for g := range 2 {
			all.Go(func() {
				<-gate
				for i := g; i < n; i += 2 {
					ps[i].Resolve(i)
				}
			})
		}
		close(gate)
		all.Wait()
		for h := range outs {
			for k, f := range outs[h] {
				r, ok := f.Peek()
				if !ok || r.Err != nil || k < 2 && r.Value != n*(n-1)/2 || r.Value < 0 {
					t.Fatalf("round %d: combinator %d: %v, %t", round, k, r, ok)
				}
			}
		}
	}
}

func TestAnyJoinsInInputOrderWhateverTheOrderOfFailure(t *testing.T) {
	for seed := range uint64(200) {
		bubble(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 4))
			n := rng.IntN(8) + 1
			fs := make([]*future.Future[int], n)
			for i, rank := range rng.Perm(n) {
				fs[i] = after(time.Duration(rank)*time.Second, 0, errs100[i])
			}
			joined, ok := errOf(future.Any(fs...)).(interface{ Unwrap() []error })
			if !ok || !slices.Equal(joined.Unwrap(), errs100[:n]) {
				t.Fatalf("seed %d: %v", seed, joined)
			}
		})
	}
}

func TestCombinatorsAllocateOneSlab(t *testing.T) {
	fs := make([]*future.Future[int], 100)
	ps := make([]future.Promise[int], len(fs))
	for i := range fs {
		fs[i] = ps[i].Future()
	}
	for what, combine := range map[string]func(){
		"All":  func() { future.All(fs...) },
		"Any":  func() { future.Any(fs...) },
		"Race": func() { future.Race(fs...) },
	} {
		if n := testing.AllocsPerRun(10, combine); n > 2 {
			t.Errorf("%s of a hundred: %v allocations", what, n)
		}
	}
}
