package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/webhook"
)

// W5: a lease that is shorter than what a handler takes does not let a second one in,
// neither while the answer is waited for nor afterwards.
func TestW5_LeaseShorterThanTheHandler(t *testing.T) {
	for name, o := range map[string]webhook.ReceiverOptions{
		"much shorter":            {Lease: time.Second, Inline: 20 * time.Second},
		"shorter":                 {Lease: 2 * time.Second},
		"a little longer":         {Lease: 3 * time.Second},
		"the default, and longer": {Inline: 10 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var calls, running atomic.Int32
				r := webhook.NewReceiver(seal{loose: true, timed: true}, func(context.Context, webhook.Message) error {
					calls.Add(1)
					if running.Add(1) > 1 {
						t.Error("two handlers have the message at once")
					}
					defer running.Add(-1)
					time.Sleep(15 * time.Minute)
					return nil
				}, &o)
				began := time.Now()
				var pushes sync.WaitGroup
				pushes.Go(func() {
					if a := push(r, seal{loose: true, timed: true}.sealed("/", "m1", "x")); a.Code != 503 {
						t.Errorf("answered %d", a.Code)
					}
				})
				for time.Sleep(100 * time.Millisecond); time.Since(began) < 15*time.Minute; time.Sleep(500 * time.Millisecond) {
					if a := push(r, seal{loose: true, timed: true}.sealed("/", "m1", "x")); a.Code != 409 {
						t.Fatalf("meanwhile, after %v: %d", time.Since(began), a.Code)
					}
				}
				pushes.Wait()
				time.Sleep(time.Second)
				if a := push(r, seal{loose: true, timed: true}.sealed("/", "m1", "x")); a.Code != 204 || calls.Load() != 1 {
					t.Errorf("afterwards: %d, %d calls", a.Code, calls.Load())
				}
				if err := r.Shutdown(noContext); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// W9: a panic gives the message up as soon as it happens, also where the claim is kept.
func TestW9_PanicWhereTheClaimIsKept(t *testing.T) {
	for _, inline := range []time.Duration{time.Second, time.Hour} {
		bubble(t, func(t *testing.T) {
			calls := 0
			r := webhook.NewReceiver(seal{}, func(context.Context, webhook.Message) error {
				if calls++; calls == 1 {
					time.Sleep(10 * time.Minute)
					panic("oh")
				}
				return nil
			}, &webhook.ReceiverOptions{Inline: inline})
			first := make(chan int, 1)
			go func() { first <- push(r, seal{}.sealed("/", "m1", "x")).Code }()
			after(9 * time.Minute)
			if a := push(r, seal{}.sealed("/", "m1", "x")); a.Code != 409 {
				t.Errorf("meanwhile: %d", a.Code)
			}
			after(time.Minute)
			if a := push(r, seal{}.sealed("/", "m1", "x")); a.Code != 204 || calls != 2 {
				t.Errorf("afterwards: %d, %d calls", a.Code, calls)
			}
			if c := <-first; c != 503 && c != 500 {
				t.Errorf("the first is answered with %d", c)
			}
		})
	}
}

// Shutdown waits for handlers whose time is over, and for those it has to end; what comes
// meanwhile, twins among it, is refused.
func TestShutdownWhileAllKindsRun(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var running atomic.Int32
		r := webhook.NewReceiver(seal{}, func(ctx context.Context, m webhook.Message) error {
			running.Add(1)
			defer running.Add(-1)
			<-ctx.Done()
			time.Sleep(time.Minute) // it does not hurry
			return context.Cause(ctx)
		}, nil)
		codes := make(chan int, 2)
		for _, id := range []string{"overrun", "inline"} {
			go func() { codes <- push(r, seal{}.sealed("/", id, "x")).Code }()
			after(2 * time.Second)
		}
		after(time.Second) // the first has been given up, the second is waited for
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		ended := make(chan error, 2)
		go func() { ended <- r.Shutdown(ctx) }()
		go func() { ended <- r.Shutdown(noContext) }()
		synctest.Wait()
		for _, id := range []string{"overrun", "inline", "new"} {
			if a := push(r, seal{}.sealed("/", id, "x")); a.Code != 503 {
				t.Errorf("%s, while it is shut down: %d", id, a.Code)
			}
		}
		if err := <-ended; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("in a hurry: %v", err)
		}
		if a, b := <-codes, <-codes; a != 503 || b != 503 {
			t.Errorf("answered %d and %d", a, b)
		}
		if err := <-ended; err != nil || running.Load() != 0 {
			t.Errorf("with patience: %v, %d are running", err, running.Load())
		}
	})
}

