package callback_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
)

func echo(_ context.Context, n int) (int, error) { return n, nil }

// X5: options that are no options fail everything, by name.
func TestX5_NegativePeerOptions(t *testing.T) {
	for name, o := range map[string]callback.PeerOptions{
		"MaxPending":  {MaxPending: -1},
		"MaxBody":     {MaxBody: -1},
		"Outbox":      {Outbox: -1},
		"OutboxBytes": {OutboxBytes: -1},
		"Timeout":     {Timeout: -1},
		"SendTimeout": {SendTimeout: -1},
		"Answers":     {Answers: -1},
		"AnswerBytes": {AnswerBytes: -1},
		"Backlog":     {Backlog: -1},
		"Heartbeat":   {Heartbeat: -1},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				x, _ := callback.Pipe(nil)
				p := callback.NewPeer(x, &o)
				check := func(err error) {
					t.Helper()
					ended(t, err, antiphon.CodeInvalidArgument, antiphon.ClassNotAccepted)
					if !strings.Contains(err.Error(), "PeerOptions."+name) {
						t.Error(err)
					}
				}
				_, err := outcome(t, callback.Dial[int, int](p, "f", nil)(t.Context(), 1))
				check(err)
				check(callback.Notify(t.Context(), p, "f", 1, nil))
				for _, err := range callback.DialStream[int, int](p, "f", nil)(t.Context(), 1) {
					check(err)
				}
				check(p.Run(t.Context()))
				if _, err := x.Listen(t.Context(), ""); !errors.Is(err, callback.ErrClosed) {
					t.Error("the transport was not closed:", err)
				}
			})
		})
	}
}

func TestX5_NoTransport(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := callback.NewPeer(nil, nil)
		ended(t, callback.Notify(none, p, "f", 1, nil), antiphon.CodeInvalidArgument, antiphon.ClassNotAccepted)
		ended(t, p.Run(none), antiphon.CodeInvalidArgument, antiphon.ClassNotAccepted)
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
}

// mistakes are what may be wrong about serving.
var mistakes = map[string]func(p *callback.Peer){
	"needs a function": func(p *callback.Peer) { callback.Serve[int, int](p, "f", nil, nil) },
	"ServeStream":      func(p *callback.Peer) { callback.ServeStream[int, int](p, "f", nil, nil) },
	"needs a name":     func(p *callback.Peer) { callback.Serve(p, "", echo, nil) },
	"512 bytes":        func(p *callback.Peer) { callback.Serve(p, strings.Repeat("n", callback.MaxAddress+1), echo, nil) },
	"UTF-8":            func(p *callback.Peer) { callback.Serve(p, "\xff", echo, nil) },
	"Concurrency":      func(p *callback.Peer) { callback.Serve(p, "f", echo, &callback.ServeOptions{Concurrency: -1}) },
	"Queue":            func(p *callback.Peer) { callback.Serve(p, "f", echo, &callback.ServeOptions{Queue: -1}) },
	"served already": func(p *callback.Peer) {
		callback.Serve(p, "f", echo, nil)
		callback.Serve(p, "f", echo, nil)
	},
}

func TestServeMistakesAreWhatRunReturns(t *testing.T) {
	for text, mistake := range mistakes {
		for _, when := range []string{"before", "while"} {
			t.Run(when+"/"+text, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					x, _ := callback.Pipe(nil)
					p := callback.NewPeer(x, nil)
					ran := make(chan error, 1)
					if when == "before" {
						mistake(p)
					}
					go func() { ran <- p.Run(none) }()
					synctest.Wait()
					if when == "while" {
						mistake(p)
					}
					err := <-ran
					ended(t, err, antiphon.CodeInvalidArgument, antiphon.ClassNotAccepted)
					if !strings.Contains(err.Error(), text) {
						t.Error(err)
					}
				})
			})
		}
	}
}

