package queue

import "github.com/antiphon-go/antiphon/queue/driver"

// freeWorker returns a worker of this process with a slot that is the caller's until
// claimed is called, or nil.
func (c *core) freeWorker() *worker {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.workers {
		if w.reserve() {
			return w
		}
	}
	return nil
}

func (w *worker) reserve() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.free == 0 || len(w.waiting) > 0 || w.taking.Err() != nil || !w.rate.try(w.alarm.Now()) {
		return false
	}
	w.free--
	w.running++
	w.reserved++
	return true
}

// claimed does the job that was leased as it was put, or gives the slot back.
func (w *worker) claimed(placed []driver.Placed) {
	var t *task
	for _, p := range placed {
		if p.Leased != nil {
			t = w.enterOne(p.Leased, w.alarm.Now())
			break
		}
	}
	if t == nil {
		w.rate.giveBack(1)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reserved--
	switch {
	case t == nil:
		w.running--
		if t = w.next(); t == nil {
			w.free++
			w.lead()
			w.isIdle()
			return
		}
	case w.fair != nil:
		w.fair[w.share(t)]++
	}
	w.start(t)
}
