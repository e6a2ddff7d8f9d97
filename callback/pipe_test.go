package callback_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
)

// The kinds of each sort keep their order, and answers come before requests, and
// these before events.
func TestPipeOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		x, y := callback.Pipe(nil)
		f := farEnd(t, y)
		for i := range 100 {
			for _, k := range []callback.Kind{callback.Event, callback.Request, callback.Part} {
				if err := x.Send(t.Context(), &callback.Message{Kind: k, Seq: uint32(i)}); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, k := range []callback.Kind{callback.Part, callback.Request, callback.Event} {
			for i := range 100 {
				if m := f.next(k); m.Seq != uint32(i) {
					t.Fatal(k, i, m.Seq)
				}
			}
		}
		f.nothing()
	})
}

// Each sort has Buffer places of its own; then Send waits, until its context ends.
func TestPipeBuffer(t *testing.T) {
	for _, o := range []*callback.PipeOptions{nil, {Buffer: 3}, {Buffer: -1}} {
		bubble(t, func(t *testing.T) {
			x, y := callback.Pipe(o)
			f, n := farEnd(t, y), 256
			if o != nil && o.Buffer > 0 {
				n = o.Buffer
			}
			try := x.(callback.TrySender)
			for _, k := range []callback.Kind{callback.Event, callback.Request, callback.Progress} {
				for i := range n {
					if ok, err := try.TrySend(&callback.Message{Kind: k, Seq: uint32(i)}); !ok || err != nil {
						t.Fatal(k, i, ok, err)
					}
				}
				m := &callback.Message{Kind: k}
				if ok, err := try.TrySend(m); ok || err != nil {
					t.Error(k, ok, err)
				}
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				start := time.Now()
				err := x.Send(ctx, m)
				ended(t, err, antiphon.CodeDeadlineExceeded, antiphon.ClassNotAccepted, context.DeadlineExceeded)
				if d := time.Since(start); d != time.Second {
					t.Error(d)
				}
				cancel()
			}
			sent := make(chan error, 1)
			go func() { sent <- x.Send(context.Background(), &callback.Message{Kind: callback.Event, Seq: 7}) }()
			synctest.Wait()
			if len(sent) != 0 {
				t.Error("it did not wait")
			}
			if all := f.all(); len(all) != 3*n+1 || all[3*n].Seq != 7 {
				t.Error(len(all))
			}
			if err := <-sent; err != nil {
				t.Error(err)
			}
		})
	}
}

func TestPipeMaxBody(t *testing.T) {
	bubble(t, func(t *testing.T) {
		x, y := callback.Pipe(&callback.PipeOptions{MaxBody: 5})
		f := farEnd(t, y)
		if c := x.Caps(); c.MaxBody != 5 || !c.PointToPoint {
			t.Errorf("%+v", c)
		}
		err := x.Send(t.Context(), &callback.Message{Kind: callback.Event, Body: make([]byte, 6)})
		ended(t, err, antiphon.CodeResourceExhausted, antiphon.ClassNotAccepted, antiphon.ErrTooLarge)
		ok, err := x.(callback.TrySender).TrySend(&callback.Message{Kind: callback.Event, Body: make([]byte, 6)})
		if ended(t, err, antiphon.CodeResourceExhausted, antiphon.ClassNotAccepted); !ok {
			t.Error("a message that is too large will never be taken")
		}
		body := make([]byte, 5)
		if err := x.Send(t.Context(), &callback.Message{Kind: callback.Event, Body: body}); err != nil {
			t.Error(err)
		}
		if m := f.next(callback.Event); &m.Body[0] != &body[0] {
			t.Error("it was copied")
		}
	})
}

