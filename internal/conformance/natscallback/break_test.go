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
	"github.com/antiphon-go/antiphon/internal/conformance/natsd"
)

var none = context.Background()

// again asks until the answerer is there.
var again = &callback.DialOptions{Timeout: patience, Attempts: 1 << 20, Backoff: antiphon.Constant(5 * time.Millisecond)}

// blocking serves name with work that says when it begins, and waits for release.
func blocking(name string, begun chan<- int, release <-chan struct{}) func(*callback.Peer) {
	return func(p *callback.Peer) {
		callback.Serve(p, name, func(ctx context.Context, n int) (int, error) {
			begun <- n
			select {
			case <-release:
				return n, nil
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		}, &callback.ServeOptions{Concurrency: 100})
	}
}

// C6: when the server dies, what was asked fails at once, as unknown; what is asked while
// it is down waits for the next, and is answered, without anybody doing anything.
func TestC6_ServerRestarts(t *testing.T) {
	s := natsd.Run(t, nil)
	begun := make(chan int, 100)
	var o told
	serving := connect(t, s.URL())
	defer serving.Close()
	peerOn(t, over(t, serving, nil), nil, func(p *callback.Peer) {
		blocking("f", begun, nil)(p)
		callback.Serve(p, "g", echo, nil)
	})
	asking := connect(t, s.URL())
	defer asking.Close()
	p := peerOn(t, over(t, asking, &natscallback.Options{Observer: o.observe}), nil, nil)
	for round := 1; round <= 3; round++ {
		fs := make([]*future.Future[int], 20)
		for i := range fs {
			fs[i] = callback.Dial[int, int](p, "f", &callback.DialOptions{Timeout: time.Hour})(none, i)
		}
		for range fs {
			<-begun
		}
		s.Stop()
		for _, f := range fs {
			_, err := outcome(t, f)
			is(t, err, antiphon.ClassUnknown, callback.ErrDisconnected)
		}
		if n := p.Pending(); n != 0 {
			t.Errorf("%d pending", n)
		}
		while := callback.Dial[int, int](p, "g", again)(none, 10+round)
		brief := callback.Dial[int, int](p, "g", &callback.DialOptions{Timeout: 20 * time.Millisecond})(none, 1)
		_, err := outcome(t, brief)
		if !errors.Is(err, callback.ErrExpired) {
			t.Error("without a server, an ask ended with", err)
		}
		s.Start()
		if v, err := outcome(t, while); v != 10+round || err != nil {
			t.Error(v, err)
		}
		if v, err := outcome(t, callback.Dial[int, int](p, "g", again)(none, round)); v != round || err != nil {
			t.Error(v, err)
		}
		eventually(t, "the break was not told", func() bool { n, _ := o.of("nats.disconnected"); return n == round })
		eventually(t, "the connection was not told", func() bool { n, _ := o.of("nats.connected"); return n == round+1 })
	}
}

// A partition that nobody notices, for no byte passes: asks end with their time, no
// later, and go on as soon as bytes pass.
func TestC3_Partition(t *testing.T) {
	s := natsd.Run(t, nil)
	x := natsd.NewProxy(t, s.Embedded().Addr().String())
	name := t.Name()
	peer(t, s.URL(), nil, func(p *callback.Peer) { callback.Serve(p, name, echo, nil) })
	nc := connect(t, x.URL())
	defer nc.Close()
	p := peerOn(t, over(t, nc, nil), nil, nil)
	x.Freeze()
	var all sync.WaitGroup
	for i := range 50 {
		f := callback.Dial[int, int](p, name, &callback.DialOptions{Timeout: 50 * time.Millisecond})(none, i)
		all.Go(func() {
			_, err := outcome(t, f)
			if !errors.Is(err, callback.ErrExpired) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := p.Pending(); n != 0 {
		t.Errorf("%d pending", n)
	}
	f := callback.Dial[int, int](p, name, again)(none, 7)
	x.Heal()
	if v, err := outcome(t, f); v != 7 || err != nil {
		t.Error(v, err)
	}
}

// An answerer that is cut off is nobody; when it is back, it answers under its name, and
// what it was at work on before is answered over its new connection.
func TestAnswererIsCutOff(t *testing.T) {
	s := natsd.Run(t, nil)
	x := natsd.NewProxy(t, s.Embedded().Addr().String())
	name, begun, release := t.Name(), make(chan int, 10), make(chan struct{})
	nc := connect(t, x.URL())
	defer nc.Close()
	peerOn(t, over(t, nc, nil), nil, blocking(name, begun, release))
	p := peer(t, s.URL(), nil, nil)
	f := callback.Dial[int, int](p, name, &callback.DialOptions{Timeout: patience})(none, 1)
	<-begun
	x.Cut()
	eventually(t, "the server does not see that the answerer is gone", func() bool {
		_, err := outcome(t, callback.Dial[int, int](p, name, &callback.DialOptions{Timeout: time.Second})(none, 2))
		return errors.Is(err, callback.ErrUndeliverable) && antiphon.ClassOf(err) == antiphon.ClassNotAccepted
	})
	close(release) // the answer waits for a connection
	x.Heal()
	if v, err := outcome(t, f); v != 1 || err != nil {
		t.Error(v, err)
	}
	if v, err := outcome(t, callback.Dial[int, int](p, name, again)(none, 3)); v != 3 || err != nil {
		t.Error(v, err)
	}
}

// When nats.go gives up, or the user closes the connection, all that is pending settles,
// Run returns, and everything after that is refused. C7.
func TestC7_TheConnectionIsClosed(t *testing.T) {
	for name, by := range map[string]func(testing.TB, *closing){
		"by its user":  func(_ testing.TB, c *closing) { c.nc.Close() },
		"by its drain": func(_ testing.TB, c *closing) { _ = c.nc.Drain() },
		"by nats.go":   func(_ testing.TB, c *closing) { c.s.Stop() }, // which may not connect again
	} {
		t.Run(name, func(t *testing.T) {
			s := natsd.Run(t, nil)
			begun := make(chan int, 100)
			peer(t, s.URL(), nil, blocking("f", begun, nil))
			nc := connect(t, s.URL(), nats.NoReconnect())
			defer nc.Close()
			tr := over(t, nc, nil)
			p := callback.NewPeer(tr, nil)
			run := make(chan struct{})
			go func() {
				defer close(run)
				if err := p.Run(none); !errors.Is(err, callback.ErrDisconnected) {
					t.Error("Run ended with", err)
				}
			}()
			fs := make([]*future.Future[int], 10)
			for i := range fs {
				fs[i] = callback.Dial[int, int](p, "f", &callback.DialOptions{Timeout: time.Hour})(none, i)
			}
			for range fs {
				<-begun
			}
			by(t, &closing{s, nc})
			for _, f := range fs {
				_, err := outcome(t, f)
				if antiphon.ClassOf(err) != antiphon.ClassUnknown {
					t.Errorf("%v of class %s", err, antiphon.ClassOf(err))
				}
			}
			within(t, "Run did not return", run)
			if n := p.Pending(); n != 0 {
				t.Errorf("%d pending", n)
			}
			_, err := outcome(t, callback.Dial[int, int](p, "f", nil)(none, 1))
			is(t, err, antiphon.ClassNotAccepted, callback.ErrClosed)
			is(t, tr.Send(none, event("x")), antiphon.ClassNotAccepted, callback.ErrClosed)
			_, err = tr.Listen(none, "")
			is(t, err, antiphon.ClassNotAccepted, callback.ErrClosed)
			is(t, tr.Flush(none), antiphon.ClassNotAccepted, callback.ErrClosed)
		})
	}
}

func event(to string) *callback.Message { return &callback.Message{Kind: callback.Event, To: to} }

type closing struct {
	s  *natsd.Server
	nc *nats.Conn
}
