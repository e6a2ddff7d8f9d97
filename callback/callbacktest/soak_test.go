package callbacktest_test

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
	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/callback/callbacktest"
	"github.com/antiphon-go/antiphon/future"
)

// C2, C3, C4, C6, C11: whatever goes wrong on the wire, each ask settles, not a
// nanosecond after its deadline or the end of its context; with its own answer if
// with one; not accepted only if it was never done; and done once at most.
func TestC3_C11_WhateverGoesWrong(t *testing.T) {
	var all tally
	for seed := range seeds(300) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { soak(t, seed, &all) })
		})
	}
	t.Logf("%+v", &all)
	if all.answered == 0 || all.unknown == 0 || all.refused == 0 || all.canceled == 0 || all.cuts == 0 {
		t.Errorf("the wires were too good, or too bad, to show anything: %+v", &all)
	}
}

// A tally is what became of all asks.
type tally struct{ asked, answered, unknown, refused, canceled, cuts int }

func soak(t *testing.T, seed uint64, all *tally) {
	r := rand.New(rand.NewPCG(seed, 7))
	var cuts atomic.Int64
	upTo := func(d time.Duration) time.Duration { return time.Duration(r.Int64N(int64(d))) }
	o := callbacktest.FaultOptions{
		Seed:        seed,
		Loss:        0.3 * r.Float64(),
		Duplication: 0.3 * r.Float64(),
		Reordering:  0.3 * r.Float64(),
		Delay:       upTo(50 * time.Millisecond),
		Cuts:        50*time.Millisecond + upTo(time.Second),
		Down:        upTo(300 * time.Millisecond),
		Observer: func(e antiphon.Event) {
			if e.Name == "faulty.cut" {
				cuts.Add(1)
			}
		},
	}
	corrupt := seed%10 == 0
	if corrupt {
		o.Corruption = 0.05
	}
	a, b := faultyPeers(t, &o, nil)
	var mu sync.Mutex
	calls := map[int]int{}
	callback.Serve(b, "work", func(ctx context.Context, n int) (int, error) {
		mu.Lock()
		calls[n]++
		mu.Unlock()
		select {
		case <-time.After(time.Duration(n%50) * time.Millisecond):
			return -n, nil
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}, nil)
	type asked struct {
		n        int
		deadline time.Time
		outcome  future.Result[int]
		at       time.Time
		canceled bool
	}
	var settled sync.WaitGroup
	asks := make([]*asked, 120)
	for i := range asks {
		time.Sleep(upTo(20 * time.Millisecond))
		q := &asked{n: i + 1}
		asks[i] = q
		timeout := time.Millisecond + upTo(2*time.Second)
		opts := &callback.DialOptions{Timeout: timeout, Attempts: 1 + r.IntN(2)*r.IntN(50), Backoff: antiphon.Constant(30 * time.Millisecond)}
		ctx, cancel := context.WithCancel(t.Context())
		if r.IntN(4) == 0 {
			q.canceled = true
			timeout = upTo(timeout)
			time.AfterFunc(timeout, cancel)
		}
		q.deadline = time.Now().Add(timeout)
		settled.Add(1)
		callback.Dial[int, int](a, "work", opts)(ctx, q.n).OnDone(func(r future.Result[int]) {
			q.outcome, q.at = r, time.Now()
			cancel()
			settled.Done()
		})
	}
	settled.Wait()
	if n := a.Pending(); n != 0 {
		t.Errorf("all have settled, and %d are pending", n)
	}
	time.Sleep(time.Minute) // what is still on its way may be done
	all.cuts += int(cuts.Load())
	mu.Lock()
	defer mu.Unlock()
	for _, q := range asks {
		all.asked++
		err := q.outcome.Err
		if late := q.at.Sub(q.deadline); late > 0 {
			t.Errorf("ask %d settled %v late, with %v", q.n, late, err)
		}
		switch class := antiphon.ClassOf(err); {
		case err == nil:
			all.answered++
			if q.outcome.Value != -q.n && !corrupt {
				t.Errorf("ask %d got the answer %d", q.n, q.outcome.Value)
			}
		case q.canceled && errors.Is(err, context.Canceled):
			all.canceled++
		case class == antiphon.ClassUnknown:
			all.unknown++
		case class == antiphon.ClassNotAccepted:
			all.refused++
		case !corrupt:
			t.Errorf("ask %d ended with %v of class %s", q.n, err, class)
		}
		if antiphon.ClassOf(err) == antiphon.ClassNotAccepted && calls[q.n] > 0 && !corrupt { // which may change a name
			t.Errorf("ask %d was done, and failed as not accepted: %v", q.n, err)
		}
		if calls[q.n] > 1 && !corrupt {
			t.Errorf("ask %d was done %d times", q.n, calls[q.n])
		}
	}
}
