package callback_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
)

// A wire that learns later that nobody got a request brings it back as an answer: the
// ask is not accepted then, or asks again as often as it may. Of one that has asked
// before it is unknown.
func TestC11_RequestsThatTheWireBringsBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBus(callback.Caps{Bounces: true})
		wire := &busEnd{bus: b}
		in, _ := wire.Listen(none, "f")
		p, _ := b.peer(t, nil)
		synctest.Wait()
		request := func() *callback.Message {
			t.Helper()
			ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
			defer cancel()
			d, err := in.Receive(ctx)
			if err != nil {
				t.Fatal(err)
			}
			return d.Message
		}
		// The bus copies messages, and not their errors.
		bounce := func(m *callback.Message) {
			back := &callback.Message{Kind: callback.Reply, ID: m.ID, To: m.ReplyTo, Err: callback.ErrUndeliverable.(*antiphon.Error)}
			if err := wire.Send(t.Context(), back); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}

		fu := callback.Dial[int, int](p, "f", nil)(none, 1)
		bounce(request())
		_, err := await(t, fu)
		ended(t, err, antiphon.CodeUnavailable, antiphon.ClassNotAccepted, callback.ErrUndeliverable)

		again := callback.Dial[int, int](p, "f", &callback.DialOptions{Attempts: 2, Backoff: antiphon.Constant(time.Second)})
		fu = again(none, 2)
		bounce(request())
		pending(t, fu)
		m := request()
		if err := wire.Send(t.Context(), &callback.Message{Kind: callback.Reply, ID: m.ID, To: m.ReplyTo, Body: []byte("7")}); err != nil {
			t.Fatal(err)
		}
		if v, err := await(t, fu); v != 7 || err != nil {
			t.Error(v, err)
		}

		fu = again(none, 3)
		bounce(request())
		bounce(request())
		_, err = await(t, fu)
		ended(t, err, antiphon.CodeUnavailable, antiphon.ClassUnknown, callback.ErrUndeliverable)
	})
}
