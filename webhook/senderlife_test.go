package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/queue/driver"
	"github.com/antiphon-go/antiphon/webhook"
	"github.com/antiphon-go/antiphon/webhook/webhooktest"
)

// What was accepted is in the queue, and another sender on it goes on.
func TestAnotherSenderGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := queue.Memory(nil)
		defer store.Close()
		to := steps(500, 204)
		first := newTown(t, webhook.SenderOptions{Queue: store})
		first.at("m1", to)
		first.at("ordered", to, func(e *webhook.Endpoint) { e.Ordered = true })
		first.send(webhook.Message{ID: "a", Endpoint: "m1", Body: []byte("x")})
		after(time.Second)
		first.close()
		if len(to.Pushed()) != 1 || len(first.told("webhook.delivered")) != 0 {
			t.Fatal(len(to.Pushed()))
		}
		if err := first.Send(noContext, webhook.Message{Endpoint: "m1"}); !errors.Is(err, queue.ErrClosed) {
			t.Error(err)
		}
		second := newTown(t, webhook.SenderOptions{Queue: store})
		after(time.Hour) // whose endpoints are not there at once
		second.at("m1", to)
		after(time.Hour)
		if got := to.Pushed(); len(got) != 2 || got[1].Header.Get("Webhook-Id") != "a" {
			t.Error(got)
		}
		second.close()
	})
}

// Many at once, where the store is another's.
func TestFanOutIntoAStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := queue.Memory(nil)
		defer store.Close()
		b := newTown(t, webhook.SenderOptions{Queue: store})
		to := &webhooktest.Target{}
		for i := range 100 {
			b.at(fmt.Sprint("m", i), to)
		}
		b.send(body("x"))
		after(time.Second)
		if n := len(to.Pushed()); n != 100 {
			t.Error(n)
		}
		b.close()
	})
}

func TestRunOnce(t *testing.T) {
	inTown(t, webhook.SenderOptions{}, func(b *town) {
		synctest.Wait()
		if err := b.Run(noContext); antiphon.CodeOf(err) != antiphon.CodeInvalidArgument {
			t.Error(err)
		}
		b.end()
		after(time.Minute)
		if err := b.Shutdown(noContext); err != nil {
			t.Error(err)
		}
		if err := b.Run(noContext); !errors.Is(err, queue.ErrClosed) {
			t.Error(err)
		}
	})
}

func TestX7_NobodyRunsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := webhook.NewSender(nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Add(webhook.Endpoint{ID: "m1", URL: "https://shop.example/", Signer: stamp("x")}); err != nil {
			t.Fatal(err)
		}
		if err := s.Send(noContext, body("x")); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := s.Shutdown(noContext); err != nil {
				t.Error(err)
			}
		}
	})
}

// Shutdown lets what is under way end.
func TestShutdownWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTown(t, webhook.SenderOptions{})
		b.at("m1", &webhooktest.Target{Steps: []webhooktest.Step{{Delay: 9 * time.Second}}})
		b.send(body("x"))
		after(time.Second)
		begun := time.Now()
		if err := b.Shutdown(noContext); err != nil || time.Since(begun) != 8*time.Second || len(b.told("webhook.delivered")) != 1 {
			t.Error(err, time.Since(begun), b.told("webhook.delivered"))
		}
		for _, to := range []string{"m1", "nobody", ""} {
			if err := b.Send(noContext, webhook.Message{Type: "x", Endpoint: to}); !errors.Is(err, queue.ErrClosed) {
				t.Errorf("Send to %q after Shutdown: %v", to, err)
			}
		}
		b.close()
	})
}

// Or gives it back, uncounted, when its time is up.
func TestShutdownInAHurry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := queue.Memory(nil)
		defer store.Close()
		b := newTown(t, webhook.SenderOptions{Queue: store})
		to := &webhooktest.Target{Steps: []webhooktest.Step{{Hang: true}, {}}}
		b.at("m1", to)
		b.send(body("x"))
		after(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		if err := b.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != time.Second {
			t.Error(err, time.Since(begun))
		}
		b.close()
		if len(b.told("webhook.attempt")) != 0 {
			t.Error("an attempt that was not made counts")
		}
		again := newTown(t, webhook.SenderOptions{Queue: store})
		again.at("m1", to)
		after(time.Second)
		if e := again.told("webhook.delivered"); len(e) != 1 || e[0].Attempt != 1 {
			t.Error(e)
		}
		again.close()
	})
}

