package natscallback_test

import (
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/future/futuretest"
)

func TestX8_Law(t *testing.T) {
	for name, c := range map[string]struct {
		group   string
		answers int
		one     bool
	}{
		"alone":          {"", 1, false},
		"group":          {"g", 3, false},
		"one connection": {"", 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			url := run(t)
			futuretest.TestAsker(t, futuretest.Way{
				ExactlyOnce: true,
				Patience:    patience,
				Open: func(tb testing.TB, f futuretest.Func) futuretest.Asker {
					work := "law." + nats.NewInbox()
					serve := func(p *callback.Peer) {
						callback.Serve(p, work, f, &callback.ServeOptions{Group: c.group})
					}
					ask := callback.Dial[futuretest.Query, futuretest.Answer]
					if c.one {
						nc := connect(tb, url)
						tb.Cleanup(nc.Close)
						peerOn(tb, over(tb, nc, nil), nil, serve)
						return ask(peerOn(tb, over(tb, nc, nil), nil, nil), work, nil)
					}
					for range c.answers {
						peer(tb, url, nil, serve)
					}
					return ask(peer(tb, url, nil, nil), work, nil)
				},
			})
		})
	}
}