func TestX5_NegativeDialOptions(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, f := alone(t, nil)
		for name, o := range map[string]callback.DialOptions{
			"Timeout": {Timeout: -1}, "Idle": {Idle: -1}, "Attempts": {Attempts: -1}, "Window": {Window: -1},
		} {
			_, err := outcome(t, callback.Dial[int, int](p, "f", &o)(none, 1))
			ended(t, err, antiphon.CodeInvalidArgument, antiphon.ClassNotAccepted)
			if !strings.Contains(err.Error(), "DialOptions."+name) {
				t.Error(err)
			}
			if name == "Attempts" {
				continue // of streams there is one
			}
			for _, err := range callback.DialStream[int, int](p, "f", &o)(none, 1) {
				ended(t, err, antiphon.CodeInvalidArgument, antiphon.ClassNotAccepted)
			}
		}
		for _, name := range []string{"", strings.Repeat("n", callback.MaxAddress+1), "\xff"} {
			_, err := outcome(t, callback.Dial[int, int](p, name, nil)(none, 1))
			ended(t, err, antiphon.CodeInvalidArgument, antiphon.ClassNotAccepted)
			ended(t, callback.Notify(none, p, name, 1, nil), antiphon.CodeInvalidArgument, antiphon.ClassNotAccepted)
		}
		ended(t, callback.Notify(none, p, "f", 1, &callback.NotifyOptions{TTL: -1}), antiphon.CodeInvalidArgument, antiphon.ClassNotAccepted)
		ended(t, callback.Notify(none, p, "f", 1, &callback.NotifyOptions{Overflow: 7}), antiphon.CodeInvalidArgument, antiphon.ClassNotAccepted)
		f.nothing()
		if n := p.Pending(); n != 0 {
			t.Error(n, "pending")
		}
	})
}

// Nothing is sent before Run; what is asked before waits, with its time running.
func TestBeforeRun(t *testing.T) {
	bubble(t, func(t *testing.T) {
		x, y := callback.Pipe(nil)
		p, f := callback.NewPeer(x, nil), farEnd(t, y)
		ask := callback.Dial[int, int](p, "f", &callback.DialOptions{Timeout: time.Minute})
		brief := callback.Dial[int, int](p, "f", &callback.DialOptions{Timeout: time.Second})
		first, late := ask(none, 1), brief(none, 2)
		if err := callback.Notify(none, p, "e", 3, nil); err != nil {
			t.Fatal(err)
		}
		f.nothing()
		if n := p.Pending(); n != 2 {
			t.Error(n, "pending")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		_, err := outcome(t, late)
		ended(t, err, antiphon.CodeDeadlineExceeded, antiphon.ClassNotAccepted, callback.ErrExpired, context.DeadlineExceeded)
		run(t, p)
		synctest.Wait()
		f.answer(f.next(callback.Request), "11")
		if v, err := await(t, first); v != 11 || err != nil {
			t.Error(v, err)
		}
		f.next(callback.Event)
		f.nothing() // of the one that was late
	})
}

func TestRunOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b := pair(t, nil, nil)
		callback.Serve(b, "f", echo, nil)
		synctest.Wait()
		ended(t, a.Run(none), antiphon.CodeInvalidArgument, antiphon.ClassNotAccepted)
		if v, err := await(t, callback.Dial[int, int](a, "f", nil)(none, 1)); v != 1 || err != nil {
			t.Error("a second Run has changed something:", v, err)
		}
	})
}

func TestRunReturnsWhatEndedIt(t *testing.T) {
	cause := errors.New("enough")
	for name, c := range map[string]struct {
		end  func(*callback.Peer, *far, context.CancelCauseFunc)
		want error
	}{
		"close":     {func(p *callback.Peer, _ *far, _ context.CancelCauseFunc) { _ = p.Close() }, nil},
		"shutdown":  {func(p *callback.Peer, _ *far, _ context.CancelCauseFunc) { _ = p.Shutdown(none) }, nil},
		"context":   {func(_ *callback.Peer, _ *far, c context.CancelCauseFunc) { c(cause) }, cause},
		"other end": {func(_ *callback.Peer, f *far, _ context.CancelCauseFunc) { _ = f.wire.Close() }, callback.ErrDisconnected},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				x, y := callback.Pipe(nil)
				p, f := callback.NewPeer(x, nil), farEnd(t, y)
				ctx, cancel := context.WithCancelCause(context.Background())
				ran := make(chan error, 1)
				go func() { ran <- p.Run(ctx) }()
				fu := callback.Dial[int, int](p, "f", nil)(none, 1)
				synctest.Wait()
				c.end(p, f, cancel)
				if err := <-ran; !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
					t.Errorf("Run returned %v, want %v", err, c.want)
				}
				if _, err := outcome(t, fu); antiphon.ClassOf(err) != antiphon.ClassUnknown {
					t.Error(err)
				}
				if _, err := x.Listen(none, ""); !errors.Is(err, callback.ErrClosed) {
					t.Error("the transport was not closed:", err)
				}
				cancel(nil)
			})
		})
	}
}

