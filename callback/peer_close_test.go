package callback_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/future"
)

// C7: Close settles everything, for what it is, ends the work, and leaves nothing:
// the bubble sees to that.
func TestC7_CloseOfAPeer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, wire, f := stuckPair(t, nil)
		causes := make(chan error, 1)
		callback.Serve(p, "f", func(ctx context.Context, _ int) (int, error) {
			<-ctx.Done()
			causes <- context.Cause(ctx)
			return 0, ctx.Err()
		}, nil)
		f.request("f", 1, "1")
		ask := callback.Dial[int, int](p, "g", nil)
		sent := ask(none, 1)
		wire.close()
		ask(none, 2) // with the writer
		synctest.Wait()
		waits := ask(none, 3)
		looped := loop(callback.DialStream[int, int](p, "s", nil)(none, 1))
		synctest.Wait()
		if n := p.Pending(); n != 4 {
			t.Error(n, "pending")
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		_, err := outcome(t, sent)
		ended(t, err, antiphon.CodeUnavailable, antiphon.ClassUnknown, callback.ErrClosed)
		_, err = outcome(t, waits)
		ended(t, err, antiphon.CodeUnavailable, antiphon.ClassNotAccepted, callback.ErrClosed)
		ended(t, <-looped, antiphon.CodeUnavailable, antiphon.ClassNotAccepted, callback.ErrClosed)
		if cause := <-causes; !errors.Is(cause, callback.ErrClosed) {
			t.Error(cause)
		}
		if n := p.Pending(); n != 0 {
			t.Error(n, "pending")
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if err := p.Shutdown(none); err != nil {
			t.Error(err)
		}
	})
}

// A sour transport does not close well.
type sour struct{ callback.Transport }

var errSour = errors.New("sour")

func (s sour) Close() error {
	_ = s.Transport.Close()
	return errSour
}

func TestC7_CloseReturnsWhatTheTransportDoes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		x, _ := callback.Pipe(nil)
		p := callback.NewPeer(sour{x}, nil)
		run(t, p)
		synctest.Wait()
		for range 2 {
			if err := p.Close(); err != errSour {
				t.Error(err)
			}
		}
	})
}

// C7: Close while all else goes on, by many.
func TestC7_CloseUnderContention(t *testing.T) {
	for range 30 {
		bubble(t, func(t *testing.T) {
			a, b := pair(t, nil, nil)
			for _, p := range []*callback.Peer{a, b} {
				callback.Serve(p, "f", echo, &callback.ServeOptions{Concurrency: 4})
				callback.ServeStream(p, "s", count, nil)
			}
			var wg sync.WaitGroup
			for i, p := range []*callback.Peer{a, b} {
				ask := callback.Dial[int, int](p, "f", &callback.DialOptions{Attempts: 1 + i})
				for range 4 {
					wg.Go(func() {
						for j := range 50 {
							if _, err := ask(none, j).Await(none); err != nil && antiphon.CodeOf(err) != antiphon.CodeUnavailable {
								t.Error(err)
							}
						}
					})
				}
				wg.Go(func() { _, _ = collect(callback.DialStream[int, int](p, "s", nil)(none, 100)) })
				wg.Go(func() {
					for range 50 {
						_ = callback.Notify(none, p, "f", 1, &callback.NotifyOptions{Overflow: callback.Overflow(i)})
					}
				})
			}
			for i := range 3 {
				wg.Go(func() {
					if i == 2 {
						_ = b.Shutdown(none)
					} else {
						_ = a.Close()
					}
				})
			}
			wg.Wait()
		})
	}
}

// An observer may close the peer, wherever it is called.
func TestC7_CloseWithinAnObserver(t *testing.T) {
	for _, name := range []string{"callback.malformed", "callback.unsent", "callback.rejected", "callback.expired", "callback.disconnected"} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				x, y := callback.Pipe(nil)
				f := farEnd(t, y)
				var p *callback.Peer
				p = callback.NewPeer(refusing{x}, &callback.PeerOptions{Observer: func(e antiphon.Event) {
					if e.Name == name {
						_ = p.Close()
					}
				}})
				ran := make(chan error, 1)
				go func() { ran <- p.Run(none) }()
				synctest.Wait()
				switch name {
				case "callback.unsent":
					_ = callback.Notify(none, p, "e", 1, nil)
				case "callback.rejected":
					f.request("f", 1, "1")
				case "callback.malformed":
					f.send(callback.Message{Kind: 77})
				case "callback.expired":
					callback.Dial[int, int](p, "f", nil)(none, 1)
				default:
					_ = y.Close()
				}
				if err := <-ran; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A refusing transport has no TrySend, and sends no events.
type refusing struct{ callback.Transport }

func (r refusing) Send(ctx context.Context, m *callback.Message) error {
	if m.Kind == callback.Event {
		return callback.ErrUndeliverable
	}
	return r.Transport.Send(ctx, m)
}

// Situation 20: Shutdown refuses what is new, answers what is running and what
// waits for a turn, and lets the peer's own asks go on meanwhile.
func TestShutdown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, f := alone(t, nil)
		callback.Serve(p, "f", func(ctx context.Context, n int) (int, error) {
			time.Sleep(time.Second)
			return n, ctx.Err()
		}, &callback.ServeOptions{Concurrency: 1})
		f.request("f", 1, "1")
		f.request("f", 2, "2")
		synctest.Wait()
		own := callback.Dial[int, int](p, "g", nil)(none, 1)
		asked := f.next(callback.Request)
		unanswered := callback.Dial[int, int](p, "g", nil)(none, 1)
		f.next(callback.Request)
		start, done := time.Now(), make(chan error, 2)
		for range 2 {
			go func() { done <- p.Shutdown(none) }()
		}
		synctest.Wait()
		f.request("f", 3, "3")
		m := f.next(callback.Reply)
		ended(t, m.Err, antiphon.CodeUnavailable, antiphon.ClassNotAccepted, callback.ErrClosed)
		f.answer(asked, "7")
		if v, err := await(t, own); v != 7 || err != nil {
			t.Error(v, err)
		}
		f.request("f", 1, "1") // again
		for n := byte(1); n <= 2; n++ {
			if m := f.next(callback.Reply); m.Err != nil || m.ID[0] != n {
				t.Errorf("%+v", m)
			}
		}
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if d := time.Since(start); d != 2*time.Second {
			t.Error("it took", d)
		}
		_, err := outcome(t, unanswered)
		ended(t, err, antiphon.CodeUnavailable, antiphon.ClassUnknown, callback.ErrClosed)
		if _, err := f.in.Receive(context.Background()); !errors.Is(err, callback.ErrDisconnected) {
			t.Error(err)
		}
	})
}

