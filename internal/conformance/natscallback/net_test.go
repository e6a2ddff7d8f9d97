package natscallback_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/callback/natscallback"
	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/internal/conformance/natscallback/wire"
	"github.com/antiphon-go/antiphon/internal/conformance/natsd"
)

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

// run runs a server until the test ends, and returns where it is.
func run(tb testing.TB) string {
	tb.Helper()
	return natsd.Run(tb, nil).URL()
}

// over is a transport over nc.
func over(tb testing.TB, nc *nats.Conn, o *natscallback.Options) *natscallback.Transport {
	tb.Helper()
	t, err := natscallback.New(nc, o)
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

// connect is a connection that never gives up.
func connect(tb testing.TB, url string, o ...nats.Option) *nats.Conn {
	tb.Helper()
	return wire.Connect(tb, url, o...)
}

// peer runs a peer on a connection of its own until the test ends.
func peer(tb testing.TB, url string, o *callback.PeerOptions, setUp func(*callback.Peer)) *callback.Peer {
	tb.Helper()
	nc := connect(tb, url)
	tb.Cleanup(nc.Close)
	return peerOn(tb, over(tb, nc, nil), o, setUp)
}

// peerOn runs a peer on t until the test ends. When it returns, the server knows of all
// that it serves.
func peerOn(tb testing.TB, t callback.Transport, o *callback.PeerOptions, setUp func(*callback.Peer)) *callback.Peer {
	tb.Helper()
	p := callback.NewPeer(t, o)
	if setUp != nil {
		setUp(p)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = p.Run(context.Background())
	}()
	tb.Cleanup(func() {
		_ = p.Close()
		within(tb, "Run did not return", done)
	})
	patient, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := p.Listening(patient); err != nil {
		tb.Fatal(err)
	}
	return p
}

// within waits for done, or ends the test.
func within(tb testing.TB, what string, done <-chan struct{}) {
	tb.Helper()
	select {
	case <-done:
	case <-time.After(patience):
		tb.Fatal(what)
	}
}

// outcome waits for f.
func outcome[T any](tb testing.TB, f *future.Future[T]) (T, error) {
	tb.Helper()
	within(tb, "an ask did not settle", f.Done())
	r, _ := f.Peek()
	return r.Value, r.Err
}

// is checks the class of an error, and what it is.
func is(tb testing.TB, err error, class antiphon.Class, target error) {
	tb.Helper()
	if antiphon.ClassOf(err) != class || !errors.Is(err, target) {
		tb.Errorf("%v of class %s; want %v of class %s", err, antiphon.ClassOf(err), target, class)
	}
}

// told counts events by their names.
type told struct {
	mu    sync.Mutex
	count map[string]int
	errs  map[string]error
}

func (o *told) observe(e antiphon.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.count == nil {
		o.count, o.errs = map[string]int{}, map[string]error{}
	}
	o.count[e.Name] += max(e.Count, 1)
	o.errs[e.Name] = e.Err
}

func (o *told) of(name string) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.count[name], o.errs[name]
}

// eventually waits until it is so, or ends the test.
func eventually(tb testing.TB, what string, so func() bool) {
	tb.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for limit := time.Now().Add(patience); !so(); <-tick.C {
		if time.Now().After(limit) {
			tb.Fatal(what)
		}
	}
}

func echo(_ context.Context, n int) (int, error) { return n, nil }
