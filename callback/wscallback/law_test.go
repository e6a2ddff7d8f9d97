package wscallback_test

import (
	"testing"
	"time"

	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/callback/wscallback"
	"github.com/antiphon-go/antiphon/future/futuretest"
)

func TestX8_InMemory(t *testing.T) {
	for name, o := range map[string]wscallback.Options{
		"binary": {},
		"text":   {Text: true},
		"resume": {Resume: time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			futuretest.TestAsker(t, futuretest.Way{
				ExactlyOnce: true,
				Bubble:      true,
				Open: func(t testing.TB, f futuretest.Func) futuretest.Asker {
					n, _ := inMemory(t, serving(func(p *callback.Peer) { callback.Serve(p, "f", f, nil) }, nil), &o)
					mine := o
					mine.Client = n.client()
					p := peerOn(t, "ws://memory/", &mine, nil)
					return callback.Dial[futuretest.Query, futuretest.Answer](p, "f", nil)
				},
			})
		})
	}
}

func TestX8_Loopback(t *testing.T) {
	futuretest.TestAsker(t, futuretest.Way{
		ExactlyOnce: true,
		Open: func(t testing.TB, f futuretest.Func) futuretest.Asker {
			url := overLoopback(t, serving(func(p *callback.Peer) { callback.Serve(p, "f", f, nil) }, nil), nil)
			p := peerOn(t, url, nil, nil)
			return callback.Dial[futuretest.Query, futuretest.Answer](p, "f", nil)
		},
	})
}
