package callbacktest

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon/callback"
)

// Around a transport with addresses and groups, a faulty one has them too.
func TestFaultyAroundABroker(t *testing.T) {
	TestTransport(t, Wire{Bubble: true, Open: func(tb testing.TB) *Ends {
		e := newBroker(callback.Caps{SettledDelivery: true}).open(tb)
		a, b, another := Faulty(e.A, nil), Faulty(e.B, nil), e.Another
		e.A, e.B = a, b
		e.Another = func() callback.Transport { return Faulty(another(), nil) }
		e.Cut = func() { a.Cut(); b.Cut() }
		e.Heal = func() { a.Heal(); b.Heal() }
		e.Garbage = nil // which looks for its own end
		return e
	}})
}

// Where deliveries are settled, what is lost at the receiving end comes again.
func TestFaultyLosesNothingForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newBroker(callback.Caps{SettledDelivery: true}).open(t)
		b := Faulty(e.B, &FaultOptions{Loss: 0.5, Duplication: 0.5})
		in, err := b.Listen(t.Context(), "work")
		if err != nil {
			t.Fatal(err)
		}
		const n = 100
		for range n {
			if err := e.A.Send(t.Context(), &callback.Message{Kind: callback.Event, To: "work", ID: newID()}); err != nil {
				t.Fatal(err)
			}
		}
		times := map[callback.ID]int{}
		again := 0
		for {
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			d, err := in.Receive(ctx)
			cancel()
			if err != nil {
				break
			}
			times[d.ID]++
			if d.Attempt > 1 {
				again++
			}
			if err := d.Settle(t.Context(), nil); err != nil {
				t.Error(err)
			}
		}
		if len(times) != n || again == 0 {
			t.Errorf("%d of %d came, %d again", len(times), n, again)
		}
		for _, tr := range []callback.Transport{e.A, b} {
			_ = tr.Close()
		}
	})
}
