package queue

import (
	"fmt"
	"slices"
	"time"

	"github.com/antiphon-go/antiphon/queue/driver"
)

// hand gives tasks to slots, and what is left, as far as it may be fetched ahead, to
// those that become free. The leader's goroutine, which calls it, gets one of them to
// do itself, and is no leader any more then.
func (w *worker) hand(tasks []*task) (own *task) {
	own, back := w.deal(tasks)
	w.rate.giveBack(len(back))
	w.giveBack(back, 0)
	return own
}

// giveBack settles tasks that were not begun as if they had not been taken.
func (w *worker) giveBack(tasks []*task, delay time.Duration) {
	now := w.alarm.Now()
	w.mu.Lock()
	for _, t := range tasks {
		t.worked = now
	}
	w.mu.Unlock()
	for _, t := range tasks {
		w.settler.settle(t, driver.Settlement{Outcome: driver.Release, Delay: delay})
	}
}

// deal returns the leader's own, and what there is no place for: slots for which these
// were taken may have gone to what was claimed meanwhile.
func (w *worker) deal(tasks []*task) (own *task, back []*task) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting = append(w.waiting, tasks...)
	for w.free > 0 {
		t := w.next()
		if t == nil {
			break
		}
		w.free--
		if own == nil {
			own = t
			continue
		}
		w.start(t)
	}
	if n := w.opts.Prefetch; len(w.waiting) > n {
		back = slices.Clone(w.waiting[n:])
		clear(w.waiting[n:])
		w.waiting = w.waiting[:n]
	}
	if own != nil {
		w.leader = false
		w.lead()
	}
	return own, back
}

// next takes the next task that waits for a slot, or nil. The caller holds the lock.
func (w *worker) next() *task {
	if len(w.waiting) == 0 {
		return nil
	}
	i := 0
	if w.fair != nil {
		for j, t := range w.waiting {
			if w.fair[w.share(t)] < w.fair[w.share(w.waiting[i])] {
				i = j
			}
		}
		w.fair[w.share(w.waiting[i])]++
	}
	t := w.waiting[i]
	w.waiting = slices.Delete(w.waiting, i, i+1)
	w.running++
	return t
}

func (w *worker) share(t *task) string { return t.job.Header[w.opts.FairBy] }

// slot does t and what comes after it, until there is nothing left to do here.
func (w *worker) slot(t *task) {
	for t != nil {
		t = w.do(t)
	}
}

// do does t and returns what its slot does next.
func (w *worker) do(t *task) (next *task) {
	returned := false
	defer func() {
		next = w.after(t)
		if !returned && next != nil { // the work called runtime.Goexit
			w.mu.Lock()
			w.start(next)
			w.mu.Unlock()
		}
	}()
	if t.job.Kind != w.core.opts.Kind {
		w.foreign(t)
	} else {
		t.run()
	}
	returned = true
	return nil
}

// after returns what the slot of t does next.
func (w *worker) after(t *task) *task {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running--
	if w.fair != nil {
		s := w.share(t)
		if w.fair[s]--; w.fair[s] == 0 {
			delete(w.fair, s)
		}
	}
	if n := w.next(); n != nil {
		if !w.leader {
			w.lead() // there is room to fetch ahead
		}
		return n
	}
	w.free++
	w.lead()
	return nil
}

// foreign gives a job of another kind back.
func (w *worker) foreign(t *task) {
	t.observe("queue.unknown_kind", 0, fmt.Errorf("queue: a job of kind %q", t.job.Kind))
	w.giveBack([]*task{t}, w.core.opts.Lease)
}
