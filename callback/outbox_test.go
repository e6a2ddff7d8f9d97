package callback_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/future"
)

// Outbox messages of each sort wait, and OutboxBytes of them; requests and events
// get half of these.
func TestC5_Outbox(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, wire, f := stuckPair(t, &callback.PeerOptions{Outbox: 3})
		callback.Serve(p, "f", echo, nil)
		wire.close()
		ask := callback.Dial[int, int](p, "g", nil)
		ask(none, 0)
		jam(t, p, wire)
		refused := 0
		for i := range 5 {
			if _, ok := ask(none, i).Peek(); ok {
				refused++
			}
			ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
			if callback.Notify(ctx, p, "e", i, nil) != nil {
				refused++
			}
			cancel()
			f.request("f", byte(i+1), "1")
		}
		synctest.Wait()
		if refused != 2+2 {
			t.Error(refused, "refused")
		}
		wire.open()
		if n := len(f.all()); n != 4+4+5 { // replies wait for room
			t.Error(n, "came")
		}
	})
}

func TestC5_OutboxBytes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, wire, f := stuckPair(t, &callback.PeerOptions{OutboxBytes: 10000})
		callback.Serve(p, "f", func(_ context.Context, n int) (string, error) { return strings.Repeat("x", n), nil }, nil)
		wire.close()
		ask := callback.Dial[string, int](p, "g", nil)
		large := strings.Repeat("x", 2000)
		ask(none, large) // with the writer
		synctest.Wait()
		refused := 0
		for range 5 {
			if _, ok := ask(none, large).Peek(); ok {
				refused++
			}
		}
		if refused != 3 {
			t.Error(refused, "requests refused")
		}
		ended(t, callback.Notify(none, p, "e", large, &callback.NotifyOptions{Overflow: callback.DropOldest}), antiphon.CodeResourceExhausted, antiphon.ClassNotAccepted)
		for n := byte(1); n <= 4; n++ {
			f.request("f", n, "2000")
		}
		synctest.Wait() // one is with the writer, two wait, and one waits for room
		wire.open()
		if n := len(f.all()); n != 3+4 {
			t.Error(n, "came")
		}
		wire.close()
		ask(none, "") // with the writer
		synctest.Wait()
		pending(t, ask(none, strings.Repeat("x", 20000))) // one always fits
	})
}

// SendTimeout is how long the transport has for one message; the next then has its
// turn.
func TestSendTimeout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var es events
		p, wire, f := stuckPair(t, &callback.PeerOptions{SendTimeout: time.Second, Observer: es.observe})
		wire.close()
		start := time.Now()
		ask := callback.Dial[int, int](p, "f", &callback.DialOptions{Timeout: time.Minute})
		var fs []*future.Future[int]
		for i := range 5 {
			fs = append(fs, ask(none, i))
		}
		if err := callback.Notify(none, p, "e", 1, nil); err != nil {
			t.Fatal(err)
		}
		for i, fu := range fs[:3] {
			_, err := await(t, fu)
			ended(t, err, antiphon.CodeUnavailable, antiphon.ClassNotAccepted)
			if d := time.Since(start); d != time.Duration(i+1)*time.Second {
				t.Error(i, d)
			}
		}
		if e := es.last(t, "callback.unsent"); es.count("callback.unsent") != 1 || e.Kind != "event e" || e.Err == nil {
			t.Errorf("%+v", es.take())
		}
		wire.open()
		f.answer(f.next(callback.Request), "1")
		f.answer(f.next(callback.Request), "1")
		for _, fu := range fs[3:] {
			if _, err := await(t, fu); err != nil {
				t.Error(err)
			}
		}
	})
}

// A stream whose credit finds no room waits for some, and not beyond its end.
func TestStreamCreditOnAStuckWire(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, opens := range []bool{true, false} {
			p, wire, f := stuckPair(t, &callback.PeerOptions{Outbox: 1, SendTimeout: time.Hour}, callback.Credit, callback.Cancel)
			start := time.Now()
			looped := loop(callback.DialStream[int, int](p, "s", &callback.DialOptions{Window: 2, Timeout: 10 * time.Second})(none, 1))
			m := f.next(callback.Request)
			wire.close()
			for range 2 { // these fill the outbox
				ctx, cancel := context.WithCancel(context.Background())
				callback.Dial[int, int](p, "f", nil)(ctx, 1)
				f.next(callback.Request)
				cancel()
				synctest.Wait()
			}
			f.send(part(m, 1, "1"))
			f.send(part(m, 2, "2"))
			synctest.Wait()
			if len(looped) != 0 {
				t.Error(<-looped)
			}
			if opens {
				wire.open()
				f.next(callback.Cancel)
				f.next(callback.Cancel)
				if m := f.next(callback.Credit); m.Seq != 3 {
					t.Error(m.Seq)
				}
				f.send(part(m, 3, "3"))
				f.send(callback.Message{Kind: callback.Reply, ID: m.ID, Seq: 3})
				if err := <-looped; err != nil {
					t.Error(err)
				}
				continue
			}
			if err := <-looped; !errors.Is(err, callback.ErrExpired) || time.Since(start) != 10*time.Second {
				t.Error(err, time.Since(start))
			}
		}
	})
}
