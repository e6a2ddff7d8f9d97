package callbacktest

import (
	"testing"

	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/internal/suite"
)

type (
	rule = suite.Rule[*trial, *abilities]
	need = suite.Need[*abilities]
)

// A trial is one rule being checked over a wire.
type trial struct {
	*suite.Trial
	wire Wire
}

func newTrial(tb testing.TB, w Wire) *trial {
	t := w.world().Begin(tb)
	w.Patience, w.Slack = t.Patience, t.Slack
	return &trial{Trial: t, wire: w}
}

// open opens the wire; its ends are closed with the trial.
func (t *trial) open() *Ends {
	t.Helper()
	e := t.wire.Open(t)
	if e == nil || e.A == nil || e.B == nil {
		t.Fatalf("Open returned no two ends")
	}
	own := *e
	t.owns(e.A)
	t.owns(e.B)
	if e.Another != nil {
		own.Another = func() callback.Transport {
			t.Helper()
			c := e.Another()
			if c == nil {
				t.Fatalf("Another returned no transport")
			}
			t.owns(c)
			return c
		}
	}
	if e.Again != nil {
		own.Again = func() callback.Transport { return t.again(e.Again) }
	}
	return &own
}

// again waits for the transport that takes the place of another.
func (t *trial) again(next func() callback.Transport) callback.Transport {
	t.Helper()
	got := make(chan callback.Transport, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		got <- next()
	}()
	t.Within("after Heal, Again did not return", done)
	b := <-got
	if b == nil {
		t.Fatalf("after Heal, Again returned no transport")
	}
	t.owns(b)
	return b
}

// owns closes tr when the trial ends.
func (t *trial) owns(tr callback.Transport) {
	t.Cleanup(func() { t.close("Close", tr) })
}

// A closer is a transport, an inbox or a peer.
type closer interface{ Close() error }

// close closes c, which must not take long.
func (t *trial) close(what string, c closer) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = c.Close()
	}()
	t.Watch(what+" did not return", done)
}

// name makes a name that no other trial uses, for wires that outlive their tests.
func (t *trial) name(s string) string { return "callbacktest-" + s + "-" + t.Mark }
