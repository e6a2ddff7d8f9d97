package queue

import "github.com/antiphon-go/antiphon/queue/driver"

// A timeline is what is due when. Leases end mostly in the order in which they began,
// and so do delays and lives of the same length: these are in lists, to whose ends
// they are added, and the rest is in a heap. The records know their places.
type timeline struct {
	lists [3]course
	heap  heap
}

// A course is records in the order of their moments, which moment tells.
type course struct{ head, tail *record }

// The lists are for leases, for delays, and for the lives of what waits otherwise.
func (r *record) courseOf() int {
	switch r.phase {
	case leased:
		return 0
	case delayed:
		return 1
	}
	return 2
}

// moment is when something is to be done about r, if it is in a list or heap.
func (r *record) moment() moment {
	switch r.phase {
	case leased:
		return r.ready
	case delayed:
		return min(r.ready, r.expires)
	}
	return r.expires
}

// set notes what r.moment says, which may be never.
func (t *timeline) set(r *record) {
	at := r.moment()
	i := r.courseOf()
	c := &t.lists[i]
	switch {
	case at == never:
		t.clear(r)
	case r.place > 0: // it stays in the heap
		t.heap.place(int(r.place-1), due{at, r})
	case c.tail == r: // the last may as well be later, if it is not sooner
		if r.sooner == nil || r.sooner.moment() <= at {
			return
		}
		fallthrough
	default:
		t.clear(r)
		if c.tail != nil && c.tail.moment() > at {
			t.heap = append(t.heap, due{})
			t.heap.up(len(t.heap)-1, due{at, r})
			return
		}
		if r.sooner = c.tail; c.tail != nil {
			c.tail.later = r
		} else {
			c.head = r
		}
		c.tail = r
		r.place = int32(-1 - i)
	}
}

// clear takes r out, if it is in.
func (t *timeline) clear(r *record) {
	switch {
	case r.place > 0:
		t.heap.remove(int(r.place - 1))
	case r.place < 0:
		c := &t.lists[-1-r.place]
		if r.sooner != nil {
			r.sooner.later = r.later
		} else {
			c.head = r.later
		}
		if r.later != nil {
			r.later.sooner = r.sooner
		} else {
			c.tail = r.sooner
		}
		r.sooner, r.later = nil, nil
	}
	r.place = 0
}

// first returns what is due first, and when; nil and never if there is nothing.
func (t *timeline) first() (first *record, at moment) {
	at = never
	if len(t.heap) > 0 {
		first, at = t.heap[0].record, t.heap[0].at
	}
	for i := range t.lists {
		if r := t.lists[i].head; r != nil {
			if m := r.moment(); m < at {
				first, at = r, m
			}
		}
	}
	return first, at
}

// A heap has four children a node.
type heap []due

type due struct {
	at     moment
	record *record
}

func (h *heap) remove(i int) {
	old := *h
	n := len(old) - 1
	last := old[n]
	old[n] = due{}
	*h = old[:n]
	if i < n {
		h.place(i, last)
	}
	if c := cap(*h); c > 4096 && n < c/4 { // give memory back after a flood
		*h = append(make(heap, 0, c/2), *h...)
	}
}

func (h heap) place(i int, d due) {
	if i > 0 && d.at < h[(i-1)/4].at {
		h.up(i, d)
	} else {
		h.down(i, d)
	}
}

func (h heap) up(i int, d due) {
	for i > 0 {
		parent := (i - 1) / 4
		if h[parent].at <= d.at {
			break
		}
		h.put(i, h[parent])
		i = parent
	}
	h.put(i, d)
}

func (h heap) down(i int, d due) {
	for {
		least := 4*i + 1
		if least >= len(h) {
			break
		}
		for c := least + 1; c < min(4*i+5, len(h)); c++ {
			if h[c].at < h[least].at {
				least = c
			}
		}
		if d.at <= h[least].at {
			break
		}
		h.put(i, h[least])
		i = least
	}
	h.put(i, d)
}

func (h heap) put(i int, d due) {
	h[i] = d
	d.record.place = int32(i + 1)
}

// next is the moment at which something is due.
func (s *store) next() moment {
	_, at := s.times.first()
	for _, l := range [...]*list{&s.kept, &s.dead} {
		if l.head != nil {
			at = min(at, l.head.expires)
		}
	}
	return at
}

// advance does what is due at now.
func (s *store) advance(now moment) {
	for {
		r, at := s.times.first()
		if at > now {
			break
		}
		switch {
		case r.phase == leased && !s.over(r, now):
			s.counts.Running--
			s.times.clear(r)
			s.makeReady(r, now, false)
			s.changed(r, now)
		case r.phase == leased: // and has ended
		case r.expires <= now:
			s.expire(r, now)
		case r.phase == delayed:
			s.counts.Delayed--
			s.times.clear(r)
			s.makeReady(r, now, false)
		}
	}
	for _, l := range [...]*list{&s.kept, &s.dead} {
		for l.head != nil && l.head.expires <= now {
			s.forget(l.head)
		}
	}
}

// over ends a job whose lease has run out and that is not to be handed out again. It
// reports false for any other.
func (s *store) over(r *record, now moment) bool {
	switch {
	case r.expires <= now:
		s.expire(r, now)
	case r.cancel:
		s.end(r, now, canceledAt(driver.ErrCanceled))
	default:
		return false
	}
	return true
}