// The lesser of the wire's and the peer's MaxBody counts, to the byte.
func TestC10_MaxBody(t *testing.T) {
	for _, c := range []struct{ wire, peer, want int }{{0, 100, 100}, {100, 0, 100}, {100, 50, 50}, {50, 100, 50}, {0, 0, 4 << 20}} {
		bubble(t, func(t *testing.T) {
			p, f := aloneOn(t, &callback.PeerOptions{MaxBody: c.peer, Codec: callback.Bytes{}}, &callback.PipeOptions{MaxBody: c.wire})
			callback.Serve(p, "f", func(_ context.Context, n []byte) ([]byte, error) { return make([]byte, len(n)+1), nil }, nil)
			ask := callback.Dial[[]byte, []byte](p, "g", nil)
			fu := ask(none, make([]byte, c.want))
			m := f.next(callback.Request)
			_, err := outcome(t, ask(none, make([]byte, c.want+1)))
			ended(t, err, antiphon.CodeResourceExhausted, antiphon.ClassNotAccepted, antiphon.ErrTooLarge)
			f.request("f", 1, string(make([]byte, c.want))) // whose answer is too large
			ended(t, f.next(callback.Reply).Err, antiphon.CodeResourceExhausted, antiphon.ClassFailed)
			if c.wire == 0 || c.peer > 0 && c.peer < c.wire { // else the wire does not even carry it
				f.request("f", 2, string(make([]byte, c.want+1)))
				ended(t, f.next(callback.Reply).Err, antiphon.CodeResourceExhausted, antiphon.ClassNotAccepted, antiphon.ErrTooLarge)
				f.answer(m, string(make([]byte, c.want+1)))
				_, err = await(t, fu)
				ended(t, err, antiphon.CodeResourceExhausted, antiphon.ClassFailed, antiphon.ErrTooLarge)
			}
		})
	}
}

// Closing one end breaks the connection for the other, which hands out what came.
func TestPipeClose(t *testing.T) {
	bubble(t, func(t *testing.T) {
		x, y := callback.Pipe(nil)
		f, g := farEnd(t, y), farEnd(t, x)
		for range 2 {
			_ = x.Send(t.Context(), &callback.Message{Kind: callback.Event})
			_ = y.Send(t.Context(), &callback.Message{Kind: callback.Event})
		}
		waiting := make(chan error, 1)
		for range 256 {
			_, _ = y.(callback.TrySender).TrySend(&callback.Message{Kind: callback.Request})
		}
		go func() { waiting <- y.Send(context.Background(), &callback.Message{Kind: callback.Request}) }()
		synctest.Wait()
		for range 2 {
			if err := x.Close(); err != nil {
				t.Error(err)
			}
		}
		ended(t, <-waiting, antiphon.CodeUnavailable, antiphon.ClassNotAccepted, callback.ErrUndeliverable)
		ended(t, y.Send(t.Context(), &callback.Message{Kind: callback.Event}), antiphon.CodeUnavailable, antiphon.ClassNotAccepted, callback.ErrUndeliverable)
		ended(t, x.Send(t.Context(), &callback.Message{Kind: callback.Event}), antiphon.CodeUnavailable, antiphon.ClassNotAccepted, callback.ErrClosed)
		f.next(callback.Event)
		f.next(callback.Event)
		for _, want := range []error{callback.ErrDisconnected, callback.ErrClosed, callback.ErrClosed} {
			if _, err := f.in.Receive(t.Context()); !errors.Is(err, want) {
				t.Errorf("%v, want %v", err, want)
			}
		}
		if n := len(g.all()); n != 2+256 { // received before the close
			t.Error(n)
		}
		if _, err := g.in.Receive(t.Context()); !errors.Is(err, callback.ErrClosed) {
			t.Error(err)
		}
		if _, err := x.Listen(t.Context(), ""); !errors.Is(err, callback.ErrClosed) {
			t.Error(err)
		}
	})
}

