package queue

import "github.com/antiphon-go/antiphon/queue/driver"

// A timeline is a heap, four children a node, of what is due when; the records know
// their places in it. Moments mostly come in the order of time, and then adding is
// one comparison.
type timeline []due

type due struct {
	at     moment
	record *record
}

// set makes r due at at, which may be never.
func (t *timeline) set(r *record, at moment) {
	switch {
	case at == never:
		t.clear(r)
	case r.heapAt == 0:
		*t = append(*t, due{})
		t.up(len(*t)-1, due{at, r})
	default:
		t.place(int(r.heapAt-1), due{at, r})
	}
}

// clear takes r out, if it is in.
func (t *timeline) clear(r *record) {
	if r.heapAt == 0 {
		return
	}
	i, old := int(r.heapAt-1), *t
	r.heapAt = 0
	last := old[len(old)-1]
	old[len(old)-1] = due{}
	*t = old[:len(old)-1]
	if last.record != r {
		t.place(i, last)
	}
	if c := cap(*t); c > 4096 && len(*t) < c/4 { // give memory back after a flood
		*t = append(make(timeline, 0, c/2), *t...)
	}
}

func (t timeline) place(i int, d due) {
	if i > 0 && d.at < t[(i-1)/4].at {
		t.up(i, d)
	} else {
		t.down(i, d)
	}
}

func (t timeline) up(i int, d due) {
	for i > 0 {
		parent := (i - 1) / 4
		if t[parent].at <= d.at {
			break
		}
		t.put(i, t[parent])
		i = parent
	}
	t.put(i, d)
}

func (t timeline) down(i int, d due) {
	for {
		least := 4*i + 1
		if least >= len(t) {
			break
		}
		for c := least + 1; c < min(4*i+5, len(t)); c++ {
			if t[c].at < t[least].at {
				least = c
			}
		}
		if d.at <= t[least].at {
			break
		}
		t.put(i, t[least])
		i = least
	}
	t.put(i, d)
}

func (t timeline) put(i int, d due) {
	t[i] = d
	d.record.heapAt = int32(i + 1)
}

// next is the moment at which something is due.
func (s *store) next() moment {
	at := never
	if len(s.times) > 0 {
		at = s.times[0].at
	}
	for _, l := range [...]*list{&s.kept, &s.dead} {
		if l.head != nil {
			at = min(at, l.head.expires)
		}
	}
	return at
}

// advance does what is due at now.
func (s *store) advance(now moment) {
	for len(s.times) > 0 && s.times[0].at <= now {
		r := s.times[0].record
		switch {
		case r.phase == leased && !s.over(r, now):
			s.counts.Running--
			s.makeReady(r, now, false)
			s.changed(r, now)
		case r.phase == leased: // and has ended
		case r.expires <= now:
			s.expire(r, now)
		case r.phase == delayed:
			s.counts.Delayed--
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
