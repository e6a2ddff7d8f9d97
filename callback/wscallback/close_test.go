package wscallback_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/coder/websocket"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/callback/wscallback"
)

// C7: what was accepted is written before the goodbye, on either end, and however
// much that is.
func TestC7_CloseWritesWhatWasAccepted(t *testing.T) {
	const n = 40
	body := make([]byte, 4000)
	for name, o := range map[string]wscallback.Options{"binary": {}, "text": {Text: true}, "resume": {Resume: time.Minute}, "compressed": {Compress: true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got := make(chan int, 2)
				count := func(c *wscallback.Conn) {
					in, err := c.Listen(t.Context(), "")
					if err != nil {
						t.Error(err)
						return
					}
					for i := 0; ; i++ {
						d, err := in.Receive(t.Context())
						if err != nil {
							if !errors.Is(err, callback.ErrDisconnected) && !errors.Is(err, callback.ErrClosed) {
								t.Error(err)
							}
							got <- i
							return
						}
						if len(d.Body) != len(body) {
							t.Errorf("%d bytes", len(d.Body))
						}
					}
				}
				for _, server := range []bool{true, false} {
					say := func(c *wscallback.Conn) {
						for range n {
							if ok, err := c.TrySend(&callback.Message{Kind: callback.Reply, ID: callback.ID{1}, Body: body}); !ok || err != nil {
								t.Error(ok, err)
							}
						}
						_ = c.Close()
					}
					net, _ := inMemory(t, func(_ context.Context, c *wscallback.Conn) error {
						if server {
							say(c)
						} else {
							count(c)
						}
						return nil
					}, &o)
					mine := o
					mine.Client, mine.Backoff = net.client(), antiphon.Constant(time.Hour)
					c, err := wscallback.Dial(t.Context(), "ws://memory/", &mine)
					if err != nil {
						t.Fatal(err)
					}
					if server {
						count(c)
						_ = c.Close()
					} else {
						say(c)
					}
					if i := <-got; i != n {
						t.Errorf("server %v: %d of %d arrived", server, i, n)
					}
				}
			})
		})
	}
}

// Shutdown's last answers are on the wire before the goodbye, over a network with
// buffers of its own: however slow the asker reads, and whichever end it is.
func TestC7_ShutdownOverLoopback(t *testing.T) {
	const n = 32
	large := make([]byte, 512<<10)
	codec := &callback.PeerOptions{Codec: callback.Bytes{}}
	for _, server := range []bool{true, false} {
		var answerer *callback.Peer
		started := make(chan struct{}, n)
		release := make(chan struct{})
		serve := func(p *callback.Peer) {
			callback.Serve(p, "large", func(context.Context, []byte) ([]byte, error) {
				started <- struct{}{}
				<-release
				return large, nil
			}, nil)
		}
		up := make(chan *callback.Peer, 1)
		url := overLoopback(t, serving(func(p *callback.Peer) {
			if server {
				serve(p)
			}
			up <- p
		}, codec), nil)
		asker := peerOn(t, url, nil, codec)
		answerer = <-up
		if !server {
			asker, answerer = answerer, asker
			serve(answerer)
		}
		ask := callback.Dial[[]byte, []byte](asker, "large", &callback.DialOptions{Timeout: time.Minute})
		var wg sync.WaitGroup
		for range n {
			f := ask(t.Context(), nil)
			wg.Go(func() {
				if v, err := f.Await(context.Background()); len(v) != len(large) || err != nil {
					t.Errorf("server %v: %d bytes, %v", server, len(v), err)
				}
			})
		}
		for range n {
			<-started
		}
		ended := make(chan error, 1)
		go func() { ended <- answerer.Shutdown(context.Background()) }()
		close(release)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		wg.Wait()
	}
}

