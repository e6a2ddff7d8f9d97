package callback_test

import (
	"context"
	"errors"
	"iter"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/future"
)

// C6: what was asked over the connection that broke fails, what is asked after it
// does not, and what will be asked again goes on.
func TestC6_EpochsOfAReconnectingWire(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var es events
		b := newBus(callback.Caps{})
		a, end := b.peer(t, &callback.PeerOptions{Observer: es.observe})
		server, _ := b.peer(t, nil)
		release := make(chan struct{})
		callback.Serve(server, "f", func(_ context.Context, n int) (int, error) { <-release; return n, nil }, nil)
		for _, name := range []string{"own 1", "own 2"} { // more inboxes, of which each tells of the break
			callback.Serve(a, name, echo, nil)
		}
		ask := callback.Dial[int, int](a, "f", nil)
		again := callback.Dial[int, int](a, "f", &callback.DialOptions{Attempts: 2, Backoff: antiphon.Constant(time.Second)})
		synctest.Wait()
		for i := range 100 {
			lost, kept := ask(none, 1), again(none, 2)
			synctest.Wait()
			in := end.mine[0] // ours tells first, and the others late
			in.put(busItem{err: callback.ErrDisconnected})
			synctest.Wait()
			_, err := outcome(t, lost)
			ended(t, err, antiphon.CodeUnavailable, antiphon.ClassUnknown, callback.ErrDisconnected)
			fresh := ask(none, 3)
			synctest.Wait()
			for _, in := range end.mine[1:] {
				in.put(busItem{err: callback.ErrDisconnected})
			}
			synctest.Wait()
			pending(t, fresh)
			pending(t, kept)
			if i == 99 {
				close(release)
				for want, f := range map[int]*future.Future[int]{2: kept, 3: fresh} {
					if v, err := await(t, f); v != want || err != nil {
						t.Error(v, err)
					}
				}
			} else {
				in.put(busItem{err: callback.ErrDisconnected})
				synctest.Wait()
				_, err = outcome(t, fresh)
				ended(t, err, antiphon.CodeUnavailable, antiphon.ClassUnknown, callback.ErrDisconnected)
				time.Sleep(2 * time.Second) // the last attempt of the other has been
				in.put(busItem{err: callback.ErrDisconnected})
				synctest.Wait()
				_, err = outcome(t, kept)
				ended(t, err, antiphon.CodeUnavailable, antiphon.ClassUnknown, callback.ErrDisconnected)
			}
			if n := a.Pending(); n != 0 {
				t.Fatal(n, "pending")
			}
		}
		if n := es.count("callback.disconnected"); n != 298 {
			t.Error(n, "breaks observed")
		}
	})
}

// C6: nothing fails where the wire says that a break loses nothing.
func TestC6_RepliesThatSurvive(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBus(callback.Caps{RepliesSurvive: true})
		a, end := b.peer(t, nil)
		server, _ := b.peer(t, nil)
		callback.Serve(server, "f", func(_ context.Context, n int) (int, error) { time.Sleep(time.Second); return n, nil }, nil)
		synctest.Wait()
		fu := callback.Dial[int, int](a, "f", nil)(none, 1)
		synctest.Wait()
		end.breaks()
		if v, err := await(t, fu); v != 1 || err != nil {
			t.Error(v, err)
		}
	})
}

// A blip is a pipe whose connection breaks when it is told to, and is there again.
type blip struct {
	callback.Transport
	in *blipInbox
}

type blipInbox struct {
	callback.Inbox
	broken chan struct{}
}

func (b *blip) Listen(ctx context.Context, addr string) (callback.Inbox, error) {
	in, err := b.Transport.Listen(ctx, addr)
	b.in = &blipInbox{in, make(chan struct{}, 1)}
	return b.in, err
}

func (in *blipInbox) Receive(ctx context.Context) (callback.Delivery, error) {
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	type got struct {
		d   callback.Delivery
		err error
	}
	c := make(chan got, 1)
	go func() {
		d, err := in.Inbox.Receive(inner)
		c <- got{d, err}
	}()
	select {
	case g := <-c:
		return g.d, g.err
	case <-in.broken:
		cancel()
		<-c
		return callback.Delivery{}, callback.ErrDisconnected
	}
}

