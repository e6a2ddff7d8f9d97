package queuetest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon/queue/driver"
)

// A rule is one sentence of the contract and how to find it broken.
type rule struct {
	name  string
	why   string
	needs []need // what the backend must have for it to mean anything
	check func(*trial)
}

func (r rule) run(tb testing.TB, w Store) {
	tb.Helper()
	defer func() {
		if tb.Failed() {
			tb.Logf("the rule: %s", r.why)
		}
	}()
	t := newTrial(tb, w)
	defer t.end()
	r.check(t)
}

// A trial is one rule being checked. It is the testing.TB that Open is given, and
// ends all that was begun in it when it ends itself.
type trial struct {
	testing.TB
	store Store
	tick  time.Duration
	ctx   context.Context // ends before the backends are closed
	stop  func()
	mark  string // makes names differ from those of other trials
	ids   atomic.Int64

	mu       sync.Mutex
	cleanups []func()
}

func newTrial(tb testing.TB, w Store) *trial {
	w = w.withDefaults()
	var mark [8]byte
	_, _ = rand.Read(mark[:])
	t := &trial{TB: tb, store: w, tick: w.Tick, mark: hex.EncodeToString(mark[:])}
	t.ctx, t.stop = context.WithCancel(context.Background())
	return t
}

// Cleanup has f called when the trial ends.
func (t *trial) Cleanup(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cleanups = append(t.cleanups, f)
}

// Context ends with the trial.
func (t *trial) Context() context.Context { return t.ctx }

// end ends the trial.
func (t *trial) end() {
	t.stop()
	for {
		t.mu.Lock()
		n := len(t.cleanups)
		if n == 0 {
			t.mu.Unlock()
			return
		}
		last := t.cleanups[n-1]
		t.cleanups = t.cleanups[:n-1]
		t.mu.Unlock()
		last()
	}
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
	return &side{trial: t, b: b, queue: "queuetest-" + t.mark}
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
	t.watch("Close did not return", done)
}

// id makes an id that no other trial uses.
func (t *trial) id() string { return t.mark + "-" + strconv.FormatInt(t.ids.Add(1), 10) }

// pause lets time pass.
func (t *trial) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	<-timer.C
}

// within waits for done, or ends the test.
func (t *trial) within(what string, done <-chan struct{}) {
	t.Helper()
	if !t.watch(what, done) {
		t.FailNow()
	}
}

// watch waits for done, or fails the test.
func (t *trial) watch(what string, done <-chan struct{}) bool {
	t.Helper()
	limit := time.NewTimer(t.store.Patience)
	defer limit.Stop()
	select {
	case <-done:
		return true
	case <-limit.C:
		t.Errorf("%s within %v", what, t.store.Patience)
		return false
	}
}

// patience is a context for a call that must return.
func (t *trial) patience() (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.ctx, t.store.Patience)
}

// soon fails the test if what should have happened at from took more than the slack.
func (t *trial) soon(what string, from time.Time) {
	t.Helper()
	if late := time.Since(from); late > t.store.Slack {
		t.Errorf("%s after %v; the slack is %v", what, late, t.store.Slack)
	}
}

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