// An inbox that is closed takes no more, hands out what it has, and leaves the wire.
func TestPipeInboxClose(t *testing.T) {
	bubble(t, func(t *testing.T) {
		x, y := callback.Pipe(nil)
		f, g := farEnd(t, y), farEnd(t, x)
		if _, err := x.Listen(t.Context(), ""); antiphon.CodeOf(err) != antiphon.CodeInvalidArgument {
			t.Error("a second inbox:", err)
		}
		if _, err := x.Listen(t.Context(), "name"); !errors.Is(err, errors.ErrUnsupported) {
			t.Error(err)
		}
		if a := f.in.Addr(); a != "" {
			t.Error(a)
		}
		_ = x.Send(t.Context(), &callback.Message{Kind: callback.Event})
		received := make(chan error, 1)
		go func() { _, err := g.in.Receive(context.Background()); received <- err }()
		synctest.Wait()
		for range 2 {
			if err := f.in.Close(); err != nil {
				t.Error(err)
			}
			_ = g.in.Close()
		}
		if err := <-received; !errors.Is(err, callback.ErrClosed) {
			t.Error(err)
		}
		ended(t, x.Send(t.Context(), &callback.Message{Kind: callback.Event}), antiphon.CodeUnavailable, antiphon.ClassNotAccepted, callback.ErrUndeliverable)
		f.next(callback.Event)
		if _, err := f.in.Receive(t.Context()); !errors.Is(err, callback.ErrClosed) {
			t.Error(err)
		}
	})
}

// An atDone does something when it is asked for its channel, just before somebody
// waits for that.
type atDone struct {
	context.Context
	do func()
}

func (a atDone) Done() <-chan struct{} {
	a.do()
	return a.Context.Done()
}

// A message that comes in the very moment that its reader gives up waits for the
// next, and so does the wake-up that went with it.
func TestPipeReceiveGivesUpAsAMessageComes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		x, y := callback.Pipe(nil)
		f := farEnd(t, y)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		gaveUp := 0
		for range 200 {
			_, err := f.in.Receive(atDone{ctx, func() {
				if ok, err := x.(callback.TrySender).TrySend(&callback.Message{Kind: callback.Event}); !ok || err != nil {
					t.Fatal(ok, err)
				}
			}})
			if err != nil {
				gaveUp++
				f.next(callback.Event)
			}
		}
		f.nothing()
		if gaveUp == 0 {
			t.Error("it never gave up")
		}
	})
}

// Send, Receive and Close by many, with contexts that end: nothing is lost, doubled,
// or left.
func TestX1_PipeUnderContention(t *testing.T) {
	for round := range 20 {
		bubble(t, func(t *testing.T) {
			x, y := callback.Pipe(&callback.PipeOptions{Buffer: 1 + round%4})
			f := farEnd(t, y)
			var mu sync.Mutex
			sent, got := map[uint32]bool{}, map[uint32]bool{}
			var wg sync.WaitGroup
			for g := range 4 {
				wg.Go(func() {
					for i := range 200 {
						n := uint32(1000*g + i)
						ctx, cancel := context.WithCancel(context.Background())
						if i%3 == 0 {
							go cancel()
						}
						err := x.Send(ctx, &callback.Message{Kind: callback.Kind(1 + 6*(g%2)), Seq: n})
						cancel()
						if err == nil {
							mu.Lock()
							sent[n] = true
							mu.Unlock()
						}
					}
				})
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				for {
					ctx, cancel := context.WithCancel(context.Background())
					go cancel()
					d, err := f.in.Receive(ctx)
					cancel()
					switch {
					case err == nil && got[d.Seq]:
						t.Error("doubled:", d.Seq)
					case err == nil:
						got[d.Seq] = true
					case errors.Is(err, callback.ErrDisconnected):
						return
					}
				}
			}()
			wg.Wait()
			_ = x.Close()
			<-done
			if fmt.Sprint(len(sent)) != fmt.Sprint(len(got)) {
				t.Errorf("%d sent, %d received", len(sent), len(got))
			}
		})
	}
}