// Work goes on when the connection breaks, for its asker may ask again, and it is
// done once. A stream ends: nobody asks for it again.
func TestWorkSurvivesTheConnection(t *testing.T) {
	bubble(t, func(t *testing.T) {
		x, y := callback.Pipe(nil)
		wire := &blip{Transport: x}
		p, f := callback.NewPeer(wire, nil), farEnd(t, y)
		run(t, p)
		synctest.Wait()
		var calls atomic.Int64
		callback.Serve(p, "f", func(ctx context.Context, n int) (int, error) {
			calls.Add(1)
			time.Sleep(time.Second)
			return n, ctx.Err()
		}, nil)
		causes := make(chan error, 1)
		callback.ServeStream(p, "s", func(ctx context.Context, _ int) iter.Seq2[int, error] {
			return func(yield func(int, error) bool) {
				for yield(1, nil) {
				}
				causes <- context.Cause(ctx)
			}
		}, nil)
		f.request("f", 1, "7")
		f.send(callback.Message{Kind: callback.Request, ID: callback.ID{2}, To: "s", Seq: 2, Body: []byte("1")})
		f.next(callback.Part)
		f.next(callback.Part)
		synctest.Wait()
		wire.in.broken <- struct{}{}
		if err := <-causes; !errors.Is(err, callback.ErrDisconnected) {
			t.Error(err)
		}
		f.next(callback.Reply)
		f.request("f", 1, "7")
		if m := f.next(callback.Reply); string(m.Body) != "7" || calls.Load() != 1 {
			t.Errorf("%d calls, %+v", calls.Load(), m)
		}
	})
}

// fragile breaks while it is asked to take a message.
type fragile struct {
	*blip
	takes  *atomic.Bool // and says that it has
	breaks *atomic.Bool
}

func (f fragile) TrySend(m *callback.Message) (bool, error) {
	if f.breaks.Load() {
		f.in.broken <- struct{}{}
		synctest.Wait() // the peer has dealt with it
		if !f.takes.Load() {
			return true, callback.ErrUndeliverable
		}
	}
	return f.Transport.(callback.TrySender).TrySend(m)
}

// C11: what the wire refuses while it breaks was not accepted; what it takes then is
// unknown, at once.
func TestC11_BreakWhileSending(t *testing.T) {
	bubble(t, func(t *testing.T) {
		x, y := callback.Pipe(nil)
		wire := fragile{&blip{Transport: x}, new(atomic.Bool), new(atomic.Bool)}
		p, f := callback.NewPeer(wire, nil), farEnd(t, y)
		run(t, p)
		synctest.Wait()
		ask := callback.Dial[int, int](p, "f", nil)
		earlier := ask(none, 0)
		wire.breaks.Store(true)
		_, err := outcome(t, ask(none, 1))
		ended(t, err, antiphon.CodeUnavailable, antiphon.ClassNotAccepted, callback.ErrUndeliverable)
		_, err = outcome(t, earlier)
		ended(t, err, antiphon.CodeUnavailable, antiphon.ClassUnknown, callback.ErrDisconnected)
		wire.takes.Store(true)
		_, err = outcome(t, ask(none, 2))
		ended(t, err, antiphon.CodeUnavailable, antiphon.ClassUnknown, callback.ErrDisconnected)
		again := callback.Dial[int, int](p, "f", &callback.DialOptions{Attempts: 2})(none, 3)
		wire.breaks.Store(false)
		synctest.Wait()
		pending(t, again)
		for m := f.peek(); m != nil; m = f.peek() {
			if m.Kind == callback.Request && string(m.Body) == "3" {
				f.answer(m, "4")
			}
		}
		if v, err := await(t, again); v != 4 || err != nil {
			t.Error(v, err)
		}
		if n := p.Pending(); n != 0 {
			t.Error(n, "pending")
		}
	})
}

