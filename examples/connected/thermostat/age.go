package main

import (
	"sync"
	"time"
)

// fresh is how old a reading may be to be acted on.
const fresh = 100 * time.Millisecond

// ages tells how old readings are at most, by the clock of the hub alone, although
// they are dated by that of the device. When the device says what time it is, it was
// asked before that: so what it dates so is no older than since it was asked. Of what
// is known in this way the last few times, the best counts; clocks drift too slowly
// to matter meanwhile.
//
// Zero value: knows nothing yet.
type ages struct {
	mu    sync.Mutex
	zeros [32]time.Time // when the device was started, at the earliest
	n     int
}

// learn notes that the device, when asked at the time asked, said that it had been up
// for so long.
func (a *ages) learn(asked time.Time, up time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.zeros[a.n%len(a.zeros)] = asked.Add(-up)
	a.n++
}

// of returns how old at most a reading is that is dated up, and whether that is known.
func (a *ages) of(up time.Duration, now time.Time) (time.Duration, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var zero time.Time
	for _, z := range a.zeros[:min(a.n, len(a.zeros))] {
		if z.After(zero) {
			zero = z
		}
	}
	return now.Sub(zero.Add(up)), a.n > 0
}