func TestRecover(t *testing.T) {
	inTown(t, webhook.SenderOptions{Schedule: webhook.Schedule{Delays: []time.Duration{0, time.Second}}, BreakAfter: 1000}, func(b *town) {
		var up atomic.Bool
		to := &webhooktest.Target{By: func(int, webhooktest.Pushed) webhooktest.Step {
			if up.Load() {
				return webhooktest.Step{}
			}
			return webhooktest.Step{Status: 500}
		}}
		b.at("m1", to)
		b.at("m2", to)
		var since time.Time
		for i := range 4 {
			if i == 2 {
				since = time.Now()
			}
			b.send(webhook.Message{ID: fmt.Sprint(i), Type: "t", Body: []byte("x")})
			after(time.Hour)
		}
		if n := len(b.dead()); n != 8 {
			t.Fatal(n)
		}
		up.Store(true)
		for _, tt := range []struct {
			do   func() (int, error)
			want int
		}{
			{func() (int, error) { return b.Recover(noContext, time.Now()) }, 0},
			{func() (int, error) { return b.Recover(noContext, since, "m1") }, 2},
			{func() (int, error) { return b.Redeliver(noContext, "0", "m2", "who") }, 1},
			{func() (int, error) { return b.Redeliver(noContext, "0") }, 1},
			{func() (int, error) { return b.Redeliver(noContext, "who") }, 0},
			{func() (int, error) { return b.Recover(noContext, time.Time{}) }, 4},
			{func() (int, error) { return b.Recover(noContext, time.Time{}) }, 0},
		} {
			n, err := tt.do()
			if n != tt.want || err != nil {
				t.Error(n, err, "not", tt.want)
			}
			after(time.Minute)
		}
		if n := len(b.told("webhook.delivered")); n != 8 || len(b.dead()) != 0 {
			t.Error(n, b.dead())
		}
		ctx, cancel := context.WithCancel(b.t.Context())
		cancel()
		if _, err := b.Recover(ctx, time.Time{}); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// signerFunc is a Signer.
type signerFunc func(r *webhook.Request) error

func (f signerFunc) Sign(_ context.Context, r *webhook.Request, _ webhook.Message) error { return f(r) }

// X7: what a Signer or a Log does is an attempt that failed, or nothing.
func TestX7_SignersThatFail(t *testing.T) {
	inTown(t, webhook.SenderOptions{
		Schedule: webhook.Schedule{Delays: []time.Duration{0, time.Second, time.Second}, Jitter: -1},
		Log:      recordFunc(func(webhook.Attempt) { panic("a log") }),
	}, func(b *town) {
		var calls atomic.Int32
		for id, f := range map[string]signerFunc{
			"error": func(*webhook.Request) error { calls.Add(1); return errors.New("no key now") },
			"panic": func(*webhook.Request) error { calls.Add(1); panic("a signer") },
		} {
			to := &webhooktest.Target{}
			b.at(id, to, func(e *webhook.Endpoint) { e.Signer = f })
			b.send(webhook.Message{ID: id, Endpoint: id})
			after(10 * time.Minute)
			if n := calls.Swap(0); n != 3 || len(to.Pushed()) != 0 {
				t.Errorf("%s: %d", id, n)
			}
		}
		b.at("never", &webhooktest.Target{}, func(e *webhook.Endpoint) {
			e.Signer = signerFunc(func(*webhook.Request) error { calls.Add(1); return antiphon.Permanent(errors.New("no key")) })
		})
		b.at("exits", &webhooktest.Target{}, func(e *webhook.Endpoint) {
			e.Signer = signerFunc(func(*webhook.Request) error { runtime.Goexit(); return nil })
		})
		b.send(webhook.Message{ID: "never", Endpoint: "never"})
		b.send(webhook.Message{ID: "exits", Endpoint: "exits"})
		after(time.Hour)
		if calls.Load() != 1 || len(b.dead()) != 4 {
			t.Error(calls.Load(), b.dead())
		}
	})
}

type badLog struct{}

func (badLog) Record(context.Context, webhook.Attempt) error { return errors.New("the disk is full") }

func TestALogThatFailsIsTold(t *testing.T) {
	inTown(t, webhook.SenderOptions{Log: badLog{}}, func(b *town) {
		b.at("m1", &webhooktest.Target{})
		b.send(body("x"))
		after(time.Second)
		if e := b.told("webhook.store_failed"); len(e) != 1 || len(b.told("webhook.delivered")) != 1 {
			t.Error(e)
		}
	})
}

// limited is a store that can do little, and fails now and then.
type limited struct {
	driver.Backend
	fails atomic.Bool
}

func (l *limited) Capabilities() driver.Capabilities {
	c := l.Backend.Capabilities()
	c.Groups, c.Keys, c.Uniques, c.Capacity = false, false, false, false
	return c
}

func (l *limited) Take(ctx context.Context, into []driver.Leased, r driver.TakeRequest) ([]driver.Leased, error) {
	if l.fails.Load() {
		return into, errors.New("the store is away")
	}
	r.Wait = time.Second
	return l.Backend.Take(ctx, into, r)
}

func TestAStoreThatCanDoLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &limited{Backend: queue.Memory(nil)}
		defer store.Close()
		b := newTown(t, webhook.SenderOptions{Queue: store})
		if err := b.Add(webhook.Endpoint{ID: "o", URL: "http://o.example", Signer: stamp("x"), Ordered: true}); !errors.Is(err, errors.ErrUnsupported) {
			t.Error(err)
		}
		to := &webhooktest.Target{}
		b.at("m1", to)
		store.fails.Store(true)
		b.send(body("x"))
		after(time.Minute)
		if len(b.told("webhook.store_failed")) == 0 {
			t.Error("nobody is told")
		}
		store.fails.Store(false)
		after(time.Minute)
		if len(to.Pushed()) != 1 {
			t.Error(len(to.Pushed()))
		}
		if _, err := b.Recover(noContext, time.Time{}); !errors.Is(err, errors.ErrUnsupported) {
			t.Error(err)
		}
		b.close()
		if _, err := webhook.NewSender(&webhook.SenderOptions{Queue: store, Capacity: 5}); !errors.Is(err, errors.ErrUnsupported) {
			t.Error(err)
		}
	})
}

