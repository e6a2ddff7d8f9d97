package queue

import (
	"time"

	"github.com/antiphon-go/antiphon"
)

// isIdle reports whether nothing is leased, nor will be, and tells who waits for that.
// The caller holds the lock.
func (w *worker) isIdle() bool {
	if len(w.tasks) > 0 || w.leader || w.reserved > 0 {
		return false
	}
	if w.idle != nil {
		close(w.idle)
		w.idle = nil
	}
	return true
}

// drain ends a worker that takes no more.
func (w *worker) drain() error {
	defer w.alarm.Stop()
	w.dismiss()
	w.mu.Lock()
	back := w.waiting
	w.waiting = nil
	w.mu.Unlock()
	w.giveBack(back, 0)
	if !w.idleWithin(w.opts.Drain) {
		w.mu.Lock()
		w.hard = true
		var running []*task
		for _, t := range w.tasks {
			if t.begun {
				running = append(running, t)
			}
		}
		w.mu.Unlock()
		for _, t := range running {
			t.Cancel(ErrDraining)
		}
		if !w.idleWithin(w.core.opts.Lease) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return antiphon.Errorf(antiphon.CodeAborted, "%w: %d jobs left behind", ErrStuck, len(w.tasks))
		}
	}
	w.mu.Lock()
	w.ended = true
	w.mu.Unlock()
	w.goroutines.Wait()
	return w.fatal
}

// idleWithin waits until nothing is leased, for d at the most.
func (w *worker) idleWithin(d time.Duration) bool {
	w.mu.Lock()
	if w.isIdle() {
		w.mu.Unlock()
		return true
	}
	idle := make(chan struct{})
	w.idle = idle
	w.mu.Unlock()
	timer := w.core.clock.Timer(d)
	defer timer.Stop()
	select {
	case <-idle:
		return true
	case <-timer.C:
		return false
	}
}
