package queuetest

import (
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon/internal/suite"
	"github.com/antiphon-go/antiphon/queue/driver"
)

type (
	rule = suite.Rule[*trial, *abilities]
	need = suite.Need[*abilities]
)

// A trial is one rule being checked on a store.
type trial struct {
	*suite.Trial
	store Store
	tick  time.Duration
	ids   atomic.Int64
}

func newTrial(tb testing.TB, w Store) *trial {
	w = w.withDefaults()
	return &trial{Trial: w.world().Begin(tb), store: w, tick: w.Tick}
}

// open opens the store, whose backend is closed with the trial.
func (t *trial) open() *side {
	t.Helper()
	return t.owns(t.store.Open(t))
}

// another opens another backend on the store of s.
func (t *trial) another(s *side) *side {
	t.Helper()
	return t.owns(t.store.Again(t, s.b))
}

func (t *trial) owns(b driver.Backend) *side {
	t.Helper()
	if b == nil {
		t.Fatalf("there is no backend")
	}
	t.Cleanup(func() { t.close(b) })
	return &side{trial: t, b: b, queue: "queuetest-" + t.Mark}
}

// close closes b, which must not take long.
func (t *trial) close(b driver.Backend) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := b.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}()
	t.Watch("Close did not return", done)
}

// id makes an id that no other trial uses.
func (t *trial) id() string { return t.Mark + "-" + strconv.FormatInt(t.ids.Add(1), 10) }

// notBefore fails the test if it is earlier than d after from.
func (t *trial) notBefore(what string, from time.Time, d time.Duration) {
	t.Helper()
	if after := time.Since(from); after < d-t.store.Precision {
		t.Errorf("%s after %v, before %v had passed", what, after, d)
	}
}

// late is when what was to be over after d surely is, by the backend's clock.
func (t *trial) late(d time.Duration) time.Duration {
	return d + t.store.Precision + min(t.store.Slack, t.tick/2)
}

// life is a time that is enough for a few calls.
func (t *trial) life() time.Duration { return t.tick + t.store.Slack }
