package queue

import (
	"context"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/internal/alarm"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// each calls do under the store's lock for each of n items, and gathers the errors:
// nil if there are none.
func (m *memory) each(queue string, n int, do func(s *store, i int, now moment) error) (errs []error) {
	note := func(i int, err error) {
		if err != nil {
			if errs == nil {
				errs = make([]error, n)
			}
			errs[i] = err
		}
	}
	s, err := m.store(queue)
	if err == nil {
		now := s.lock()
		defer s.unlock(now)
		if s.closed {
			err = driver.ErrClosed
		}
		for i := 0; i < n && err == nil; i++ {
			note(i, do(s, i, now))
		}
	}
	for i := 0; i < n && err != nil; i++ {
		note(i, err)
	}
	return errs
}

// held returns the record that l leases.
func (s *store) held(l driver.Lease) (*record, error) {
	r := s.jobs.find(l.ID)
	if r == nil || int64(r.fence) != l.Fence || r.phase != leased {
		return nil, driver.ErrLeaseLost
	}
	return r, nil
}

func (m *memory) Extend(_ context.Context, queue string, x []driver.Extension) []error {
	return m.each(queue, len(x), func(s *store, i int, now moment) error {
		r, err := s.held(x[i].Lease)
		if err != nil {
			return err
		}
		if len(x[i].Checkpoint) > s.opts.MaxPayload {
			return tooLarge(len(x[i].Checkpoint), s.opts.MaxPayload)
		}
		r.ready = alarm.After(now, x[i].For)
		s.times.set(r)
		if x[i].Checkpoint != nil {
			r.extra().checkpoint = x[i].Checkpoint
		}
		if p := x[i].Progress; p != nil {
			e := r.extra()
			e.percent, e.message = p.Percent, p.Message
			e.data, _ = p.Data.([]byte)
			r.version++
			r.updated = now
			s.tell(driver.Change{ID: r.id, State: antiphon.StateRunning, CancelRequested: r.cancel, Progress: true})
		}
		if r.cancel {
			return driver.ErrCanceled
		}
		return nil
	})
}

func (m *memory) Settle(_ context.Context, queue string, all []driver.Settlement) []error {
	return m.each(queue, len(all), func(s *store, i int, now moment) error {
		x := &all[i]
		r, err := s.held(x.Lease)
		if err != nil {
			if r := s.jobs.find(x.ID); r != nil && int64(r.fence) == x.Fence && r.settled {
				return nil // this is being said again
			}
			return err
		}
		if len(x.Result) > s.opts.MaxPayload {
			return tooLarge(len(x.Result), s.opts.MaxPayload)
		}
		r.settled = true
		switch x.Outcome {
		case driver.Done, driver.Bury:
			s.end(r, now, end{
				state: x.State, result: x.Result, contentType: x.ContentType, err: x.Err, bury: x.Outcome == driver.Bury,
			})
			return nil
		case driver.Release:
			r.attempt--
		case driver.Retry:
			if x.Err != nil {
				r.extra().err = x.Err
			}
		}
		if s.over(r, now) {
			return nil
		}
		s.takeOut(r)
		s.wait(r, now, alarm.After(now, max(x.Delay, 0)), x.Outcome == driver.Release)
		s.changed(r, now)
		return nil
	})
}

// An end is how a job ends.
type end struct {
	state       antiphon.State
	result      []byte
	contentType string
	err         *antiphon.Error
	bury        bool
}

func canceledAt(why error) end {
	return end{state: antiphon.StateCanceled, err: antiphon.FromError(why)}
}

var droppedAt = end{state: antiphon.StateFailed, err: antiphon.FromError(driver.ErrDropped)}

// end ends r, wherever it is.
func (s *store) end(r *record, now moment, how end) {
	waited := r.phase != leased
	s.takeOut(r)
	s.leaveGroup(r, now)
	if waited {
		s.leaveRoom()
	}
	switch how.state {
	case antiphon.StateSucceeded:
		s.counts.Succeeded++
	case antiphon.StateCanceled:
		s.counts.Canceled++
	case antiphon.StateExpired:
		s.counts.Expired++
	default:
		s.counts.Failed++
	}
	r.final = finalOf(how.state)
	r.expires = alarm.After(now, r.lot.keep)
	if m := r.more; m != nil && m.unique != "" {
		r.expires = max(r.expires, m.uniqueUntil)
	}
	to, limit := &s.kept, s.opts.MaxKept
	r.phase = kept
	if how.bury {
		to, limit = &s.dead, s.opts.MaxDead
		r.phase, r.expires = dead, never
	}
	s.changed(r, now)
	if r.expires <= now {
		s.drop(r)
		return
	}
	if r.more == nil && how.err == nil && how.contentType == "" && !how.bury {
		r.payload, r.answered = how.result, true
	} else {
		m := r.extra()
		m.result, m.contentType, m.err, m.checkpoint = how.result, how.contentType, how.err, nil
		if !how.bury && m.key == "" {
			r.payload = nil
		}
	}
	to.push(r)
	if to.n > limit {
		s.forget(to.head)
	}
}

// expire ends r because its time is over.
func (s *store) expire(r *record, now moment) {
	why := driver.ErrExpired
	if r.more != nil && r.more.err != nil { // what the last attempt ended in
		why = antiphon.Errorf(antiphon.CodeDeadlineExceeded, "%w: %w", why, r.more.err)
	}
	s.end(r, now, end{state: antiphon.StateExpired, err: antiphon.FromError(why)})
}

// forget makes r, which has ended, unknown.
func (s *store) forget(r *record) {
	if r.phase == dead {
		s.dead.remove(r)
	} else {
		s.kept.remove(r)
	}
	s.drop(r)
}

// maxSpare is how many records are kept to be used again.
const maxSpare = 1024

// drop frees r, which is nowhere.
func (s *store) drop(r *record) {
	s.jobs.remove(r)
	if r.more != nil {
		if r.more.key != "" && s.keys[r.more.key] == r {
			delete(s.keys, r.more.key)
		}
		s.freeUnique(r)
	}
	*r = record{}
	if s.spare.n < maxSpare {
		s.spare.push(r)
	}
}

func (s *store) freeUnique(r *record) {
	if u := r.more.unique; u != "" && s.unique[u] == r {
		delete(s.unique, u)
	}
}