// What is pushed again is stored once, whatever of it changes: whoever pushes signs
// each attempt anew.
func TestEnqueueOfAnotherAttempt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := jobs(t, nil)
		for range 3 { // each time in another process
			var w witness
			r := webhook.NewReceiver(seal{}, webhook.Enqueue(q, nil), &webhook.ReceiverOptions{Observer: w.observe})
			if a := push(r, seal{}.sealed("/", "m1", "x")); a.Code != 204 {
				t.Errorf("answered %d", a.Code)
			}
			if e := w.named("webhook.received"); len(e) != 1 || e[0].Err != nil {
				t.Errorf("told %+v", w.events)
			}
			time.Sleep(time.Minute)
		}
		if st, err := q.Stats(t.Context()); err != nil || st.Ready != 1 {
			t.Errorf("%+v %v", st, err)
		}
	})
}

// What cannot be stored now is asked for again, and none of it is lost.
func TestEnqueueWhereThereIsNoRoomOrNoQueue(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := jobs(t, &queue.Options{Capacity: 1, Overflow: queue.Reject})
		r := webhook.NewReceiver(seal{}, webhook.Enqueue(q, nil), nil)
		codes := map[int]int{}
		for i := range 3 {
			codes[push(r, seal{}.sealed("/", fmt.Sprint("full", i), "x")).Code]++
		}
		if codes[204] != 1 || codes[204]+codes[500]+codes[503] != 3 {
			t.Errorf("full: %v", codes)
		}
		got := map[string]int{}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- q.Work(ctx, webhook.Work(func(_ context.Context, m webhook.Message) error { got[m.ID]++; return nil }), nil)
		}()
		for i := range 3 {
			after(time.Second)
			if a := push(r, seal{}.sealed("/", fmt.Sprint("full", i), "x")); a.Code != 204 {
				t.Errorf("with room: %d", a.Code)
			}
		}
		after(time.Second)
		stop()
		if err := <-ended; err != nil || fmt.Sprint(got) != "map[full0:1 full1:1 full2:1]" {
			t.Errorf("%v %v", got, err)
		}
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if a := push(r, seal{}.sealed("/", "closed", "x")); a.Code != 500 && a.Code != 503 {
				t.Errorf("closed: %d", a.Code)
			}
		}
	})
}

// A flood of ids takes the memory that the options say, and no claim that is held.
func TestX6_SeenUnderAFlood(t *testing.T) {
	bubble(t, func(t *testing.T) {
		seen := webhook.NewMemorySeen(&webhook.MemorySeenOptions{Max: 100})
		release := make(chan struct{})
		calls := 0
		r := webhook.NewReceiver(seal{}, func(_ context.Context, m webhook.Message) error {
			if m.ID == "held" {
				calls++
				<-release
			}
			return nil
		}, &webhook.ReceiverOptions{Seen: seen})
		held := make(chan int, 1)
		go func() { held <- push(r, seal{}.sealed("/", "held", "x")).Code }()
		synctest.Wait()
		for i := range 10_000 {
			if a := push(r, seal{}.sealed("/", fmt.Sprint(i), "x")); a.Code != 204 {
				t.Fatalf("%d: %d", i, a.Code)
			}
			if n := seen.Len(); n > 100 {
				t.Fatalf("%d are remembered", n)
			}
		}
		if a := push(r, seal{}.sealed("/", "held", "x")); a.Code != 409 {
			t.Errorf("the claim is forgotten: %d", a.Code)
		}
		close(release)
		if c := <-held; c != 204 || calls != 1 {
			t.Errorf("%d, %d calls", c, calls)
		}
		if a := push(r, seal{}.sealed("/", "9999", "x")); a.Code != 204 || seen.Len() != 100 {
			t.Errorf("%d, %d are remembered", a.Code, seen.Len())
		}
	})
}

// When Shutdown has returned nil, no handler runs, and none will.
func TestNoHandlerBeginsAfterShutdown(t *testing.T) {
	for range 2000 {
		var over atomic.Bool
		r := webhook.NewReceiver(seal{}, func(context.Context, webhook.Message) error {
			if over.Load() {
				t.Error("a handler runs after Shutdown")
			}
			return nil
		}, nil)
		var pushes sync.WaitGroup
		for i := range 2 {
			req := seal{}.sealed("/", fmt.Sprint(i), "x")
			pushes.Go(func() { push(r, req) })
		}
		if err := r.Shutdown(noContext); err != nil {
			t.Fatal(err)
		}
		over.Store(true)
		pushes.Wait()
	}
}
