package queuetest

import (
	"testing"
	"time"

	"github.com/antiphon-go/antiphon/internal/suite"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// A Store describes what is to be tested. The contract of driver.Backend as it
// stands is the default; what the backend's Capabilities promise is checked beyond
// it.
type Store struct {
	// Open opens a backend on a store without any jobs. It is called at least once
	// for each rule. It registers with tb.Cleanup what ends that which is no
	// backend: a server, a file; the suite closes the backend before. It may fail
	// the test through tb.
	Open func(tb testing.TB) driver.Backend
	// Again opens another backend on the store of b, as another process would. b may
	// be closed by then. nil: there are no others, and what ends with b is gone.
	Again func(tb testing.TB, b driver.Backend) driver.Backend
	// Kill ends b as it would end if its process were killed: without a word to the
	// store. It is closed all the same later. nil: that cannot be done.
	Kill func(tb testing.TB, b driver.Backend)

	// Except names rules that the backend does not keep, each with the reason,
	// which its documentation gives too. They are not checked, and the log says so.
	Except map[string]string

	// Bubble runs each rule in a testing/synctest bubble of its own, in virtual
	// time: a goroutine that is left fails the test, and times are exact. It needs a
	// backend that does nothing outside the process, and in which nobody waits for a
	// mutex whose holder waits: that stops virtual time, and after two minutes, or
	// Patience if that is more, the process.
	Bubble bool
	// Tick is how long the short leases and delays of the rules last: much longer
	// than a call takes. 0 means 100 ms, and in a bubble 1 s.
	Tick time.Duration
	// Patience is how long the suite waits for what must happen. 0 means 10 s.
	Patience time.Duration
	// Slack is by how much what is to happen may be late, for the scheduler's and
	// the store's sake. 0 means none in a bubble, and 1 s elsewhere.
	Slack time.Duration
	// Precision is how coarse the backend's clock is: nothing is earlier by more. 0
	// means none in a bubble, and 2 ms elsewhere.
	Precision time.Duration
	// Seeds is how many lives of a store the rule Soak goes through. 0 means 8, and
	// in a bubble 200.
	Seeds int
}

// withDefaults is w without zeros.
func (w Store) withDefaults() Store {
	either := func(virtual, real time.Duration) time.Duration {
		if w.Bubble {
			return virtual
		}
		return real
	}
	for _, f := range []struct {
		value *time.Duration
		def   time.Duration
	}{
		{&w.Tick, either(time.Second, 100*time.Millisecond)},
		{&w.Patience, 10 * time.Second},
		{&w.Slack, either(0, time.Second)},
		{&w.Precision, either(0, 2*time.Millisecond)},
	} {
		if *f.value <= 0 {
			*f.value = f.def
		}
	}
	if w.Seeds <= 0 {
		w.Seeds = 8
		if w.Bubble {
			w.Seeds = 200
		}
	}
	return w
}

// TestBackend checks w against every rule, each in a subtest.
func TestBackend(t *testing.T, w Store) {
	w = w.withDefaults()
	for name := range w.Except {
		if !known(name) {
			t.Errorf("Store.Except has %q, and there is no such rule", name)
		}
	}
	var has *abilities
	look := rule{
		Name:  "Opens",
		Why:   "a backend says what it is like, and always the same",
		Check: func(t *trial) { has = look(t) },
	}
	if !t.Run(look.Name, func(t *testing.T) { w.run(t, look) }) {
		return
	}
	if has == nil { // -run left it out
		w.run(t, look)
	}
	for _, r := range rules {
		if lack := r.Lacks(has); lack != "" {
			t.Logf("%s: not checked: %s", r.Name, lack)
			continue
		}
		if why, ok := w.Except[r.Name]; ok {
			t.Logf("%s: NOT KEPT: %s", r.Name, why)
			continue
		}
		t.Run(r.Name, func(t *testing.T) { w.run(t, r) })
	}
}

func known(name string) bool {
	for _, r := range rules {
		if r.Name == name {
			return true
		}
	}
	return false
}

func (w Store) world() suite.World {
	return suite.World{
		Suite: "queuetest", Asks: "does the backend hold a mutex while it waits, or wait for something outside?",
		Bubble: w.Bubble, Patience: w.Patience, Slack: w.Slack,
	}
}

// run checks r in a world of its own.
func (w Store) run(t *testing.T, r rule) {
	w.world().Enter(t, r.Name, func(t *testing.T) { r.Run(newTrial(t, w)) })
}