// C7: Close is polite for half a second, whatever the other end does, and may be
// called by many, while others send and receive.
func TestC7_Close(t *testing.T) {
	for name, spoil := range map[string]func(*memoryNet, *callback.Peer){
		"at rest":     func(*memoryNet, *callback.Peer) {},
		"stalled":     func(n *memoryNet, _ *callback.Peer) { n.stall(true) },
		"cut":         func(n *memoryNet, _ *callback.Peer) { n.refuse(true); n.cut() },
		"cut, unseen": func(n *memoryNet, _ *callback.Peer) { n.refuse(true); n.cut() },
		"stuck in a write": func(n *memoryNet, p *callback.Peer) {
			n.stall(true)
			for range 100 {
				callback.Dial[[]byte, []byte](p, "echo", nil)(context.Background(), make([]byte, 100<<10))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, s := inMemory(t, serving(func(p *callback.Peer) { callback.Serve(p, "echo", echo, nil) }, nil), nil)
				c, err := wscallback.Dial(t.Context(), "ws://memory/", &wscallback.Options{Client: n.client()})
				if err != nil {
					t.Fatal(err)
				}
				p := running(t, callback.NewPeer(c, nil))
				synctest.Wait()
				spoil(n, p)
				if name != "cut, unseen" {
					synctest.Wait()
				}
				start := time.Now()
				var wg sync.WaitGroup
				for range 3 {
					wg.Go(func() { _ = p.Close() })
					wg.Go(func() { _ = c.Close() })
					wg.Go(func() { c.Reconnect(errors.New("no")) })
					wg.Go(func() {
						m := &callback.Message{Kind: callback.Event, To: "x"}
						for c.Send(t.Context(), m) == nil {
							time.Sleep(time.Millisecond)
						}
					})
				}
				wg.Wait()
				if took := time.Since(start); took > 500*time.Millisecond {
					t.Errorf("it took %v", took)
				}
				if ok, err := c.TrySend(&callback.Message{Kind: callback.Event, To: "x"}); !ok || !errors.Is(err, callback.ErrClosed) {
					t.Error(ok, err)
				}
				if _, err := c.Listen(t.Context(), ""); !errors.Is(err, callback.ErrClosed) {
					t.Error(err)
				}
				n.stall(false)
				time.Sleep(time.Minute)
				if h := s.Held(); h != [4]int{} {
					t.Error(h)
				}
			})
		})
	}
}

// What was received before Close is still handed out.
func TestReceiveAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, _ := inMemory(t, func(ctx context.Context, c *wscallback.Conn) error {
			for i := range byte(3) {
				_ = c.Send(ctx, &callback.Message{Kind: callback.Reply, ID: callback.ID{i + 1}})
			}
			<-ctx.Done()
			return nil
		}, nil)
		c, err := wscallback.Dial(t.Context(), "ws://memory/", &wscallback.Options{Client: n.client()})
		if err != nil {
			t.Fatal(err)
		}
		in, _ := c.Listen(t.Context(), "")
		ended, cancel := context.WithCancelCause(t.Context())
		cancel(errors.New("enough"))
		if _, err := in.Receive(ended); !errors.Is(err, context.Canceled) && err != nil {
			t.Error(err)
		}
		synctest.Wait()
		_ = c.Close()
		var got []byte
		for {
			d, err := in.Receive(t.Context())
			if err != nil {
				if !errors.Is(err, callback.ErrClosed) {
					t.Error(err)
				}
				break
			}
			got = append(got, d.ID[0])
		}
		if string(got) != "\x01\x02\x03" {
			t.Errorf("%v", got)
		}
	})
}

// A connection whose other end is silent is given up when that has not answered a
// ping in time, by either end and on the clock that was given.
func TestHeartbeatFindsSilence(t *testing.T) {
	mute := func(context.Context, []byte) bool { return false } // gets pings, and does not answer
	for _, server := range []bool{true, false} {
		for _, mocked := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				var seen journal
				o := &wscallback.Options{Heartbeat: time.Minute, Observer: seen.note, Backoff: antiphon.Constant(time.Hour)}
				forward := time.Sleep
				if mocked {
					m := clock.NewMock()
					o.Clock = m
					forward = func(d time.Duration) { m.Add(d); synctest.Wait() }
				}
				if server {
					n, _ := inMemory(t, serving(func(*callback.Peer) {}, nil), o)
					d := speaking(plain)
					d.OnPingReceived = mute
					n.foreign(t, d).CloseRead(t.Context())
				} else {
					h := wscallback.Handler(serving(nil, nil), nil)
					n := listening(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{plain}, OnPingReceived: mute})
						if err == nil {
							_, _, _ = ws.Read(context.Background())
						}
					}), h)
					o.Client = n.client()
					peerOn(t, "ws://memory/", o, nil)
				}
				patience := 2 * time.Minute
				if !server {
					patience += patience / 8 // the end that dialed
				}
				for range 3 {
					synctest.Wait()
					forward(patience/3 - 1)
				}
				synctest.Wait()
				if len(seen.named("ws.disconnected")) != 0 {
					t.Errorf("server %v, mocked %v: too early: %+v", server, mocked, seen.events)
				}
				forward(3)
				synctest.Wait()

				if got := seen.named("ws.disconnected"); len(got) != 1 || got[0].Err == nil {
					t.Errorf("server %v, mocked %v: %+v", server, mocked, seen.events)
				}
			})
		}
	}
}