// The heartbeat asks for a sign of life when it is silent, and gives up when there
// is none for as long again.
func TestHeartbeat(t *testing.T) {
	bubble(t, func(t *testing.T) {
		x, y := callback.Pipe(nil)
		p, f := callback.NewPeer(x, &callback.PeerOptions{Heartbeat: 10 * time.Second}), farEnd(t, y)
		ran := make(chan error, 1)
		go func() { ran <- p.Run(none) }()
		start := time.Now()
		at := func(want time.Duration) {
			t.Helper()
			if d := time.Since(start); d != want {
				t.Errorf("at %v, want %v", d, want)
			}
		}
		f.next(callback.Ping)
		at(10 * time.Second)
		time.Sleep(3 * time.Second)
		f.send(callback.Message{Kind: callback.Pong})
		f.next(callback.Ping)
		at(23 * time.Second) // ten after the pong, to be looked at at twenty
		time.Sleep(9 * time.Second)
		f.send(callback.Message{Kind: callback.Event, To: "any sign of life"})
		f.send(callback.Message{Kind: callback.Ping, ReplyTo: "whom"})
		if m := f.next(callback.Pong); m.To != "whom" {
			t.Errorf("%+v", m)
		}
		fu := callback.Dial[int, int](p, "f", &callback.DialOptions{Timeout: time.Hour})(none, 1)
		f.next(callback.Request)
		f.next(callback.Ping)
		at(42 * time.Second)
		err := <-ran
		at(52 * time.Second)
		ended(t, err, antiphon.CodeUnavailable, antiphon.ClassUnknown, callback.ErrDisconnected)
		_, err = outcome(t, fu)
		ended(t, err, antiphon.CodeUnavailable, antiphon.ClassUnknown, callback.ErrDisconnected)
	})
}

// A transport that can connect again is told to, and the peer lives on.
type revived struct {
	callback.Transport
	told chan error
}

func (r revived) Reconnect(cause error) { r.told <- cause }

func TestHeartbeatReconnects(t *testing.T) {
	bubble(t, func(t *testing.T) {
		x, y := callback.Pipe(nil)
		r := revived{x, make(chan error, 10)}
		p, f := callback.NewPeer(r, &callback.PeerOptions{Heartbeat: time.Second}), farEnd(t, y)
		run(t, p)
		for range 3 {
			f.next(callback.Ping)
			start := time.Now()
			if err := <-r.told; !errors.Is(err, callback.ErrDisconnected) || time.Since(start) != time.Second {
				t.Error(err, time.Since(start))
			}
		}
		fu := callback.Dial[int, int](p, "f", nil)(none, 1)
		for _, m := range f.all() {
			if m.Kind == callback.Request {
				f.answer(m, "1")
			}
		}
		if _, err := await(t, fu); err != nil {
			t.Error(err)
		}
	})
}

// 100 cuts, with asks under way on both sides: all fail as unknown, none hangs, and
// nothing is left.
func TestC6_HundredCuts(t *testing.T) {
	for i := range 100 {
		bubble(t, func(t *testing.T) {
			x, y := callback.Pipe(nil)
			a, b := callback.NewPeer(x, nil), callback.NewPeer(y, nil)
			for _, p := range []*callback.Peer{a, b} {
				callback.Serve(p, "f", func(ctx context.Context, n int) (int, error) { time.Sleep(time.Duration(n)); return n, nil }, nil)
				run(t, p)
			}
			var fs []*future.Future[int]
			for n := range 50 {
				fs = append(fs, callback.Dial[int, int](a, "f", nil)(none, n), callback.Dial[int, int](b, "f", nil)(none, n))
			}
			time.Sleep(time.Duration(i / 2))
			_ = []callback.Transport{x, y}[i%2].Close()
			start := time.Now()
			for _, f := range fs {
				if _, err := await(t, f); err != nil && antiphon.CodeOf(err) != antiphon.CodeUnavailable {
					t.Error(err)
				}
			}
			if d := time.Since(start); d > time.Second {
				t.Error("they failed after", d)
			}
			time.Sleep(time.Second) // the work does not look at its context
		})
	}
}
