package poller

import "context"

// A hook is on a context that one or several entries have in common, and tells them of
// its end: context.AfterFunc for each of them would cost as much as all the rest.
type hook struct {
	done  <-chan struct{} // of the context
	first *entry
	stop  func() bool // takes it off; nil until it is on
	off   bool
}

// hang puts e on the hook of a context with the channel done. A hook that it returns is
// new, and is to be fastened. The caller holds the lock.
func (s *Scheduler) hang(e *entry, done <-chan struct{}) (fresh *hook) {
	h := s.hooks[done]
	if h == nil {
		h = &hook{done: done}
		s.hooks[done] = h
		fresh = h
	}
	e.hook, e.next = h, h.first
	if h.first != nil {
		h.first.prev = e
	}
	h.first = e
	return fresh
}

// fasten puts h on ctx. Whoever hangs on it already learns of an end that came before.
func (s *Scheduler) fasten(ctx context.Context, h *hook) {
	stop := context.AfterFunc(ctx, func() {
		s.dismiss(nil, func() *entry { return h.first })
	})
	s.mu.Lock()
	off := h.off
	h.stop = stop
	s.mu.Unlock()
	if off {
		stop()
	}
}

// unhang takes e off its hook, if it has one. If it was the last, what it returns takes
// the hook off its context, and is to be called without the lock. The caller holds the
// lock.
func (s *Scheduler) unhang(e *entry) (stop func() bool) {
	h := e.hook
	if h == nil {
		return nil
	}
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		h.first = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	}
	e.hook, e.prev, e.next = nil, nil, nil
	if h.first != nil {
		return nil
	}
	h.off = true
	delete(s.hooks, h.done)
	return h.stop
}

// A dismissal ends entries for a reason that is not in what their polls see.
type dismissal struct {
	*Scheduler
	cause error
	pick  func() *entry
	batch []dismissed
	done  bool
}

type dismissed struct {
	asker  asker
	track  track
	ctx    context.Context
	cancel context.CancelCauseFunc // of the poll in flight; may be nil
	stop   func() bool             // may be nil
}

// dismiss ends the entries that pick returns, one after the other until it returns nil:
// because their contexts have ended, or else because of cause. pick is called under the
// lock.
func (s *Scheduler) dismiss(cause error, pick func() *entry) {
	d := &dismissal{Scheduler: s, cause: cause, pick: pick}
	d.run()
}

func (d *dismissal) run() {
	defer func() {
		if !d.done { // what hangs on a future has ended the goroutine: the others must not suffer
			go d.run()
		}
	}()
	for !d.done {
		for len(d.batch) > 0 {
			x := d.batch[0]
			d.batch[0] = dismissed{}
			d.batch = d.batch[1:]
			if d.own {
				d.alarm.Stop()
			}
			x.settle(d.cause)
		}
		d.fill()
		d.done = len(d.batch) == 0
	}
}

// fill takes out some: the lock is not held for long.
func (d *dismissal) fill() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for e := d.pick(); e != nil; e = d.pick() {
		x := dismissed{asker: e.asker, track: e.track, ctx: e.ctx}
		if e.flight != nil {
			x.cancel = e.flight.cancel
			if d.cause == ErrElapsed {
				x.track.last = errSlow // and is so still
			}
		}
		x.stop = d.leave(e)
		if d.batch = append(d.batch, x); len(d.batch) == 256 {
			return
		}
	}
}

func (x *dismissed) settle(cause error) {
	err := x.track.gaveUp(x.ctx, cause)
	if x.stop != nil {
		x.stop()
	}
	if x.cancel != nil {
		x.cancel(err.Cause)
	}
	x.track.ended(x.ctx, err)
	x.asker.reject(err)
}
