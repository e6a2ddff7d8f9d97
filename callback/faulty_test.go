package callback_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/callback/callbacktest"
	"github.com/antiphon-go/antiphon/future/futuretest"
)

// badPair runs two peers on a pipe with faults at one end.
func badPair(t testing.TB, f *callbacktest.FaultOptions, ao, bo *callback.PeerOptions) (a, b *callback.Peer) {
	x, y := callback.Pipe(nil)
	a, b = callback.NewPeer(callbacktest.Faulty(x, f), ao), callback.NewPeer(y, bo)
	run(t, a)
	run(t, b)
	synctest.Wait()
	return a, b
}

// The law holds on a wire that doubles and delays, and the work is done once.
func TestX8_DoubledAndDelayed(t *testing.T) {
	futuretest.TestAsker(t, futuretest.Way{
		ExactlyOnce: true,
		Bubble:      true,
		Open: func(t testing.TB, f futuretest.Func) futuretest.Asker {
			a, b := badPair(t, &callbacktest.FaultOptions{Seed: 8, Duplication: 0.5, Delay: time.Millisecond}, nil, nil)
			callback.Serve(b, "f", f, nil)
			return callback.Dial[futuretest.Query, futuretest.Answer](a, "f", nil)
		},
	})
}

// The law holds on a wire that loses a fifth of requests and answers, for who asks
// often enough.
func TestX8_Lossy(t *testing.T) {
	futuretest.TestAsker(t, futuretest.Way{
		ExactlyOnce: true,
		Bubble:      true,
		Open: func(t testing.TB, f futuretest.Func) futuretest.Asker {
			faults := &callbacktest.FaultOptions{Seed: 9, Loss: 0.2, Strike: func(m *callback.Message) bool {
				return m.Kind == callback.Request || m.Kind == callback.Reply
			}}
			a, b := badPair(t, faults, nil, nil)
			callback.Serve(b, "f", f, nil)
			return callback.Dial[futuretest.Query, futuretest.Answer](a, "f", &callback.DialOptions{Attempts: 100, Backoff: antiphon.Constant(10 * time.Millisecond)})
		},
	})
}

// C2, C6: on a wire that loses, doubles, delays, reorders, corrupts and breaks, each
// ask that is answered has its own answer, the work is done at most once for each,
// all that fails says so in time, and nothing is left. What is repeated gets through.
func TestC2_EverythingGoesWrong(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				faults := &callbacktest.FaultOptions{
					Seed: seed, Loss: 0.1, Duplication: 0.1, Delay: 50 * time.Millisecond, Reordering: 0.1,
					Cuts: 3 * time.Second, Down: 100 * time.Millisecond,
				}
				if seed%3 == 0 {
					faults.Corruption = 0.02
				}
				a, b := badPair(t, faults, nil, nil)
				var mu sync.Mutex
				calls := map[int]int{}
				callback.Serve(b, "double", func(ctx context.Context, n int) (int, error) {
					mu.Lock()
					calls[n]++
					mu.Unlock()
					time.Sleep(time.Duration(n%7) * time.Millisecond)
					return 2 * n, nil
				}, nil)
				once := callback.Dial[int, int](a, "double", &callback.DialOptions{Timeout: 2 * time.Second})
				often := callback.Dial[int, int](a, "double", &callback.DialOptions{Timeout: time.Minute, Attempts: 200, Backoff: antiphon.Constant(200 * time.Millisecond)})
				var wrong, answered, lost atomic.Int64
				var wg sync.WaitGroup
				for i := range 200 {
					ask, limit := once, 2*time.Second
					if i%2 == 0 {
						ask, limit = often, time.Minute
					}
					wg.Go(func() {
						time.Sleep(time.Duration(i) * 20 * time.Millisecond)
						start := time.Now()
						v, err := await(t, ask(none, i))
						switch d := time.Since(start); {
						case d > limit:
							t.Errorf("%d took %v", i, d)
						case err == nil && v == 2*i:
							answered.Add(1)
						case err == nil:
							wrong.Add(1)
						case i%2 == 0 && faults.Corruption == 0:
							t.Errorf("%d: %v", i, err)
						default:
							lost.Add(1)
						}
					})
				}
				wg.Wait()
				if answered.Load() < 120 || wrong.Load() > 0 && faults.Corruption == 0 {
					t.Errorf("%d answered, %d wrong, %d lost", answered.Load(), wrong.Load(), lost.Load())
				}
				mu.Lock()
				defer mu.Unlock()
				for n, c := range calls {
					if c > 1 && faults.Corruption == 0 {
						t.Errorf("%d was done %d times", n, c)
					}
				}
				if n := a.Pending(); n != 0 {
					t.Error(n, "pending")
				}
			})
		})
	}
}

// A stream over such a wire ends complete, or with an error; its parts are in order,
// and none is missing between them.
func TestStreamsWhereEverythingGoesWrong(t *testing.T) {
	complete := 0
	for seed := range uint64(60) {
		bubble(t, func(t *testing.T) {
			faults := &callbacktest.FaultOptions{Seed: seed, Loss: 0.002, Cuts: time.Duration(seed%4) * 100 * time.Millisecond}
			if seed%2 == 0 {
				faults.Duplication = 0.2
			} else {
				faults.Delay, faults.Reordering = 5*time.Millisecond, 0.005
			}
			a, b := badPair(t, faults, nil, nil)
			callback.ServeStream(b, "count", count, nil)
			next := 0
			var end error
			for v, err := range callback.DialStream[int, int](a, "count", &callback.DialOptions{Timeout: time.Minute})(none, 100) {
				if err != nil {
					end = err
					continue
				}
				if v != next {
					t.Fatalf("seed %d: %d came as %d", seed, v, next)
				}
				next++
			}
			if end == nil {
				complete++
				if next != 100 {
					t.Errorf("seed %d: complete, with %d parts", seed, next)
				}
			}
			if n := a.Pending(); n != 0 {
				t.Error(n, "pending")
			}
		})
	}
	if complete == 0 || complete == 60 {
		t.Error(complete, "were complete")
	}
}
