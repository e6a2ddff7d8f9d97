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

// An Alarm calls a function when the earliest of the moments it was set to has come,
// on a goroutine of its own. It is never told that a deadline is off: it then rings for
// nothing, once in a lifetime of what it was set for, where setting it right would be
// once for each. After a ring it has to be set anew for what is not yet due.
//
// It makes a new timer rather than setting an old one anew, and never calls the clock
// under its lock.
//
// Concurrency: all methods may be called by any number of goroutines, and never call
// the function themselves.
type Alarm struct {
	clock clock.Clock
	real  bool // so is the clock
	start time.Time
	ring  func()
	by    atomic.Int64 // it rings by then, or Never

	mu    sync.Mutex
	timer *clock.Timer
	at    Moment // when the timer goes off
	off   bool
}

// New returns an alarm that calls ring. A nil clk is the real clock.
func New(clk clock.Clock, ring func()) *Alarm {
	real := clk == nil
	if real {
		clk = clock.New()
	}
	a := &Alarm{clock: clk, real: real, start: clk.Now(), ring: ring}
	a.by.Store(Never)
	return a
}

// Now is the moment.
func (a *Alarm) Now() Moment {
	if a.real { // without a detour
		return int64(time.Since(a.start))
	}
	return int64(a.clock.Since(a.start))
}

// Time is the time of a moment.
func (a *Alarm) Time(m Moment) time.Time { return a.start.Add(time.Duration(m)) }

// At is the moment of a time.
func (a *Alarm) At(t time.Time) Moment { return int64(t.Sub(a.start)) }

// After is the moment d after m, at most Never.
func After(m Moment, d time.Duration) Moment {
	if m > 0 && int64(d) >= Never-m {
		return Never
	}
	return m + int64(d)
}

// Set makes the alarm ring at the latest at at.
func (a *Alarm) Set(at Moment) {
	for by := a.by.Load(); at < by; by = a.by.Load() {
		if a.by.CompareAndSwap(by, at) {
			a.wind(at)
			return
		}
	}
}

// A bell is what one timer of an alarm rings.
type bell struct {
	*Alarm
	rang atomic.Bool
}

func (b *bell) rings() {
	b.rang.Store(true)
	b.Alarm.rings()
}

func (a *Alarm) wind(at Moment) {
	b := &bell{Alarm: a}
	timer := a.after(at, b)
	if timer == nil {
		go a.rings()
		return
	}
	a.mu.Lock()
	// One that has rung already must not take the place of one that will.
	if !a.off && !b.rang.Load() && (a.timer == nil || at < a.at) {
		timer, a.timer, a.at = a.timer, timer, at
	}
	a.mu.Unlock()
	if timer != nil {
		timer.Stop()
	}
}

// after returns a timer that rings b at at, or nil if that is past: a mock clock
// would not look at such a timer before it is moved on.
func (a *Alarm) after(at Moment, b *bell) *clock.Timer {
	for {
		now := a.Now()
		if at <= now {
			return nil
		}
		d := at - now
		if d < 0 {
			d = math.MaxInt64
		}
		timer := a.clock.AfterFunc(time.Duration(d), b.rings)
		if a.Now()-now < int64(time.Millisecond) {
			return timer
		}
		timer.Stop() // a mock clock was moved on meanwhile, and it is late
	}
}

// rings calls the function. What is added from now on has to set the alarm again;
// whatever was added before is seen by the function.
func (a *Alarm) rings() {
	a.mu.Lock()
	timer, off := a.timer, a.off
	a.timer = nil
	a.mu.Unlock()
	if timer != nil {
		timer.Stop()
	}
	a.by.Store(Never) // after the timer was let go, or it might be the wrong one
	if !off {
		a.ring()
	}
}

// Stop silences the alarm for good. It does not wait for a ring under way.
func (a *Alarm) Stop() {
	a.mu.Lock()
	timer := a.timer
	a.timer, a.off = nil, true
	a.mu.Unlock()
	if timer != nil {
		timer.Stop()
	}
}
