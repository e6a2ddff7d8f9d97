package callbacktest_test

import (
	"testing"
	"time"

	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/callback/callbacktest"
)

// faultyPipe is a pipe with a faulty transport at either end, which can be cut and
// heals.
func faultyPipe(o *callbacktest.FaultOptions) func(testing.TB) *callbacktest.Ends {
	return func(testing.TB) *callbacktest.Ends {
		x, y := callback.Pipe(nil)
		a, b := callbacktest.Faulty(x, o), callbacktest.Faulty(y, o)
		return &callbacktest.Ends{
			A: a, B: b,
			Cut:  func() { a.Cut(); b.Cut() },
			Heal: func() { a.Heal(); b.Heal() },
		}
	}
}

// One that only takes its time keeps every promise as well.
func TestFaultyThatDelays(t *testing.T) {
	o := &callbacktest.FaultOptions{Seed: 1, Delay: time.Millisecond}
	callbacktest.TestTransport(t, callbacktest.Wire{Open: faultyPipe(o), Bubble: true})
}

// Without faults a faulty transport is a transport like any other, and one that
// connects again.
func TestFaultyWithoutFaults(t *testing.T) {
	callbacktest.TestTransport(t, callbacktest.Wire{Open: faultyPipe(nil), Bubble: true})
}
