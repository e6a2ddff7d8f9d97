package queue

import (
	"errors"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/internal/alarm"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// lead starts a goroutine that takes, if there is none and there is something to take
// for. The caller holds the lock.
func (w *worker) lead() {
	if w.leader || w.taking.Err() != nil || w.free == 0 && len(w.waiting) >= w.opts.Prefetch {
		return
	}
	w.leader = true
	w.start(nil)
}

// take takes jobs until it has one to do itself, or there is no slot.
func (w *worker) take() {
	for failures := 0; ; {
		w.mu.Lock()
		n := w.free + w.opts.Prefetch - len(w.waiting)
		w.mu.Unlock()
		if n > 0 {
			n = w.rate.wait(w.taking, w.core.clock, w.alarm, n)
		}
		if n <= 0 || w.taking.Err() != nil {
			w.mu.Lock()
			w.leader = false
			w.lead() // a slot may have become free since
			w.isIdle()
			w.mu.Unlock()
			return
		}
		buf, err := w.core.backend.Take(w.taking, nil, driver.TakeRequest{Queue: w.core.name, Max: n, Lease: w.core.opts.Lease, Wait: takeWait})
		w.rate.giveBack(n - len(buf))
		if len(buf) > 0 {
			failures = 0
			tasks := w.enter(buf)
			if w.taking.Err() != nil { // too late to begin
				w.giveBack(tasks, 0)
				continue
			}
			if t := w.hand(tasks); t != nil {
				w.slot(t)
				return
			}
			continue
		}
		if err != nil && w.taking.Err() == nil {
			if failures++; !w.failing(err, failures) {
				return
			}
		}
	}
}

// takeWait is how long a Take waits: one that was forgotten somewhere is made anew.
const takeWait = time.Minute

// failing waits before the backend is asked again. It reports false if there is no
// use in that.
func (w *worker) failing(err error, n int) bool {
	w.core.observe(antiphon.Event{Name: "queue.take_failed", Attempt: n, Err: err})
	if errors.Is(err, ErrClosed) || errors.Is(err, errors.ErrUnsupported) {
		w.mu.Lock()
		w.fatal, w.leader = err, false
		w.isIdle()
		w.mu.Unlock()
		w.stopTaking(err)
		return false
	}
	timer := w.core.clock.Timer(storeBackoff(n))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w.taking.Done():
	}
	return true
}

// storeBackoff is how long to wait before a store that fails is asked again.
var storeBackoff = antiphon.EqualJitter(antiphon.Geometric(20*time.Millisecond, 5*time.Second, 2))

// enter makes tasks of what was leased. A Take may have waited for long before: the
// leases are counted from now, and the first heartbeat comes early enough for what the
// answer took on its way.
func (w *worker) enter(leased []driver.Leased) []*task {
	since := w.alarm.Now()
	tasks := make([]*task, len(leased))
	for i := range leased {
		tasks[i] = w.newTask(&leased[i], since)
	}
	w.mu.Lock()
	for _, t := range tasks {
		w.enterOne(t)
	}
	w.mu.Unlock()
	return tasks
}

// newTask makes a task of what was leased, which is to be entered.
func (w *worker) newTask(leased *driver.Leased, since moment) *task {
	lease := w.core.opts.Lease
	w.alarm.Set(alarm.After(since, lease/3))
	return &task{w: w, job: leased, since: since, until: alarm.After(since, lease), timeUp: never, grace: never, worked: never, told: -int64(reportEvery)}
}

// enterOne enters a task. The caller holds the lock.
func (w *worker) enterOne(t *task) {
	t.at = len(w.tasks)
	w.tasks = append(w.tasks, t)
}
