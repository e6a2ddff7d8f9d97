package poller_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/poller"
)

// An ask is one pending future of the model, which says what may become of it.
type modelAsk struct {
	t       testing.TB
	o       poller.Options
	rng     *rand.Rand // of its own check, which never runs twice at once
	begun   time.Time
	flying  atomic.Bool
	polls   atomic.Int64
	back    time.Time // when the last poll came back
	stop    time.Time // when its context or the scheduler was ended; guarded by the model
	over    antiphon.State
	value   int
	settled int
	at      time.Time
	r       future.Result[int]
}

// check is anything: fast or slow, deaf or not, good or bad.
func (a *modelAsk) check(ctx context.Context) (st poller.Status[int], err error) {
	if a.flying.Swap(true) {
		a.t.Error("two polls at once")
	}
	defer a.flying.Store(false)
	n := a.polls.Add(1)
	least := max(a.o.Min, time.Millisecond)
	if n > 1 && time.Since(a.back) < least {
		a.t.Errorf("poll %d after %v", n, time.Since(a.back))
	}
	defer func() { a.back = time.Now() }()
	if ctx.Err() != nil && ctx.Err() != context.DeadlineExceeded { // its own time may be next to nothing
		a.t.Error("polled in a context that has ended")
	}
	took := time.Duration(a.rng.Int64N(int64(2 * time.Second)))
	switch a.rng.IntN(4) {
	case 0:
		time.Sleep(took) // deaf
	case 1:
		select {
		case <-time.After(took):
		case <-ctx.Done():
			return st, ctx.Err()
		}
	}
	switch k := a.rng.IntN(40); {
	case k < 2:
		a.over, a.value = antiphon.StateSucceeded, int(n)
		return poller.Status[int]{State: a.over, Value: a.value}, nil
	case k == 2:
		a.over = antiphon.StateFailed
		return poller.Status[int]{State: a.over}, nil
	case k == 3:
		panic("oh")
	case k < 12:
		return st, antiphon.RetryAfter(errAway, time.Duration(a.rng.Int64N(int64(10*time.Second))))
	default:
		return poller.Status[int]{State: antiphon.StateRunning, After: time.Duration(a.rng.Int64N(int64(5*time.Second)) - int64(time.Second))}, nil
	}
}

