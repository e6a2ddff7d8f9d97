package queue

import (
	"cmp"
	"context"
	"slices"

	"github.com/antiphon-go/antiphon/queue/driver"
)

// in runs do under the lock of a queue's store.
func (m *memory) in(queue string, do func(s *store, now moment) error) error {
	s, err := m.store(queue)
	if err != nil {
		return err
	}
	now := s.lock()
	defer s.unlock(now)
	if s.closed {
		return driver.ErrClosed
	}
	return do(s, now)
}

func (m *memory) Lookup(_ context.Context, queue string, ids []string, payload bool) (found []driver.Record, err error) {
	err = m.in(queue, func(s *store, now moment) error {
		for _, id := range ids {
			if r := s.find(id, now); r != nil {
				found = append(found, s.show(r, payload))
			}
		}
		return nil
	})
	return found, err
}

func (m *memory) List(_ context.Context, queue string, l driver.ListRequest) (found []driver.Record, err error) {
	err = m.in(queue, func(s *store, now moment) error {
		before := ^uint64(0)
		if l.After != "" {
			r := s.find(l.After, now)
			if r == nil {
				return driver.ErrUnknownJob
			}
			before = r.seq
		}
		all := make([]*record, 0, s.jobs.n)
		s.jobs.each(0, func(r *record) bool {
			if r.seq < before && (l.State == "" || r.state() == l.State) && (l.Kind == "" || r.lot.kind == l.Kind) && !(r.ended() && r.expires <= now) {
				all = append(all, r)
			}
			return true
		})
		slices.SortFunc(all, func(a, b *record) int { return cmp.Compare(b.seq, a.seq) })
		for _, r := range all[:min(len(all), max(l.Limit, 1))] {
			found = append(found, s.show(r, false))
		}
		return nil
	})
	return found, err
}

func (m *memory) Forget(_ context.Context, queue string, ids []string) (n int, err error) {
	err = m.in(queue, func(s *store, now moment) error {
		for _, id := range ids {
			if r := s.find(id, now); r != nil && r.ended() {
				s.forget(r)
				n++
			}
		}
		return nil
	})
	return n, err
}

func (m *memory) Dead(_ context.Context, queue, after string, limit int) (found []driver.Record, err error) {
	err = m.in(queue, func(s *store, now moment) error {
		r := s.dead.head
		if after != "" {
			last := s.jobs.find(after)
			if last == nil || last.phase != dead {
				return driver.ErrUnknownJob
			}
			r = last.next
		}
		for ; r != nil && len(found) < max(limit, 1); r = r.next {
			found = append(found, s.show(r, true))
		}
		return nil
	})
	return found, err
}

// letters calls do for the dead letters of ids, or all if ids is nil, and counts them.
func (m *memory) letters(queue string, ids []string, do func(s *store, r *record, now moment)) (n int, err error) {
	err = m.in(queue, func(s *store, now moment) error {
		var all []*record
		if ids == nil {
			for r := s.dead.head; r != nil; r = r.next {
				all = append(all, r)
			}
		}
		for _, id := range ids {
			if r := s.jobs.find(id); r != nil && r.phase == dead && !slices.Contains(all, r) {
				all = append(all, r)
			}
		}
		for _, r := range all {
			do(s, r, now)
		}
		n = len(all)
		return nil
	})
	return n, err
}

func (m *memory) Redrive(_ context.Context, queue string, ids []string) (int, error) {
	return m.letters(queue, ids, func(s *store, r *record, now moment) {
		s.dead.remove(r)
		x := r.more
		*x = recordMore{key: x.key, unique: x.unique, group: x.group, uniqueUntil: x.uniqueUntil}
		s.seq++
		r.phase, r.seq, r.attempt, r.cancel, r.expires = free, s.seq, 0, false, never
		s.begin(r, now, now)
	})
}

func (m *memory) Purge(_ context.Context, queue string, ids []string) (int, error) {
	return m.letters(queue, ids, func(s *store, r *record, _ moment) { s.forget(r) })
}

func (m *memory) Cancel(_ context.Context, queue, id string) (record driver.Record, err error) {
	err = m.in(queue, func(s *store, now moment) error {
		r := s.find(id, now)
		if r == nil {
			return driver.ErrUnknownJob
		}
		switch {
		case r.ended():
		case r.phase != leased:
			r.cancel = true
			if r.lot.keep <= 0 {
				r.lot = &lot{r.lot.kind, 1} // so that it can be shown
			}
			s.end(r, now, canceledAt(driver.ErrCanceled))
		case !r.cancel:
			r.cancel = true
			s.changed(r, now)
		}
		record = s.show(r, false)
		return nil
	})
	return record, err
}

func (m *memory) Pause(_ context.Context, queue string, paused bool) error {
	return m.in(queue, func(s *store, _ moment) error {
		s.paused = paused
		s.wake = s.counts.Ready
		return nil
	})
}

func (m *memory) Watch(queue string) (w driver.Watch, err error) {
	err = m.in(queue, func(s *store, _ moment) error {
		mw := &memoryWatch{store: s, wake: make(chan struct{}, 1)}
		s.watch = append(s.watch, mw)
		w = mw
		return nil
	})
	return w, err
}

// maxChanges is how many changes a watch keeps for who is slow to ask.
const maxChanges = 4096

// A memoryWatch is guarded by the lock of its store.
type memoryWatch struct {
	store  *store
	wake   chan struct{}            // has room for one
	wanted func(driver.Change) bool // or nil: all is
	queue  []driver.Change
	missed bool
	closed bool
}

func (w *memoryWatch) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// only has w told of what wanted says yes to.
func (w *memoryWatch) only(wanted func(driver.Change) bool) {
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	w.wanted = wanted
}

func (w *memoryWatch) tell(c driver.Change) {
	if w.wanted != nil && !w.wanted(c) {
		return
	}
	if len(w.queue) >= maxChanges {
		w.missed = true
		return
	}
	w.queue = append(w.queue, c)
	if len(w.queue) == 1 {
		w.signal()
	}
}

func (w *memoryWatch) Next(ctx context.Context, into []driver.Change) ([]driver.Change, error) {
	for {
		w.store.mu.Lock()
		switch {
		case w.closed || w.store.closed:
			w.store.mu.Unlock()
			return into, driver.ErrClosed
		case len(w.queue) > 0:
			into = append(into, w.queue...)
			if w.missed {
				into = append(into, driver.Change{})
			}
			w.missed = false
			if w.queue = w.queue[:0]; cap(w.queue) > 256 {
				w.queue = nil
			}
			w.store.mu.Unlock()
			return into, nil
		}
		w.store.mu.Unlock()
		select {
		case <-w.wake:
		case <-ctx.Done():
			return into, ctx.Err()
		}
	}
}

func (w *memoryWatch) Close() error {
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	w.closed = true
	w.store.watch = slices.DeleteFunc(w.store.watch, func(o *memoryWatch) bool { return o == w })
	w.signal()
	return nil
}

var _ interface {
	driver.Backend
	driver.Results
	driver.Morgue
	driver.Controller
	driver.Watcher
} = (*memory)(nil)
