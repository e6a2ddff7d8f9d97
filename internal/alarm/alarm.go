// Package alarm has one timer for many deadlines.
package alarm

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/benbjohnson/clock"
)

// A Moment is nanoseconds since an Alarm was made.
type Moment = int64

// Never is no moment.
const Never Moment = math.MaxInt64

// An Alarm calls a function at the earliest of the moments it was set to, on a
// goroutine of its own. It is never told that a deadline is off: it then rings for
// nothing, and whoever it rings for sets it to the next.
//
// Concurrency: all methods may be called by any number of goroutines, and never call
// the function themselves.
type Alarm struct {
	clock clock.Clock
	start time.Time
	ring  func()

	armed atomic.Int64
	mu    sync.Mutex
	timer *clock.Timer
	over  bool
}

// New returns an alarm that calls ring. A nil clk is the real clock.
func New(clk clock.Clock, ring func()) *Alarm {
	if clk == nil {
		clk = clock.New()
	}
	a := &Alarm{clock: clk, start: clk.Now(), ring: ring}
	a.armed.Store(Never)
	return a
}

// Now is the moment.
func (a *Alarm) Now() Moment { return int64(a.clock.Since(a.start)) }

// Time is the time of a moment.
func (a *Alarm) Time(m Moment) time.Time { return a.start.Add(time.Duration(m)) }

// After is the moment d after m, at most Never.
func After(m Moment, d time.Duration) Moment {
	if int64(d) >= Never-m {
		return Never
	}
	return m + int64(d)
}

// Set makes the alarm ring at the latest at at.
func (a *Alarm) Set(at Moment) {
	if at >= a.armed.Load() {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if at >= a.armed.Load() || a.over {
		return
	}
	a.armed.Store(at)
	d := time.Duration(max(at-a.Now(), 0))
	if a.timer == nil {
		a.timer = a.clock.AfterFunc(d, a.rings)
	} else {
		a.timer.Reset(d)
	}
}

func (a *Alarm) rings() {
	a.armed.Store(Never) // what is set from now on arms the timer itself
	a.ring()
}

// Stop silences the alarm for good. It does not wait for a ring under way.
func (a *Alarm) Stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.over = true
	if a.timer != nil {
		a.timer.Stop()
	}
}