// modelRun plays one seed: many asks in contexts of their own and shared ones, cancels,
// deadlines, and a close, and tells whether each future settled once, with what may be.
func modelRun(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	var flying, most, gaveUp atomic.Int64
	limit := []int{-1, 0, 1, 2, 10}[rng.IntN(5)]
	s := &poller.Scheduler{Concurrency: limit, Observer: func(e antiphon.Event) {
		if e.Name == "poller.gave_up" {
			gaveUp.Add(1)
		}
	}}
	var mu sync.Mutex
	var asks []*modelAsk
	shared, endShared := context.WithCancelCause(t.Context())
	why := errors.New("the model says so")
	inShared := []*modelAsk{}
	for i := range 20 + rng.IntN(60) {
		a := &modelAsk{t: t, rng: rand.New(rand.NewPCG(seed, uint64(i)+2)), begun: time.Now()}
		a.o = poller.Options{
			First:   time.Duration(rng.Int64N(int64(4*time.Second)) - int64(time.Second)),
			Min:     time.Duration(rng.Int64N(int64(time.Second)) - int64(100*time.Millisecond)),
			Max:     time.Duration(rng.Int64N(int64(4 * time.Second))),
			Elapsed: time.Duration(rng.Int64N(int64(2*time.Minute))) + 1,
			PerPoll: time.Duration(rng.Int64N(int64(3 * time.Second))),
			Confirm: 1,
		}
		if a.o.Min == 0 {
			a.o.Min = 1
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		switch rng.IntN(4) {
		case 0:
			cancel(nil)
			ctx, cancel = context.Background(), nil
		case 1:
			ctx = shared
			inShared = append(inShared, a)
			cancel(nil)
			cancel = nil
		}
		check := func(ctx context.Context) (poller.Status[int], error) {
			most.Store(max(most.Load(), flying.Add(1)))
			defer flying.Add(-1)
			return a.check(ctx)
		}
		poller.Submit(ctx, s, check, &a.o).OnDone(func(r future.Result[int]) {
			mu.Lock()
			defer mu.Unlock()
			a.settled++
			a.at, a.r = time.Now(), r
			if cancel != nil {
				cancel(nil)
			}
		})
		if cancel != nil && rng.IntN(2) == 0 {
			time.AfterFunc(time.Duration(rng.Int64N(int64(time.Minute))), func() {
				mu.Lock()
				if a.settled == 0 && a.stop.IsZero() {
					a.stop = time.Now()
				}
				mu.Unlock()
				cancel(why)
			})
		}
		asks = append(asks, a)
		if rng.IntN(3) == 0 {
			time.Sleep(time.Duration(rng.Int64N(int64(time.Second))))
		}
	}
	stop := func(some []*modelAsk, do func()) {
		mu.Lock()
		for _, a := range some {
			if a.settled == 0 && a.stop.IsZero() {
				a.stop = time.Now()
			}
		}
		mu.Unlock()
		do()
	}
	time.Sleep(time.Duration(rng.Int64N(int64(time.Minute))))
	if rng.IntN(2) == 0 {
		stop(inShared, func() { endShared(why) })
	}
	time.Sleep(time.Duration(rng.Int64N(int64(time.Minute))))
	if rng.IntN(2) == 0 {
		stop(asks, s.Close)
	} else {
		time.Sleep(5 * time.Minute)
	}
	synctest.Wait()
	endShared(why)
	s.Close()
	time.Sleep(10 * time.Second) // for those who are deaf
	mu.Lock()
	defer mu.Unlock()
	n := int64(0)
	for i, a := range asks {
		var p *poller.PollError
		latest := a.begun.Add(a.o.Elapsed + max(a.o.PerPoll, 0))
		if a.o.PerPoll == 0 {
			latest = latest.Add(30 * time.Second)
		}
		switch {
		case a.settled != 1:
			t.Errorf("%d settled %d times", i, a.settled)
			continue
		case a.at.After(latest):
			t.Errorf("%d settled after %v, not %v", i, a.at.Sub(a.begun), latest.Sub(a.begun))
		case !a.stop.IsZero() && a.at.After(a.stop):
			t.Errorf("%d settled %v after its end", i, a.at.Sub(a.stop))
		}
		switch {
		case errors.As(a.r.Err, &p):
			n++
			known := p.Cause == nil && isPanic(p.Last, "oh")
			for _, cause := range []error{why, poller.ErrClosed, poller.ErrElapsed, poller.ErrHint, poller.ErrErrors} {
				known = known || errors.Is(p.Cause, cause)
			}
			if !known {
				t.Errorf("%d: %v", i, p)
			}
		case a.r.Err != nil:
			if a.over != antiphon.StateFailed {
				t.Errorf("%d: %v", i, a.r.Err)
			}
		case a.over != antiphon.StateSucceeded || a.r.Value != a.value:
			t.Errorf("%d: %d, not %d", i, a.r.Value, a.value)
		}
	}
	if gaveUp.Load() != n {
		t.Errorf("%d gave up, %d were observed", n, gaveUp.Load())
	}
	if limit == 0 {
		limit = 256
	}
	if limit > 0 && most.Load() > int64(limit) {
		t.Errorf("%d polls in flight, not %d", most.Load(), limit)
	}
	if flying.Load() != 0 {
		t.Errorf("%d polls do not come back", flying.Load())
	}
}

func TestP1_P4_ModelOfTheScheduler(t *testing.T) {
	seeds := uint64(300)
	if testing.Short() {
		seeds = 30
	}
	for seed := range seeds {
		ok := t.Run(fmt.Sprint(seed), func(t *testing.T) {
			askBubble(t, func(t *testing.T) { modelRun(t, seed) })
		})
		if !ok {
			return
		}
	}
}
