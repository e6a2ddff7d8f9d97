package future_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
)

// Every position once, in the order of completion, with the right outcome.
func TestAsCompletedEachOnceInOrder(t *testing.T) {
	for seed := range uint64(300) {
		bubble(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 2))
			n := rng.IntN(20)
			fs := make([]*future.Future[int], n)
			want := rng.Perm(n) // the order of completion
			for rank, i := range want {
				var err error
				if i%3 == 0 {
					err = errBoom
				}
				fs[i] = after(time.Duration(rank+1)*time.Millisecond, i, err)
			}
			settled := rng.IntN(n + 1) // have settled before: these come in order of position
			time.Sleep(time.Duration(settled) * time.Millisecond)
			synctest.Wait()
			slices.Sort(want[:settled])
			for range 2 {
				var order []int
				for i, r := range future.AsCompleted(t.Context(), fs...) {
					order = append(order, i)
					if r.Value != i || (r.Err != nil) != (i%3 == 0) {
						t.Fatalf("seed %d: %d: %v", seed, i, r)
					}
					if rng.IntN(4) == 0 {
						time.Sleep(2 * time.Millisecond) // what comes meanwhile keeps its order
					}
				}
				if !slices.Equal(order, want) {
					t.Fatalf("seed %d: in order %v, want %v", seed, order, want)
				}
				slices.Sort(want) // ranged over again: all have settled
			}
		})
	}
}

func TestAsCompletedSameFutureTwice(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := after(time.Second, 7, nil)
		if order := completed(t.Context(), f, nil, f, f); !slices.Equal(order, []int{1, 0, 2, 3}) {
			t.Errorf("in order %v", order)
		}
		if order := completed(noContext, f); !slices.Equal(order, []int{0}) {
			t.Errorf("nil context: in order %v", order)
		}
		if order := completed(t.Context()); order != nil {
			t.Errorf("of nothing: %v", order)
		}
	})
}

// When ctx has ended before the first look, what has settled comes first, then
// the rest with ErrPending, all in order, and without waiting.
func TestAsCompletedWithAContextThatHasEnded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		over, cancel := context.WithCancelCause(context.Background())
		cancel(errCause)
		never := new(future.Promise[int]).Future()
		start := time.Now()
		var order []int
		for i, r := range future.AsCompleted(over, never, future.Of(1), never, future.Failed[int](errBoom)) {
			order = append(order, i)
			switch i {
			case 0, 2:
				is(t, r.Err, future.ErrPending)
				is(t, r.Err, context.Canceled)
				is(t, r.Err, errCause)
				same(t, antiphon.CodeCanceled, antiphon.CodeOf(r.Err))
				same(t, antiphon.ClassUnknown, antiphon.ClassOf(r.Err))
			case 1:
				same(t, future.Result[int]{Value: 1}, r)
			case 3:
				same(t, future.Result[int]{Err: errBoom}, r)
			}
		}
		if !slices.Equal(order, []int{1, 3, 0, 2}) {
			t.Errorf("in order %v", order)
		}
		at(t, start, 0)
	})
}

// Settling, the context and leaving the loop, all at once: each position at most
// once, and once if the loop is not left.
func TestAsCompletedUnderFire(t *testing.T) {
	for seed := range uint64(1000) {
		bubble(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 3))
			n := rng.IntN(6) + 1
			ps := make([]future.Promise[int], n)
			fs := make([]*future.Future[int], n)
			for i := range ps {
				fs[i] = ps[i].Future()
			}
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			leave := rng.IntN(2 * n)
			for i := range ps {
				if rng.IntN(5) > 0 {
					go ps[i].Resolve(i)
				}
			}
			go cancel()
			seen := map[int]int{}
			for i, r := range future.AsCompleted(ctx, fs...) {
				seen[i]++
				if r.Err == nil && r.Value != i || r.Err != nil && !errors.Is(r.Err, future.ErrPending) {
					t.Fatalf("seed %d: %d: %v", seed, i, r)
				}
				if len(seen) > leave {
					break
				}
			}
			for i, times := range seen {
				if times != 1 {
					t.Fatalf("seed %d: %d came %d times", seed, i, times)
				}
			}
			if want := min(n, leave+1); len(seen) != want {
				t.Fatalf("seed %d: %d positions, want %d", seed, len(seen), want)
			}
		})
	}
}

// Loops inside of the loop, and settling from inside of it.
func TestAsCompletedMayReenter(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var p, q future.Promise[int]
		seq := future.AsCompleted(t.Context(), future.Of(0), p.Future(), q.Future())
		var order []int
		for i := range seq {
			order = append(order, i)
			switch i {
			case 0:
				q.Resolve(2)
			case 2:
				p.Resolve(1)
				for j := range seq {
					order = append(order, 10+j)
				}
			}
		}
		if !slices.Equal(order, []int{0, 2, 10, 11, 12, 1}) {
			t.Errorf("in order %v", order)
		}
	})
}

func TestAsCompleted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		fs := []*future.Future[int]{after(3*time.Second, 1, nil), future.Of(2), after(time.Second, 3, errBoom), nil}
		seq := future.AsCompleted(context.Background(), fs...)
		for round := range 2 { // the second time all have settled
			var order []int
			for i, r := range seq {
				order = append(order, i)
				if i < 3 && (r.Value != i+1 || (i == 2) != (r.Err == errBoom)) || i == 3 && antiphon.CodeOf(r.Err) != antiphon.CodeInvalidArgument {
					t.Errorf("%d: %v", i, r)
				}
			}
			if want := [][]int{{1, 3, 2, 0}, {0, 1, 2, 3}}[round]; !slices.Equal(order, want) {
				t.Errorf("in order %v, want %v", order, want)
			}
		}
		for range future.AsCompleted[int](noContext) {
			t.Error("something came of nothing")
		}
	})
}

func TestAsCompletedWhenTheContextEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(context.Background(), 2*time.Second, errCause)
		defer cancel()
		var late future.Promise[int]
		seen := map[int]future.Result[int]{}
		var order []int
		for i, r := range future.AsCompleted(ctx, late.Future(), after(time.Second, 1, nil), after(time.Hour, 2, nil), late.Future()) {
			seen[i] = r
			order = append(order, i)
			if i == 0 {
				late.Resolve(9) // the value wins over the context
			}
		}
		if !slices.Equal(order, []int{1, 0, 2, 3}) {
			t.Errorf("in order %v", order)
		}
		for _, i := range []int{0, 2} {
			if err := seen[i].Err; !errors.Is(err, future.ErrPending) || !errors.Is(err, errCause) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%d: %v", i, err)
			}
		}
		if seen[1].Err != nil || seen[3] != (future.Result[int]{Value: 9}) {
			t.Errorf("%v, %v", seen[1], seen[3])
		}
		for range future.AsCompleted(ctx, late.Future(), new(future.Promise[int]).Future()) {
			break
		}
		time.Sleep(2 * time.Hour)
	})
}
