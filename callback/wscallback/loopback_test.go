package wscallback_test

import (
	"context"
	"math/rand/v2"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/callback/wscallback"
	"github.com/antiphon-go/antiphon/callback/wscallback/internal/cutproxy"
)

// hung is when a test on real time takes something for hung.
const hung = time.Minute

// C6, X8: the law over a real network that is cut 500 times, in all ways that a
// network has: each ask is answered, surely not accepted, or unknown as soon as the
// break is noticed; and what is said of it is true. With sessions each is answered,
// by one call.
func TestX8_CutsOverLoopback(t *testing.T) {
	for name, o := range map[string]wscallback.Options{"plain": {}, "resume": {Resume: time.Hour}} {
		t.Run(name, func(t *testing.T) { cutOften(t, o, 500) })
	}
}

// An outcome is how an ask ended.
type outcome struct {
	class antiphon.Class // empty: answered
	err   error
	late  time.Duration // since the break was noticed
}

func cutOften(t *testing.T, o wscallback.Options, cuts int) {
	o.Backoff, o.Heartbeat, o.ConnectTimeout = antiphon.Constant(time.Millisecond), 100*time.Millisecond, time.Second
	var mu sync.Mutex
	calls := map[int]int{}
	h := wscallback.Handler(serving(func(p *callback.Peer) {
		callback.Serve(p, "echo", func(_ context.Context, n int) (int, error) {
			mu.Lock()
			calls[n]++
			mu.Unlock()
			return n, nil
		}, nil)
	}, nil), &o)
	srv := httptest.NewServer(h)
	defer srv.Close()
	proxy, err := cutproxy.New(srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = proxy.Close() }()

	start := time.Now()
	var noticed atomic.Int64 // when the last break was, since start
	breaks := make(chan struct{}, 100_000)
	mine := o
	mine.Observer = func(e antiphon.Event) {
		switch e.Name {
		case "ws.disconnected":
			noticed.Store(int64(time.Since(start)))
			breaks <- struct{}{}
		case "ws.retry": // or it was noticed while connecting
			breaks <- struct{}{}
		}
	}
	c, err := wscallback.Dial(t.Context(), "ws://"+proxy.Addr(), &mine)
	if err != nil {
		t.Fatal(err)
	}
	p := running(t, callback.NewPeer(c, nil))
	ask := callback.Dial[int, int](p, "echo", &callback.DialOptions{Timeout: time.Hour})

	var next atomic.Int64
	outcomes := map[int]outcome{}
	settled := make(chan struct{}, 100_000)
	enough := make(chan struct{})
	var askers sync.WaitGroup
	for range 8 {
		askers.Go(func() {
			for {
				select {
				case <-enough:
					return
				default:
				}
				n := int(next.Add(1))
				v, err := ask(nil, n).Await(t.Context()) //nolint:staticcheck // nil is Background
				got := outcome{err: err, late: time.Since(start) - time.Duration(noticed.Load())}
				if err != nil {
					got.class = antiphon.ClassOf(err)
				} else if v != n {
					t.Errorf("%d is answered %d", n, v)
				}
				mu.Lock()
				outcomes[n] = got
				mu.Unlock()
				settled <- struct{}{}
			}
		})
	}
	misbehave(t, proxy, cuts, settled, breaks)
	close(enough)
	askers.Wait()

	proxy.Stall(true) // Close does not wait for the network
	closing := time.Now()
	_ = p.Close()
	took := time.Since(closing)
	if took > hung {
		t.Errorf("Close took %v", took)
	}
	proxy.Stall(false)
	_ = h.Close()
	if err := h.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	check(t, outcomes, calls, o.Resume > 0, took)
	if h := h.Held(); h != [4]int{} {
		t.Error("the server still has", h)
	}
}

// misbehave cuts, each time after a few asks have been settled.
func misbehave(t *testing.T, proxy *cutproxy.Proxy, cuts int, settled, breaks <-chan struct{}) {
	rnd := rand.New(rand.NewPCG(7, 7))
	wait := func(c <-chan struct{}, what string) {
		select {
		case <-c:
		case <-time.After(hung):
			t.Fatal("nothing more is", what)
		}
	}
	for i := range cuts {
		for range rnd.IntN(20) {
			wait(settled, "settled")
		}
		proxy.Slice(0)
		for len(breaks) > 0 {
			<-breaks
		}
		switch k := rnd.IntN(100); {
		case k < 40:
			proxy.Cut()
		case k < 60:
			proxy.End()
		case k < 80:
			proxy.HalfClose(k < 70)
		case k < 97 || i < 10:
			proxy.Slice(1 + rnd.IntN(7))
			for range rnd.IntN(5) {
				wait(settled, "settled")
			}
			proxy.Cut()
		default:
			proxy.Stall(true)
			wait(breaks, "noticed")
			proxy.Stall(false)
		}
	}
	proxy.Slice(0)
	for range 10 {
		wait(settled, "settled")
	}
}

// check compares what the asker was told with what was done.
func check(t *testing.T, outcomes map[int]outcome, calls map[int]int, sessions bool, closing time.Duration) {
	count := map[antiphon.Class]int{}
	var late time.Duration
	for n, o := range outcomes {
		count[o.class]++
		switch {
		case o.err == nil && calls[n] == 1:
		case !sessions && o.class == antiphon.ClassUnknown && calls[n] <= 1:
			late = max(late, o.late)
		case !sessions && o.class == antiphon.ClassNotAccepted && calls[n] == 0:
		default:
			t.Errorf("ask %d: %v (%s), after %d calls", n, o.err, o.class, calls[n])
		}
	}
	t.Logf("%d asks: %v; callers were back %v after a break was noticed, Close took %v", len(outcomes), count, late, closing)
	if late > hung {
		t.Error("callers were back too late")
	}
	if !sessions && count[antiphon.ClassUnknown] == 0 {
		t.Error("no cut hit anything")
	}
}
