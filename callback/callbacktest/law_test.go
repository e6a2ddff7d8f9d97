package callbacktest_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/callback/callbacktest"
	"github.com/antiphon-go/antiphon/future/futuretest"
)

// seeds is how many wires a law is tried on: n, or a tenth where each step is slow.
func seeds(n int) uint64 {
	if testing.Short() || slow {
		n /= 10
	}
	return uint64(n)
}

// wires are bad in one way each, and in all.
var wires = []struct {
	name string
	o    callbacktest.FaultOptions
}{
	{"loses", callbacktest.FaultOptions{Loss: 0.2}},
	{"doubles", callbacktest.FaultOptions{Duplication: 0.3}},
	{"delays", callbacktest.FaultOptions{Delay: 20 * time.Millisecond}},
	{"reorders", callbacktest.FaultOptions{Delay: 5 * time.Millisecond, Reordering: 0.3}},
	{"all", callbacktest.FaultOptions{Loss: 0.1, Duplication: 0.1, Delay: 10 * time.Millisecond, Reordering: 0.1}},
}

// X8: an ask over a wire that loses, doubles, delays and reorders is an ask as any
// other, if it is sent often enough: whatever the seed.
func TestX8_LawOnFaultyWires(t *testing.T) {
	for _, w := range wires {
		for seed := range seeds(40) {
			t.Run(fmt.Sprintf("%s/%d", w.name, seed), func(t *testing.T) {
				o := w.o
				o.Seed = seed
				futuretest.TestAsker(t, futuretest.Way{
					ExactlyOnce: true,
					NoCancel:    o.Loss > 0, // a cancel is sent once
					NoProgress:  o.Loss > 0, // and so is a report
					Bubble:      true,
					Open: func(tb testing.TB, f futuretest.Func) futuretest.Asker {
						a, b := faultyPeers(tb, &o, nil)
						callback.Serve(b, "f", f, nil)
						return callback.Dial[futuretest.Query, futuretest.Answer](a, "f", persistent)
					},
				})
			})
		}
	}
}

// persistent asks until there is an answer.
var persistent = &callback.DialOptions{
	Attempts: 10_000,
	Backoff:  func(int) time.Duration { return 20 * time.Millisecond },
}

// faultyPeers runs two peers on a pipe with faults at both ends, until the test ends.
func faultyPeers(tb testing.TB, o *callbacktest.FaultOptions, po *callback.PeerOptions) (a, b *callback.Peer) {
	x, y := callback.Pipe(nil)
	other := *o
	other.Seed = ^o.Seed
	a = callback.NewPeer(callbacktest.Faulty(x, o), po)
	b = callback.NewPeer(callbacktest.Faulty(y, &other), po)
	runs(tb, a)
	runs(tb, b)
	return a, b
}

// runs runs p until the test ends.
func runs(tb testing.TB, p *callback.Peer) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = p.Run(context.Background())
	}()
	tb.Cleanup(func() {
		_ = p.Close()
		<-done
	})
}
