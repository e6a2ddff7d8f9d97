package queue

import "runtime"

// A few of a worker's goroutines stay when they have nothing to do: starting one for
// each job, and growing its stack, costs more than most of the rest.

// maxIdlers is how many do; more would not find a processor any sooner.
func maxIdlers() int { return 2 * runtime.GOMAXPROCS(0) }

// retire is the task of a goroutine that is to end.
var retire = &task{}

// start has t done, or jobs taken if t is nil, by a goroutine that has nothing to do,
// or by another. The caller holds the lock.
func (w *worker) start(t *task) { w.set(w.idler(), t) }

// idler returns how to reach a goroutine that has nothing to do, which is the caller's
// to be set to something. There may be none: then it is nil, and counted already. The
// caller holds the lock.
func (w *worker) idler() chan<- *task {
	n := len(w.idlers)
	if n == 0 {
		w.goroutines.Add(1)
		return nil
	}
	c := w.idlers[n-1]
	w.idlers = w.idlers[:n-1]
	return c
}

// set has an idler do t. It needs no lock: who is woken would want it first of all.
func (w *worker) set(idler chan<- *task, t *task) {
	if idler == nil {
		go w.stay(t)
		return
	}
	idler <- t // there is room: it has nothing else
}

// stay does t, and what it is given then.
func (w *worker) stay(t *task) {
	defer w.goroutines.Done()
	c := make(chan *task, 1)
	for t != retire {
		if t == nil {
			w.take()
		} else {
			w.slot(t)
		}
		w.mu.Lock()
		if w.taking.Err() != nil || len(w.idlers) >= w.maxIdlers {
			w.mu.Unlock()
			return
		}
		w.idlers = append(w.idlers, c)
		w.mu.Unlock()
		t = <-c
	}
}

// dismiss ends the goroutines that have nothing to do; there is no more to come.
func (w *worker) dismiss() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.idlers {
		c <- retire
	}
	w.idlers = nil
}