// Workers that took a delivery and died, too often.
func TestWorkersThatDie(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := queue.Memory(nil)
		defer store.Close()
		first, err := webhook.NewSender(&webhook.SenderOptions{Queue: store})
		if err != nil {
			t.Fatal(err)
		}
		_ = first.Add(webhook.Endpoint{ID: "m1", URL: "https://shop.example/", Signer: stamp("x")})
		if err := first.Send(noContext, body("x")); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if got, err := store.Take(t.Context(), nil, driver.TakeRequest{Queue: "webhooks", Max: 1, Lease: time.Second}); err != nil || len(got) != 1 {
				t.Fatal(got, err)
			}
			time.Sleep(2 * time.Second)
		}
		b := newTown(t, webhook.SenderOptions{Queue: store, Schedule: webhook.Schedule{Delays: []time.Duration{0, 0, 0}}})
		b.at("m1", &webhooktest.Target{})
		after(time.Minute)
		if e := b.told("webhook.dead"); len(e) != 1 || !errors.Is(e[0].Err, queue.ErrLost) || len(b.dead()) != 1 {
			t.Error(e)
		}
		b.close()
		_ = first.Shutdown(noContext)
	})
}

func TestSchedule(t *testing.T) {
	zero := webhook.Schedule{}
	if zero.Attempts() != 10 {
		t.Error(zero.Attempts())
	}
	for n, want := range []time.Duration{0, 5 * time.Second, 5 * time.Minute} {
		for range 1000 {
			d, more := zero.Next(n, 0)
			if !more || d < want*4/5 || d > want*6/5 {
				t.Fatal(n, d)
			}
		}
	}
	if _, more := zero.Next(10, time.Hour); more {
		t.Error("an eleventh attempt")
	}
	none := webhook.Schedule{Delays: []time.Duration{time.Second, 1<<63 - 1}, Jitter: -1, MaxRetryAfter: -1}
	if d, more := none.Next(-1, time.Hour); d != time.Second || !more {
		t.Error(d, more)
	}
	if d, _ := none.Next(1, 0); d != 1<<63-1 {
		t.Error(d)
	}
	wild := webhook.Schedule{Delays: []time.Duration{1<<63 - 1}, Jitter: 50}
	for range 1000 {
		if d, _ := wild.Next(0, 0); d < 0 {
			t.Fatal(d)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	f.Add("60", int64(0))
	f.Add("-1", int64(time.Hour))
	f.Add("Sat, 01 Jan 2000 00:02:00 GMT", int64(time.Hour))
	f.Fuzz(func(t *testing.T, text string, limit int64) {
		s := webhook.Schedule{Delays: []time.Duration{0, time.Second}, Jitter: -1, MaxRetryAfter: time.Duration(limit)}
		at := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
		most := max(time.Second, time.Duration(limit))
		if limit == 0 {
			most = time.Hour
		}
		if d, _ := s.Next(1, webhook.RetryAfterOf(text, at)); d < time.Second || d > most {
			t.Errorf("%q: %v of at most %v", text, d, most)
		}
	})
}

// What cannot even be signed says nothing about the endpoint.
func TestS7_MessagesThatCannotBeSignedBreakNoEndpoint(t *testing.T) {
	inTown(t, webhook.SenderOptions{BreakAfter: 2}, func(b *town) {
		keys, err := webhook.ParseKeys("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
		if err != nil {
			t.Fatal(err)
		}
		target := &webhooktest.Target{}
		b.at("shop", target, func(e *webhook.Endpoint) { e.Signer = webhook.Standard(keys) })
		for _, id := range []string{"order.1", "order.2", "order.3"} {
			b.send(webhook.Message{ID: id, Body: []byte("{}")})
		}
		after(time.Second)
		b.send(webhook.Message{ID: "order-4", Body: []byte("{}")})
		after(time.Second)
		if n := len(target.Pushed()); n != 1 {
			t.Errorf("%d came", n)
		}
		if n := len(b.told("webhook.broken")); n != 0 {
			t.Error("the endpoint is left alone")
		}
		if n := len(b.dead()); n != 3 {
			t.Errorf("%d are dead", n)
		}
	})
}