// Run of a peer that is closed already has nothing to do.
func TestRunAfterTheEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, end := range []func(*callback.Peer) error{(*callback.Peer).Close, func(p *callback.Peer) error { return p.Shutdown(none) }} {
			x, _ := callback.Pipe(nil)
			p := callback.NewPeer(x, nil)
			if err := end(p); err != nil {
				t.Error(err)
			}
			if err := p.Run(none); err != nil {
				t.Error(err)
			}
			ended(t, callback.Notify(none, p, "f", 1, nil), antiphon.CodeUnavailable, antiphon.ClassNotAccepted, callback.ErrClosed)
			_, err := outcome(t, callback.Dial[int, int](p, "f", nil)(none, 1))
			ended(t, err, antiphon.CodeUnavailable, antiphon.ClassNotAccepted, callback.ErrClosed)
		}
	})
}

// The contexts of work carry the values of Run's context, and not its end.
func TestWorkHasTheValuesOfRun(t *testing.T) {
	type key struct{}
	bubble(t, func(t *testing.T) {
		x, y := callback.Pipe(nil)
		p, f := callback.NewPeer(x, nil), farEnd(t, y)
		got := make(chan any, 2)
		callback.Serve(p, "f", func(ctx context.Context, _ int) (int, error) { got <- ctx.Value(key{}); return 0, nil }, nil)
		ran := make(chan error, 1)
		go func() { ran <- p.Run(context.WithValue(context.Background(), key{}, "v")) }()
		synctest.Wait()
		f.request("f", 1, "1")
		f.next(callback.Reply)
		f.send(callback.Message{Kind: callback.Event, To: "f", Body: []byte("1")})
		for range 2 {
			if v := <-got; v != "v" {
				t.Error(v)
			}
		}
		_ = p.Close()
		<-ran
	})
}

// Serve works while the peer runs; what came before was refused.
func TestServeWhileRunning(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b := pair(t, nil, nil)
		ask := callback.Dial[int, int](a, "f", nil)
		_, err := await(t, ask(none, 1))
		ended(t, err, antiphon.CodeUnimplemented, antiphon.ClassNotAccepted, callback.ErrUndeliverable)
		callback.Serve(b, "f", echo, nil)
		if v, err := await(t, ask(none, 1)); v != 1 || err != nil {
			t.Error(v, err)
		}
	})
}

// Both ends ask and answer, and a handler may ask back on the connection that it is
// asked on, at any depth.
func TestC8_HandlersAskBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b := pair(t, nil, nil)
		one := &callback.ServeOptions{Concurrency: 100}
		var down [2]func(context.Context, int) (int, error)
		for i, p := range []*callback.Peer{a, b} {
			ask := callback.Dial[int, int](p, "down", nil)
			down[i] = func(ctx context.Context, n int) (int, error) {
				if n == 0 {
					return 0, nil
				}
				m, err := ask(ctx, n-1).Await(ctx)
				return m + 1, err
			}
			callback.Serve(p, "down", down[i], one)
		}
		if v, err := await(t, callback.Dial[int, int](a, "down", nil)(none, 100)); v != 100 || err != nil {
			t.Error(v, err)
		}
	})
}

// 10 000 asks at once: each gets its own answer.
func TestC2_TenThousandAsks(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b := pair(t, &callback.PeerOptions{Outbox: 10000}, nil)
		callback.Serve(b, "double", func(_ context.Context, n int) (int, error) { return 2 * n, nil }, &callback.ServeOptions{Queue: 10000})
		ask := callback.Dial[int, int](a, "double", nil)
		errs := make(chan error, 10000)
		for i := range 10000 {
			go func() {
				v, err := ask(none, i).Await(none)
				if err == nil && v != 2*i {
					err = fmt.Errorf("%d doubled is not %d", i, v)
				}
				errs <- err
			}()
		}
		for range 10000 {
			if err := <-errs; err != nil {
				t.Fatal(err)
			}
		}
		if n := a.Pending(); n != 0 {
			t.Error(n, "pending")
		}
	})
}

// count yields 0 to n-1.
func count(_ context.Context, n int) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for i := range n {
			if !yield(i, nil) {
				return
			}
		}
	}
}
