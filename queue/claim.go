package queue

import "github.com/antiphon-go/antiphon/queue/driver"

// freeWorker returns a worker of this process with a slot that is the caller's until
// claimed is called, or nil.
func (c *core) freeWorker() *worker {
	for _, w := range c.workersNow() {
		if w.reserve() {
			return w
		}
	}
	return nil
}

func (w *worker) reserve() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.free == 0 || len(w.waiting) > 0 || w.taking.Err() != nil || !w.rate.try(w.alarm) {
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
	for i := range placed {
		if leased := placed[i].Leased; leased != nil {
			t = w.newTask(leased, w.alarm.Now())
			break
		}
	}
	w.place(t)
}

// place has t done in a slot that was reserved for it, or what waits if t is nil.
func (w *worker) place(t *task) {
	if t == nil {
		w.rate.giveBack(1)
	}
	w.mu.Lock()
	w.reserved--
	switch {
	case t == nil:
		w.running--
		if t = w.next(); t == nil {
			w.free++
			w.lead()
			w.isIdle()
			w.mu.Unlock()
			return
		}
	default:
		w.enterOne(t)
		if w.fair != nil {
			w.fair[w.share(t)]++
		}
	}
	idler := w.idler()
	w.mu.Unlock()
	w.set(idler, t)
}
