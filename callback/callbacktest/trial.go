package callbacktest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon/callback"
)

// A rule is one sentence of the contract and how to find it broken.
type rule struct {
	name  string
	why   string
	needs []need // what the wire must have for it to mean anything
	check func(*trial)
}

func (r rule) run(tb testing.TB, w Wire) {
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
// ends all that was begun in it when it ends itself, not with the test: so a rule
// can open the wire many times and look at what is left.
type trial struct {
	testing.TB
	wire Wire
	ctx  context.Context // ends before the wire is closed
	stop func()
	mark string // makes names differ from those of other trials

	mu       sync.Mutex
	cleanups []func()
}

func newTrial(tb testing.TB, w Wire) *trial {
	if w.Patience <= 0 {
		w.Patience = 10 * time.Second
	}
	if w.Slack <= 0 && !w.Bubble {
		w.Slack = time.Second
	}
	var mark [4]byte
	_, _ = rand.Read(mark[:])
	t := &trial{TB: tb, wire: w, mark: hex.EncodeToString(mark[:])}
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
	t.within("after Heal, Again did not return", done)
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
	t.watch(what+" did not return", done)
}

// name makes a name that no other trial uses, for wires that outlive their tests.
func (t *trial) name(s string) string { return "callbacktest-" + s + "-" + t.mark }

// within waits for done, or ends the test.
func (t *trial) within(what string, done <-chan struct{}) {
	t.Helper()
	if !t.watch(what, done) {
		t.FailNow()
	}
}

// watch waits for done, or fails the test and reports false.
func (t *trial) watch(what string, done <-chan struct{}) bool {
	t.Helper()
	limit := time.NewTimer(t.wire.Patience)
	defer limit.Stop()
	select {
	case <-done:
		return true
	case <-limit.C:
		t.Errorf("%s within %v", what, t.wire.Patience)
		return false
	}
}

// eventually waits until it is so, or ends the test.
func (t *trial) eventually(what string, so func() bool) {
	t.Helper()
	for limit := time.Now().Add(t.wire.Patience); !so(); t.pause(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("%s within %v", what, t.wire.Patience)
		}
	}
}

// pause lets d pass.
func (t *trial) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	<-timer.C
}

// while is how long the suite waits for what must not happen: in a bubble that
// costs nothing.
func (t *trial) while() time.Duration {
	if t.wire.Bubble {
		return time.Second
	}
	return min(100*time.Millisecond, t.wire.Patience/3)
}

// patience returns a context that ends when the suite's patience does.
func (t *trial) patience() (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.ctx, t.wire.Patience)
}

// goroutines counts them once the number has stayed the same for a moment.
func (t *trial) goroutines() int {
	n := runtime.NumGoroutine()
	limit := time.Now().Add(t.wire.Patience)
	for calm := 0; calm < 5 && time.Now().Before(limit); {
		t.pause(2 * time.Millisecond)
		now := runtime.NumGoroutine()
		if calm++; now != n {
			n, calm = now, 0
		}
	}
	return n
}

// leavesNothing does do often and finds out whether a goroutine is left each time:
// other tests may run beside this one.
func (t *trial) leavesNothing(times int, do func(i int)) {
	t.Helper()
	for i := range 3 { // whatever is kept for good exists now
		do(i)
	}
	before := t.goroutines()
	for i := range times {
		do(i)
	}
	now := 0
	for limit := time.Now().Add(t.wire.Patience); time.Now().Before(limit); {
		if now = t.goroutines(); now < before+max(times/4, 1) {
			return
		}
	}
	t.Errorf("%d goroutines before it was done %d times, %d after", before, times, now)
}
