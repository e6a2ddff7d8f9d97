package callback_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/antiphon-go/antiphon/callback"
)

// Who gives up before it is known who does the work cancels by name, which of a group
// may reach another. What comes of the work then is answered with a cancel where it
// says that it is done.
func TestGivenUpBeforeItWasKnownWhoDoesTheWork(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBus(callback.Caps{})
		asker, _ := b.peer(t, nil)
		worker := &busEnd{bus: b} // plays the one that works: the cancel by name never gets there
		named, err := worker.Listen(t.Context(), "f")
		if err != nil {
			t.Fatal(err)
		}
		own, err := worker.Listen(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		defer worker.Close()
		synctest.Wait()

		next := func(in callback.Inbox) *callback.Message {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), 1)
			defer cancel()
			synctest.Wait()
			if d, err := in.Receive(ctx); err == nil {
				return d.Message
			}
			return nil
		}
		say := func(m callback.Message) {
			t.Helper()
			if err := worker.Send(t.Context(), &m); err != nil {
				t.Fatal(err)
			}
		}
		for _, kind := range []callback.Kind{callback.Progress, callback.Part} {
			ctx, giveUp := context.WithCancel(t.Context())
			f := callback.Dial[int, int](asker, "f", nil)(ctx, 1)
			request := next(named)
			giveUp()
			if _, err := f.Await(t.Context()); !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			if m := next(named); m == nil || m.Kind != callback.Cancel {
				t.Fatalf("to the name went %+v, want a cancel", m)
			}
			say(callback.Message{Kind: kind, ID: request.ID, To: request.ReplyTo, ReplyTo: own.Addr(), Seq: 1})
			if m := next(own); m == nil || m.Kind != callback.Cancel || m.ID != request.ID {
				t.Errorf("%s: to the one that works went %+v, want a cancel", kind, m)
			}
			// An answer is the end of the work, and an id that nobody asked under is nobody's.
			say(callback.Message{Kind: callback.Reply, ID: request.ID, To: request.ReplyTo, ReplyTo: own.Addr()})
			say(callback.Message{Kind: kind, ID: callback.ID{1}, To: request.ReplyTo, ReplyTo: own.Addr(), Seq: 1})
			if m := next(own); m != nil {
				t.Errorf("%s: a message to nobody was answered with %+v", kind, m)
			}
		}
	})
}
