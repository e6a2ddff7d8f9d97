package queue

import (
	"context"
	"errors"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/internal/alarm"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// due is when t is to be looked at next. The caller holds the lock.
func (w *worker) due(t *task) moment {
	at := never
	if w.keeps(t) {
		at = t.until - 2*int64(w.core.opts.Lease)/3
		if t.progress != nil {
			at = min(at, alarm.After(t.told, reportEvery))
		}
	}
	return min(at, t.timeUp, t.grace)
}

// keeps reports whether the lease of t is to be extended. One whose work has returned
// is kept for another lease, in which it should get settled: what cannot be must not
// hold its job, nor be in the way of others, for ever. The caller holds the lock.
func (w *worker) keeps(t *task) bool {
	return !t.lost && !t.stuck && (t.worked == never || w.alarm.Now() < alarm.After(t.worked, w.core.opts.Lease))
}

// ring keeps the leases of what is under way alive, all in one call, stores what the
// work reports, and ends the contexts whose time is up. A store that does not answer
// holds up one of the first, and none of the last.
func (w *worker) ring() {
	w.mu.Lock()
	if w.ended {
		w.mu.Unlock()
		return
	}
	w.goroutines.Add(1) // Work waits for it
	w.mu.Unlock()
	defer w.goroutines.Done()
	w.timesUp()
	w.mu.Lock()
	if w.beating {
		next := w.soonest()
		w.mu.Unlock()
		w.setAlarm(next)
		return
	}
	now := w.alarm.Now()
	urgent := w.urgent
	w.urgent = false
	for _, t := range w.tasks {
		urgent = urgent || w.due(t) <= now
	}
	var beat []*task
	for _, t := range w.tasks { // if one is due, all have their lease extended
		if urgent && w.keeps(t) {
			beat = append(beat, t)
		}
	}
	w.beating = true
	next := w.soonest()
	w.mu.Unlock()
	if len(beat) > 0 {
		w.setAlarm(next)
	}
	retry := w.beat(beat)
	next = never
	w.mu.Lock()
	w.beating = false
	for _, t := range w.tasks {
		next = min(next, w.due(t))
	}
	if w.urgent { // somebody asked meanwhile
		next, retry = now, false
	}
	w.mu.Unlock()
	if retry {
		lease := w.core.opts.Lease
		now = w.alarm.Now()
		next = min(max(next, now+int64(lease)/10), alarm.After(now, lease/10))
	}
	w.setAlarm(next)
}

// soonest is when something has to be done whatever the store does. The caller holds
// the lock.
func (w *worker) soonest() moment {
	at := never
	for _, t := range w.tasks {
		at = min(at, t.timeUp, t.grace)
		if !t.lost && !t.stuck && t.worked == never {
			at = min(at, t.until)
		}
	}
	return at
}

func (w *worker) setAlarm(at moment) {
	if at != never {
		w.alarm.Set(max(at, w.alarm.Now()))
	}
}

// timesUp ends the contexts whose time is up, and of those whose lease ran out while
// the store was asked to extend it.
func (w *worker) timesUp() {
	var up, stuck, lost []*task
	w.mu.Lock()
	now := w.alarm.Now()
	for _, t := range w.tasks {
		if t.timeUp <= now {
			t.timeUp = never
			if t.grace = never; t.running {
				t.grace = alarm.After(now, w.core.opts.Lease)
				up = append(up, t)
			}
		}
		if t.grace <= now {
			if t.grace = never; t.running {
				t.stuck = true
				stuck = append(stuck, t)
			}
		}
		if w.beating && t.until <= now && t.worked == never && !t.lost && !t.stuck {
			if t.lost = true; t.begun {
				lost = append(lost, t)
			}
		}
	}
	w.mu.Unlock()
	for _, t := range up {
		cause := ErrTimeout
		if t.job.Left > 0 && (w.core.opts.Timeout == 0 || t.job.Left <= w.core.opts.Timeout) {
			cause = ErrExpired
		}
		t.observe("queue.timeout", 0, cause)
		t.Cancel(cause)
	}
	for _, t := range stuck {
		t.observe("queue.stuck", 0, ErrStuck)
	}
	for _, t := range lost {
		t.observe("queue.lease_lost", 0, ErrLeaseLost)
		t.Cancel(ErrLeaseLost)
	}
}

// beat extends the leases of tasks. It reports whether the store is to be asked again
// soon.
func (w *worker) beat(tasks []*task) (again bool) {
	for len(tasks) > 0 {
		n := min(len(tasks), maxSettle)
		again = w.extend(tasks[:n]) || again
		tasks = tasks[n:]
	}
	return again
}

// storeContext is that of a call which the store has to answer within a third of a
// lease: no call holds up for longer what comes after it.
func (w *worker) storeContext() (context.Context, func()) {
	c := w.core
	if c.caps.InProcess {
		return w.base, func() {}
	}
	ctx, cancel := context.WithCancelCause(w.base)
	timer := c.clock.AfterFunc(c.opts.Lease/3, func() { cancel(errStoreSilent) })
	return ctx, func() {
		timer.Stop()
		cancel(nil)
	}
}

var errStoreSilent error = &antiphon.Error{
	Code:    antiphon.CodeUnavailable,
	Class:   antiphon.ClassUnknown,
	Reason:  "queue.store_silent",
	Message: "queue: the store does not answer",
}

// extend keeps leases alive. It reports whether the store is to be asked again soon.
func (w *worker) extend(tasks []*task) (again bool) {
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
	ctx, done := w.storeContext()
	errs := c.backend.Extend(ctx, c.name, x)
	done()
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
		// Once the work has returned, its settlement may be what ended the lease, and
		// is told if it was not.
		lost = !t.lost && t.worked == never
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
		t.observe("queue.lease_lost", 0, ErrLeaseLost)
		if begun {
			t.Cancel(ErrLeaseLost)
		}
	case wished && begun:
		t.Cancel(ErrCanceled)
	case again:
		t.observe("queue.extend_failed", 0, err)
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