// Shutdown waits for work that never ends, or for a wire that is stuck, as long as
// its context.
func TestShutdownGivesUp(t *testing.T) {
	for _, what := range []string{"work", "wire", "event"} {
		bubble(t, func(t *testing.T) {
			p, wire, f := stuckPair(t, nil)
			stop := make(chan struct{})
			var causes atomic.Int64
			callback.Serve(p, "f", func(ctx context.Context, n int) (int, error) {
				if what != "wire" {
					<-stop
					if errors.Is(context.Cause(ctx), callback.ErrClosed) {
						causes.Add(1)
					}
				}
				return n, nil
			}, nil)
			if what == "wire" {
				wire.close()
			}
			if what == "event" {
				f.send(callback.Message{Kind: callback.Event, To: "f", Body: []byte("1")})
			} else {
				f.request("f", 1, "1")
			}
			synctest.Wait()
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			start := time.Now()
			err := p.Shutdown(ctx)
			if d := time.Since(start); d != time.Second || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v after %v", what, err, d)
			}
			close(stop)
			synctest.Wait()
			if what != "wire" && causes.Load() != 1 {
				t.Error(what, "did not learn of it")
			}
		})
	}
}

// Shutdown when there is nothing to wait for does not look at its context.
func TestShutdownOfAnIdlePeer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, _ := alone(t, nil)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := p.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
}

// A gated end sends nothing before its gate is open.
type gated struct {
	*busEnd
	gate chan struct{}
}

func (g *gated) Send(ctx context.Context, m *callback.Message) error {
	<-g.gate
	return g.busEnd.Send(ctx, m)
}

// X7: what hangs on the futures of asks may end the goroutine that settles them,
// whichever that is: the others are settled all the same, and the peer lives on.
func TestX7_WhoEndsTheSettlerHarmsNobody(t *testing.T) {
	for _, how := range []string{"close", "break", "answer", "refuse", "time"} {
		t.Run(how, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b := newBus(callback.Caps{Bounces: true})
				e := &gated{&busEnd{bus: b}, make(chan struct{})}
				p := callback.NewPeer(e, nil)
				go func() { _ = p.Run(none) }() // which is one of those that are ended
				defer func() { _ = p.Close() }()
				server, _ := b.peer(t, nil)
				release := make(chan struct{})
				callback.Serve(server, "slow", func(_ context.Context, n int) (int, error) { <-release; return n, nil }, nil)
				callback.Serve(server, "echo", echo, nil)
				synctest.Wait()
				name := "slow"
				if how == "refuse" {
					name = "nobody"
				}
				ask := callback.Dial[int, int](p, name, nil)
				var exited atomic.Int64
				exit := func(error) (int, error) { exited.Add(1); runtime.Goexit(); return 0, nil }
				var fs []*future.Future[int]
				for i := range 50 {
					f := ask(none, i)
					future.Recover(f, exit)
					future.Map(f, func(int) (int, error) { return exit(nil) })
					fs = append(fs, f)
				}
				close(e.gate)
				synctest.Wait()
				switch how {
				case "close":
					go func() { _ = p.Close() }()
				case "break":
					e.breaks()
				case "time":
					time.Sleep(time.Minute)
				case "answer":
					close(release)
				}
				synctest.Wait()
				for _, f := range fs {
					_, _ = outcome(t, f)
				}
				if n := exited.Load(); n != 50 {
					t.Error(n, "goroutines were ended")
				}
				if how != "answer" {
					close(release)
				}
				if how == "close" {
					return
				}
				if v, err := await(t, callback.Dial[int, int](p, "echo", nil)(none, 7)); v != 7 || err != nil {
					t.Error(v, err)
				}
			})
		})
	}
}
