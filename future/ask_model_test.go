package future_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
)

// Random policies, works and askers, in virtual time, against what must hold of
// all of them. A leak of a goroutine or timer fails the bubble.
func TestAsksOfEveryKind(t *testing.T) {
	const seeds = 1500
	for seed := range uint64(seeds) {
		bubble(t, func(t *testing.T) { askOfEveryKind(t, rand.New(rand.NewPCG(seed, 7))) })
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func askOfEveryKind(t *testing.T, rng *rand.Rand) {
	pick := func(ds ...time.Duration) time.Duration { return ds[rng.IntN(len(ds))] }
	queue := []int{0, 0, 3}
	p := &future.Policy{
		Timeout:     pick(0, 0, 50*time.Millisecond, 200*time.Millisecond),
		Attempts:    rng.IntN(4),
		Backoff:     antiphon.Constant(pick(0, 10*time.Millisecond, 100*time.Millisecond)),
		Concurrency: rng.IntN(4),
		Queue:       queue[rng.IntN(len(queue))],
		Hedge:       pick(0, 0, 30*time.Millisecond),
	}
	var running, most atomic.Int32
	var mu sync.Mutex
	chance := rand.New(rand.NewPCG(rng.Uint64(), 7)) // of the works, under mu
	calls := map[int]int{}
	work := func(ctx context.Context, q int) (int, error) {
		mu.Lock()
		calls[q]++
		kind, d := chance.IntN(8), time.Duration(chance.IntN(300))*time.Millisecond
		mu.Unlock()
		now := running.Add(1)
		for {
			m := most.Load()
			if now <= m || most.CompareAndSwap(m, now) {
				break
			}
		}
		defer running.Add(-1)
		if kind < 3 {
			time.Sleep(d) // deaf
		} else if err := sleep(ctx, d); err != nil {
			return 0, err
		}
		switch kind {
		case 0, 3:
			return 0, errBoom
		case 4:
			return 0, antiphon.RetryAfter(errBoom, d)
		case 5:
			panic("now and then")
		case 6:
			runtime.Goexit()
		}
		return q, nil
	}
	ask := future.Lift(work, p)
	n := rng.IntN(12) + 1
	type asked struct {
		f        *future.Future[int]
		deadline time.Time
		settled  atomic.Int64 // when, in nanoseconds
		times    atomic.Int32
	}
	asks := make([]*asked, n)
	for i := range asks {
		a := &asked{}
		asks[i] = a
		ctx, cancel := context.Background(), context.CancelFunc(func() {})
		switch d := time.Duration(rng.IntN(400)) * time.Millisecond; rng.IntN(3) {
		case 0:
			ctx, cancel = context.WithTimeout(ctx, d)
			a.deadline = time.Now().Add(d)
		case 1:
			ctx, cancel = context.WithCancel(ctx)
			time.AfterFunc(d, cancel)
		}
		defer cancel()
		a.f = ask(ctx, i)
		a.f.OnDone(func(future.Result[int]) {
			a.settled.Store(time.Now().UnixNano())
			a.times.Add(1)
		})
		if rng.IntN(2) == 0 {
			time.Sleep(time.Duration(rng.IntN(50)) * time.Millisecond)
		}
	}
	time.Sleep(time.Hour) // all is over
	synctest.Wait()
	copies := 1
	if p.Hedge > 0 {
		copies = 2
	}
	for i, a := range asks {
		r, ok := a.f.Peek()
		if !ok {
			t.Fatalf("ask %d is pending for ever", i)
		}
		mu.Lock()
		c := calls[i]
		mu.Unlock()
		switch {
		case a.times.Load() != 1:
			t.Errorf("ask %d settled %d times", i, a.times.Load())
		case !a.deadline.IsZero() && a.settled.Load() > a.deadline.UnixNano():
			t.Errorf("ask %d settled %v after its deadline", i, time.Duration(a.settled.Load()-a.deadline.UnixNano()))
		case r.Err == nil && r.Value != i:
			t.Errorf("ask %d got answer %d", i, r.Value)
		case c > max(1, p.Attempts)*copies:
			t.Errorf("ask %d: %d calls, policy %+v", i, c, p)
		case r.Err != nil && antiphon.ClassOf(r.Err) == antiphon.ClassNotAccepted && c > 0:
			t.Errorf("ask %d: %v, but the function was called", i, r.Err)
		case r.Err == nil && c == 0:
			t.Errorf("ask %d: answered without a call", i)
		case errors.Is(r.Err, future.ErrPending):
			t.Errorf("ask %d settled with ErrPending", i)
		}
	}
	if limit := int32(p.Concurrency); limit > 0 && most.Load() > limit {
		t.Errorf("%d calls at once, the limit is %d", most.Load(), limit)
	}
	for i := range max(1, p.Concurrency) { // every slot is back
		f := ask(context.Background(), 1000+i)
		time.Sleep(time.Hour)
		if _, ok := f.Peek(); !ok {
			t.Errorf("a slot is lost, policy %+v", p)
		}
	}
}
