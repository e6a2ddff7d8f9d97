package suite

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"sync"
	"testing"
	"time"
)

// A Trial is one rule being checked. It is the testing.TB that is given to whoever opens
// what is tested, and ends all that was begun in it when it ends itself, not with the
// test: so a rule can open something many times and look at what is left.
type Trial struct {
	testing.TB
	World
	Mark string // makes names differ from those of other trials

	ctx  context.Context // ends before what was opened does
	stop func()

	mu       sync.Mutex
	cleanups []func()
}

// Begin begins a trial.
func (w World) Begin(tb testing.TB) *Trial {
	if w.Patience <= 0 {
		w.Patience = 10 * time.Second
	}
	var mark [8]byte
	_, _ = rand.Read(mark[:])
	t := &Trial{TB: tb, World: w, Mark: hex.EncodeToString(mark[:])}
	t.ctx, t.stop = context.WithCancel(context.Background())
	return t
}

// Cleanup has f called when the trial ends.
func (t *Trial) Cleanup(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cleanups = append(t.cleanups, f)
}

// Context ends with the trial, before what was opened in it.
func (t *Trial) Context() context.Context { return t.ctx }

// Stop ends the context.
func (t *Trial) Stop() { t.stop() }

// End ends the trial.
func (t *Trial) End() {
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

// Within waits for done, or ends the test.
func (t *Trial) Within(what string, done <-chan struct{}) {
	t.Helper()
	if !t.Watch(what, done) {
		t.FailNow()
	}
}

// Watch waits for done, or fails the test and reports false.
func (t *Trial) Watch(what string, done <-chan struct{}) bool {
	t.Helper()
	limit := time.NewTimer(t.Patience)
	defer limit.Stop()
	select {
	case <-done:
		return true
	case <-limit.C:
		t.Errorf("%s within %v", what, t.Patience)
		return false
	}
}

// Eventually waits until it is so, or ends the test.
func (t *Trial) Eventually(what string, so func() bool) {
	t.Helper()
	for limit := time.Now().Add(t.Patience); !so(); t.Pause(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("%s within %v", what, t.Patience)
		}
	}
}

// Patient is a context for a call that must return: it ends when the patience does.
func (t *Trial) Patient() (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.ctx, t.Patience)
}

// Pause lets d pass.
func (t *Trial) Pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	<-timer.C
}

// While is how long to wait for what must not happen: in a bubble that costs nothing.
func (t *Trial) While() time.Duration {
	if t.Bubble {
		return time.Second
	}
	return min(100*time.Millisecond, t.Patience/3)
}

// Soon fails the test if what should have happened at from took more than the slack.
func (t *Trial) Soon(what string, from time.Time) {
	t.Helper()
	if late := time.Since(from); late > t.Slack {
		t.Errorf("%s after %v; the slack is %v", what, late, t.Slack)
	}
}
