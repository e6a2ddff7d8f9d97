package queue

import (
	"context"
	"slices"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/internal/alarm"
	"github.com/antiphon-go/antiphon/queue/driver"
)

func (m *memory) Take(ctx context.Context, into []driver.Leased, r driver.TakeRequest) ([]driver.Leased, error) {
	s, err := m.store(r.Queue)
	if err != nil {
		return into, err
	}
	var over <-chan time.Time
	if r.Wait > 0 {
		timer := m.opts.Clock.Timer(r.Wait)
		defer timer.Stop()
		over = timer.C
	}
	var w *waiter
	for {
		if ctx.Err() != nil {
			s.takers.leave(s, w)
			return into, gaveUp(ctx, antiphon.ClassNotAccepted)
		}
		var n int
		into, n, w, err = s.take(into, &r, w)
		if err != nil || n > 0 {
			return into, err
		}
		select {
		case <-w.wake:
		case <-over:
			s.takers.leave(s, w)
			return into, nil
		case <-ctx.Done():
		}
	}
}

// take leases what is ready, or enters w, or a new one if w is nil, among those who
// wait for that.
func (s *store) take(into []driver.Leased, r *driver.TakeRequest, w *waiter) ([]driver.Leased, int, *waiter, error) {
	now := s.lock()
	defer s.unlock(now)
	if s.closed {
		return into, 0, w, driver.ErrClosed
	}
	n := 0
	for ; n < max(r.Max, 1) && !s.paused; n++ {
		first := s.first()
		if first == nil {
			break
		}
		into = append(into, s.lease(first, now, r.Lease))
	}
	if n > 0 {
		return into, n, w, nil
	}
	if w == nil {
		w = &waiter{wake: make(chan struct{}, 1)}
	}
	if !w.inLine {
		s.takers.add(w)
	}
	return into, 0, w, nil
}

// lease hands r, which is ready, out.
func (s *store) lease(r *record, now moment, d time.Duration) driver.Leased {
	s.takeOut(r)
	r.phase = leased
	r.settled = false
	r.attempt++
	r.fence++
	s.counts.Running++
	s.counts.Taken++
	r.ready = alarm.After(now, d)
	s.times.set(r)
	s.leaveRoom()
	s.changed(r, now)
	return r.handOut(now)
}

// waiters are those who wait for a job, the first that came first.
type waiters struct {
	line []*waiter
}

type waiter struct {
	wake   chan struct{} // has room for one
	inLine bool
}

func (ws *waiters) add(w *waiter) {
	w.inLine = true
	ws.line = append(ws.line, w)
}

func (ws *waiters) remove(w *waiter) {
	if w.inLine {
		w.inLine = false
		ws.line = slices.DeleteFunc(ws.line, func(o *waiter) bool { return o == w })
	}
}

// one wakes the first.
func (ws *waiters) one() {
	if len(ws.line) == 0 {
		return
	}
	w := ws.line[0]
	ws.line = slices.Delete(ws.line, 0, 1)
	w.inLine = false
	w.wake <- struct{}{}
}

func (ws *waiters) all() {
	for len(ws.line) > 0 {
		ws.one()
	}
}

// leave takes w out. If it was woken already, another is in its place: there is a job
// that nobody would see.
func (ws *waiters) leave(s *store, w *waiter) {
	if w == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !w.inLine {
		ws.one()
	}
	ws.remove(w)
}
