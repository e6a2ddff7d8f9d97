package suite

import (
	"testing"
	"testing/synctest"
	"time"
)

// A World is where rules are checked: each in a bubble of its own, or all outside.
type World struct {
	// Suite is the name of its package, and Asks what whoever's bubble hangs should ask.
	Suite, Asks string
	// Bubble is for virtual time.
	Bubble bool
	// Patience is how long the suite waits for what must happen. 0 means 10 s.
	Patience time.Duration
	// Slack is how late something may be.
	Slack time.Duration
}

// Enter runs f, which checks rule.
func (w World) Enter(t *testing.T, rule string, f func(*testing.T)) {
	if !w.Bubble {
		f(t)
		return
	}
	defer w.Watchdog(rule).Stop()
	synctest.Test(t, f)
}

// Watchdog ends the process, naming the rule, if a bubble's time stands still: that is
// what happens when something in it waits for a sync.Mutex, or for the world outside.
func (w World) Watchdog(rule string) *time.Timer {
	return time.AfterFunc(max(w.Patience, 2*time.Minute), func() {
		panic(w.Suite + ": rule " + rule + " has hung in its bubble: " + w.Asks)
	})
}
