package queue

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/internal/alarm"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// due is when t is to be looked at next. The caller holds the lock.
func (w *worker) due(t *task) moment {
	at := never
	if !t.lost && !t.stuck {
		at = t.until - 2*int64(w.core.opts.Lease)/3
		if t.progress != nil {
			at = min(at, alarm.After(t.told, reportEvery))
		}
	}
	return min(at, t.timeUp, t.grace)
}

// ring keeps the leases of what is under way alive, all in one call, stores what the
// work reports, and ends the contexts whose time is up.
func (w *worker) ring() {
	lease := w.core.opts.Lease
	now := w.alarm.Now()
	next := never
	var beat []*task
	var up, stuck []*task
	w.mu.Lock()
	urgent := w.urgent
	w.urgent = false
	for _, t := range w.tasks {
		if t.timeUp <= now {
			t.timeUp = never
			if t.grace = never; t.running {
				t.grace = alarm.After(now, lease)
				up = append(up, t)
			}
		}
		if t.grace <= now {
			if t.grace = never; t.running {
				t.stuck = true
				stuck = append(stuck, t)
			}
		}
		urgent = urgent || w.due(t) <= now
	}
	for _, t := range w.tasks { // if one is due, all have their lease extended
		if urgent && !t.lost && !t.stuck {
			beat = append(beat, t)
		}
	}
	w.mu.Unlock()
	for _, t := range up {
		cause := ErrTimeout
		if t.job.Left > 0 && (w.core.opts.Timeout == 0 || t.job.Left <= w.core.opts.Timeout) {
			cause = ErrExpired
		}
		w.core.observe(antiphon.Event{Name: "queue.timeout", ID: t.job.ID, Attempt: t.job.Attempt, Err: cause})
		t.Cancel(cause)
	}
	for _, t := range stuck {
		w.core.observe(antiphon.Event{Name: "queue.stuck", ID: t.job.ID, Attempt: t.job.Attempt, Err: ErrStuck})
	}
	retry := false
	for len(beat) > 0 {
		n := min(len(beat), maxSettle)
		retry = w.extend(context.WithoutCancel(w.base), beat[:n]) || retry
		beat = beat[n:]
	}
	w.mu.Lock()
	for _, t := range w.tasks {
		next = min(next, w.due(t))
	}
	w.mu.Unlock()
	if now = w.alarm.Now(); retry {
		next = min(max(next, now+int64(lease)/10), alarm.After(now, lease/10))
	}
	if next != never {
		w.alarm.Set(max(next, now))
	}
}

// extend keeps leases alive. It reports whether the store is to be asked again soon.
func (w *worker) extend(ctx context.Context, tasks []*task) (again bool) {
	c := w.core
	now := w.alarm.Now()
	x := make([]driver.Extension, len(tasks))
	w.mu.Lock()
	for i, t := range tasks {
		x[i] = driver.Extension{Lease: t.job.Lease, For: c.opts.Lease, Progress: t.progress}
		if t.progress != nil {
			t.progress, t.told = nil, now
		}
	}
	w.mu.Unlock()
	errs := c.backend.Extend(ctx, c.name, x)
	for i, t := range tasks {
		var err error
		if errs != nil {
			err = errs[i]
		}
		again = w.extended(t, &x[i], now, err) || again
	}
	return again
}

// extended notes how an extension made at now went.
func (w *worker) extended(t *task, x *driver.Extension, now moment, err error) (again bool) {
	w.mu.Lock()
	wished, lost := false, false
	switch {
	case err == nil:
		t.until = alarm.After(now, x.For)
	case errors.Is(err, ErrCanceled):
		t.until = alarm.After(now, x.For)
		wished = !t.wished
		t.wished = true
	case errors.Is(err, ErrLeaseLost) || t.until <= now:
		lost = !t.lost
		t.lost = true
	default:
		again = true
		if t.progress == nil {
			t.progress = x.Progress
		}
	}
	begun := t.begun
	w.mu.Unlock()
	switch {
	case lost:
		w.core.observe(antiphon.Event{Name: "queue.lease_lost", ID: t.job.ID, Attempt: t.job.Attempt, Err: ErrLeaseLost})
		if begun {
			t.Cancel(ErrLeaseLost)
		}
	case wished && begun:
		t.Cancel(ErrCanceled)
	case again:
		w.core.observe(antiphon.Event{Name: "queue.extend_failed", ID: t.job.ID, Attempt: t.job.Attempt, Err: err})
	}
	return again
}

// checkpoint stores b with t.
func (w *worker) checkpoint(ctx context.Context, t *task, b []byte) error {
	now := w.alarm.Now()
	x := []driver.Extension{{Lease: t.job.Lease, For: w.core.opts.Lease, Checkpoint: b}}
	errs := w.core.backend.Extend(ctx, w.core.name, x)
	if errs == nil {
		w.extended(t, &x[0], now, nil)
		return nil
	}
	if errors.Is(errs[0], ErrCanceled) || errors.Is(errs[0], ErrLeaseLost) {
		w.extended(t, &x[0], now, errs[0])
	}
	if errors.Is(errs[0], ErrCanceled) {
		return nil // it was stored all the same
	}
	return errs[0]
}

// over reports whether the lease of t has run out.
func (w *worker) over(t *task) bool {
	now := w.alarm.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	return t.lost || t.until <= now
}

// wishes ends the contexts of jobs of which the backend tells that somebody wishes
// them to end. Where it has missed some, all are asked about.
func (c *core) wishes(changes []driver.Change) {
	for i := range changes {
		switch {
		case changes[i].ID == "":
			c.beat()
		case changes[i].CancelRequested:
			c.wish(changes[i].ID)
		}
	}
}

func (c *core) wish(id string) {
	for _, w := range c.workersNow() {
		w.wish(id)
	}
}

// beat has all workers of this process ask about their jobs.
func (c *core) beat() {
	for _, w := range c.workersNow() {
		w.mu.Lock()
		w.urgent = true
		w.mu.Unlock()
		w.alarm.Set(w.alarm.Now())
	}
}

func (c *core) workersNow() []*worker {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.workers)
}

func (w *worker) wish(id string) {
	var found *task
	w.mu.Lock()
	for _, t := range w.tasks {
		if t.job.ID == id && !t.wished {
			t.wished = true
			if t.begun {
				found = t
			}
		}
	}
	w.mu.Unlock()
	if found != nil {
		found.Cancel(ErrCanceled)
	}
}

// drop forgets t, whose lease has ended.
func (w *worker) drop(t *task) {
	w.mu.Lock()
	defer w.mu.Unlock()
	last := len(w.tasks) - 1
	if t.at > last || w.tasks[t.at] != t {
		return
	}
	w.tasks[t.at] = w.tasks[last]
	w.tasks[t.at].at = t.at
	w.tasks[last] = nil
	w.tasks = w.tasks[:last]
	w.isIdle()
}

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
	for _, t := range back {
		w.settler.settle(t, driver.Settlement{Outcome: driver.Release})
	}
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
