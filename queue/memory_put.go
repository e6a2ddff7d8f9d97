package queue

import (
	"bytes"
	"context"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/internal/alarm"
	"github.com/antiphon-go/antiphon/queue/driver"
)

func (m *memory) Put(ctx context.Context, r driver.PutRequest) ([]driver.Placed, error) {
	for i := range r.Jobs {
		if len(r.Jobs[i].Payload) > m.opts.MaxPayload {
			return nil, tooLarge(len(r.Jobs[i].Payload), m.opts.MaxPayload)
		}
	}
	s, err := m.store(r.Queue)
	if err != nil {
		return nil, err
	}
	for {
		placed, room, err := s.put(&r)
		if room == nil {
			return placed, err
		}
		select {
		case <-room:
		case <-ctx.Done():
			return nil, gaveUp(ctx, antiphon.ClassNotAccepted)
		}
	}
}

func tooLarge(n, limit int) error {
	return antiphon.Errorf(antiphon.CodeResourceExhausted, "queue: %d bytes, of at most %d: %w", n, limit, antiphon.ErrTooLarge)
}

// put stores the jobs, or returns a channel to wait for room on.
func (s *store) put(r *driver.PutRequest) (placed []driver.Placed, room chan struct{}, err error) {
	now := s.lock()
	defer s.unlock(now)
	if s.closed {
		return nil, nil, driver.ErrClosed
	}
	placed, fresh, err := s.duplicates(r.Jobs, now)
	if err != nil {
		return nil, nil, err
	}
	if n := s.opts.MaxOpen; n > 0 && fresh > 0 && s.waiting()+s.counts.Running+fresh > n {
		return nil, nil, driver.ErrFull
	}
	if excess := s.waiting() + fresh - r.Capacity; r.Capacity > 0 && fresh > 0 && excess > 0 {
		switch {
		case fresh > r.Capacity, r.Overflow == driver.Reject:
			return nil, nil, driver.ErrFull
		case r.Overflow == driver.Block:
			if s.room == nil {
				s.room = make(chan struct{})
			}
			return nil, s.room, nil
		}
		for range excess {
			if old := s.longest(); old != nil {
				s.end(old, now, droppedAt)
			}
		}
	}
	for i := range r.Jobs {
		if placed == nil || !placed[i].Duplicate {
			s.enter(&r.Jobs[i], now)
		}
	}
	for i := range min(r.Claim, len(r.Jobs)) {
		rec := s.jobs.find(r.Jobs[i].ID)
		if rec == nil || s.paused || s.first() != rec {
			break
		}
		c := &claim{leased: s.lease(rec, now, r.Lease)}
		switch {
		case placed == nil && len(r.Jobs) == 1:
			placed = c.placed[:]
		case placed == nil:
			placed = make([]driver.Placed, len(r.Jobs))
		}
		for j := range r.Jobs {
			if placed[j].ID == "" {
				placed[j].ID = r.Jobs[j].ID
			}
		}
		placed[i].Leased = &c.leased
	}
	return placed, nil, nil
}

// A claim is what is returned for a job that is leased as it is put.
type claim struct {
	placed [1]driver.Placed
	leased driver.Leased
}

// duplicates finds the jobs that are there already. It returns nil if there are none,
// and how many there are not.
func (s *store) duplicates(jobs []driver.Envelope, now moment) (placed []driver.Placed, fresh int, err error) {
	among := twins{jobs: jobs}
	for i := range jobs {
		e := &jobs[i]
		old, other := s.known(e, now), -1
		if old == nil {
			other = among.of(i)
		}
		id := ""
		switch {
		case old != nil:
			if id = old.id; e.Key != "" && old.more != nil && old.more.key == e.Key && !bytes.Equal(old.payload, e.Payload) {
				return nil, 0, driver.ErrKeyReused
			}
		case other >= 0:
			if id = jobs[other].ID; e.Key != "" && jobs[other].Key == e.Key && !bytes.Equal(jobs[other].Payload, e.Payload) {
				return nil, 0, driver.ErrKeyReused
			}
		default:
			fresh++
			if placed != nil {
				placed[i].ID = e.ID
			}
			continue
		}
		if placed == nil {
			placed = make([]driver.Placed, len(jobs))
			among.placed = placed
			for j := range i {
				placed[j].ID = jobs[j].ID
			}
		}
		placed[i] = driver.Placed{ID: id, Duplicate: true}
	}
	return placed, fresh, nil
}

// known returns the job of which e is a duplicate, or nil.
func (s *store) known(e *driver.Envelope, now moment) *record {
	if old := s.find(e.ID, now); old != nil {
		return old
	}
	if e.Key != "" {
		if old := s.keys[e.Key]; old != nil && s.find(old.id, now) != nil {
			return old
		}
	}
	if e.Unique != "" {
		if old := s.unique[e.Unique]; old != nil {
			if !old.ended() || old.more.uniqueUntil > now {
				return old
			}
			s.freeUnique(old)
		}
	}
	return nil
}

// find returns the job of id, or nil if it is not known, or not any more.
func (s *store) find(id string, now moment) *record {
	r := s.jobs.find(id)
	if r != nil && r.ended() && r.expires <= now {
		s.forget(r)
		return nil
	}
	return r
}

// enter makes a record of e.
func (s *store) enter(e *driver.Envelope, now moment) {
	r := s.spare.pop()
	if r == nil {
		r = new(record)
	}
	s.seq++
	*r = record{
		id: e.ID, lot: s.lotOf(e), payload: e.Payload, header: e.Header,
		seq: s.seq, created: now, expires: never, priority: int32(e.Priority),
	}
	if e.TTL > 0 {
		r.expires = alarm.After(now, e.TTL)
	}
	s.jobs.add(r)
	if e.Key != "" {
		r.extra().key = e.Key
		s.keys[e.Key] = r
	}
	if e.Unique != "" {
		r.extra().unique = e.Unique
		r.more.uniqueUntil = now
		if e.UniqueFor > 0 {
			r.more.uniqueUntil = alarm.After(now, e.UniqueFor)
		}
		s.unique[e.Unique] = r
	}
	if e.Group != "" {
		r.extra().group = e.Group
	}
	s.begin(r, now, alarm.After(now, max(e.Delay, 0)))
}

// begin makes r a job that waits until at.
func (s *store) begin(r *record, now, at moment) {
	s.joinGroup(r)
	s.wait(r, now, at, false)
	if r.version++; r.version > 1 {
		s.changed(r, now)
	}
	r.updated = now // nobody can have been watching a new one
}