// Of two ends that have nothing to say one pings the other, and both know that the
// other is there.
func TestHeartbeatOfBoth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen journal
		n, _ := inMemory(t, serving(func(p *callback.Peer) { callback.Serve(p, "echo", echo, nil) }, nil), &wscallback.Options{Observer: seen.note})
		var ps []*callback.Peer
		for _, h := range []time.Duration{0, time.Second, 29 * time.Second, time.Minute} {
			ps = append(ps, peerOn(t, "ws://memory/", &wscallback.Options{Client: n.client(), Heartbeat: h, Observer: seen.note}, nil))
		}
		time.Sleep(2 * time.Hour)
		for i, p := range ps {
			if v, err := callback.Dial[int, int](p, "echo", nil)(t.Context(), i).Await(t.Context()); v != i || err != nil {
				t.Error(v, err)
			}
		}
		if lost := seen.named("ws.disconnected"); len(lost) != 0 {
			t.Error(lost)
		}
	})
}

// Nor does it go on for ever when the other end does not even read.
func TestHeartbeatFindsTheDeaf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen journal
		n, s := inMemory(t, serving(func(*callback.Peer) {}, nil), &wscallback.Options{Heartbeat: time.Minute, Observer: seen.note})
		n.foreign(t, speaking(plain))
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if h := s.Held(); h != [4]int{} {
			t.Errorf("%v, %v", h, seen.events)
		}
	})
}

// A message that takes long to come is a sign of life; so is an inbox that is full,
// which is nobody's fault but our own.
func TestHeartbeatSparesTheSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen journal
		o := &wscallback.Options{Heartbeat: time.Second, Inbox: 1 << 10, Observer: seen.note}
		got := make(chan int)
		n, _ := inMemory(t, func(ctx context.Context, c *wscallback.Conn) error {
			in, err := c.Listen(ctx, "")
			if err != nil {
				return err
			}
			for range 4 {
				d, err := in.Receive(ctx)
				if err != nil {
					t.Error(err)
					return err
				}
				got <- len(d.Body)
				time.Sleep(time.Minute) // with the inbox full
			}
			return nil
		}, o)
		ws := n.foreign(t, speaking(plain))
		go func() {
			for { // answers pings, once it is read
				if _, _, err := ws.Read(t.Context()); err != nil {
					return
				}
			}
		}()
		go func() {
			w, err := ws.Writer(t.Context(), binaryForm)
			b := framed(&callback.Message{Kind: callback.Event, To: "x", Body: make([]byte, 100<<10)})
			for len(b) > 0 && err == nil {
				k := min(len(b), 1<<10)
				_, err = w.Write(b[:k])
				b = b[k:]
				time.Sleep(900 * time.Millisecond)
			}
			if err == nil {
				err = w.Close()
			}
			for range 3 {
				if err == nil {
					err = ws.Write(t.Context(), binaryForm, framed(&callback.Message{Kind: callback.Event, To: "x", Body: make([]byte, 10<<10)}))
				}
			}
			if err != nil {
				t.Error(err)
			}
		}()
		for range 4 {
			<-got
		}
		if lost := seen.named("ws.disconnected"); len(lost) != 0 {
			t.Error(lost)
		}
	})
}

// A write that the other end does not read is given up in time, however much goes
// through before; one that goes on slowly is not.
func TestWriteTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen journal
		ready := make(chan *wscallback.Conn, 1)
		n, _ := inMemory(t, func(ctx context.Context, c *wscallback.Conn) error {
			ready <- c
			<-ctx.Done()
			return nil
		}, &wscallback.Options{WriteTimeout: 10 * time.Second, Heartbeat: time.Hour, Observer: seen.note})
		ws := n.foreign(t, speaking(plain))
		c := <-ready
		start := time.Now()
		for range 2 { // the second waits for the first
			if err := c.Send(t.Context(), &callback.Message{Kind: callback.Reply, ID: callback.ID{1}, Body: make([]byte, 1<<20)}); err != nil {
				t.Fatal(err)
			}
			typ, r, err := ws.Reader(t.Context())
			if err != nil || typ != binaryForm {
				t.Fatal(typ, err)
			}
			buf := make([]byte, 16<<10)
			for read := 0; read < 1<<20; {
				k, err := r.Read(buf)
				if err != nil {
					t.Fatal(err)
				}
				read += k
				time.Sleep(time.Second)
			}
			for err == nil {
				_, err = r.Read(buf)
			}
		}
		if time.Since(start) < time.Minute || len(seen.named("ws.disconnected")) != 0 {
			t.Errorf("after %v: %v", time.Since(start), seen.events)
		}
		start = time.Now()
		if err := c.Send(t.Context(), &callback.Message{Kind: callback.Reply, ID: callback.ID{1}, Body: make([]byte, 1<<20)}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10*time.Second - 1)
		synctest.Wait()
		if len(seen.named("ws.disconnected")) != 0 {
			t.Error("too early")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if len(seen.named("ws.disconnected")) != 1 {
			t.Errorf("after %v it is still connected", time.Since(start))
		}
	})
}
