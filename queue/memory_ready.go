package queue

import "slices"

// A level is the ready jobs of one priority.
type level struct {
	priority int32
	list
}

func (s *store) level(priority int32) *level {
	i, ok := slices.BinarySearchFunc(s.levels, priority, func(l level, p int32) int {
		switch {
		case l.priority > p:
			return -1
		case l.priority < p:
			return 1
		}
		return 0
	})
	if !ok {
		s.levels = slices.Insert(s.levels, i, level{priority: priority})
	}
	return &s.levels[i]
}

// first returns the next job to be handed out, or nil.
func (s *store) first() *record {
	for i := range s.levels {
		if r := s.levels[i].head; r != nil {
			return r
		}
	}
	return nil
}

// makeReady puts r, which is nowhere, into its level, or leaves it to wait behind its
// group. One that was released goes first: it is older than all who have waited
// their turn.
func (s *store) makeReady(r *record, now moment, front bool) {
	if !s.leads(r) {
		s.hold(r, blocked)
		return
	}
	r.phase, r.ready = ready, now
	l := s.level(r.priority)
	if front {
		l.pushFront(r)
	} else {
		l.push(r)
	}
	s.counts.Ready++
	s.times.set(r)
	s.noteWaiting(r)
	s.wake++
}

// hold keeps r, which is nowhere, from being handed out.
func (s *store) hold(r *record, p phase) {
	r.phase = p
	s.counts.Delayed++
	s.times.set(r)
	s.noteWaiting(r)
}

// wait makes r ready at at.
func (s *store) wait(r *record, now, at moment, front bool) {
	r.ready = at
	if at <= now {
		s.makeReady(r, now, front)
	} else {
		s.hold(r, delayed)
	}
}

// takeOut takes r out of where it waits.
func (s *store) takeOut(r *record) {
	switch r.phase {
	case ready:
		l := s.level(r.priority)
		l.remove(r)
		if l.n == 0 && len(s.levels) > 16 { // priorities come and go
			s.levels = slices.DeleteFunc(s.levels, func(l level) bool { return l.n == 0 })
		}
		s.counts.Ready--
	case delayed, blocked:
		s.counts.Delayed--
	case leased:
		s.counts.Running--
	}
	s.times.clear(r)
	r.phase = free
}

// A group is jobs whose order is kept: the first of them is the only one that is
// handed out.
type group struct{ head, tail *record }

// leads reports whether r is the first of its group, or has none.
func (s *store) leads(r *record) bool {
	return r.more == nil || r.more.group == "" || s.groups[r.more.group].head == r
}

// joinGroup puts r at the end of its group.
func (s *store) joinGroup(r *record) {
	if r.more == nil || r.more.group == "" {
		return
	}
	g := s.groups[r.more.group]
	if g == nil {
		g = &group{}
		s.groups[r.more.group] = g
	}
	r.more.before, r.more.behind = g.tail, nil
	if g.tail != nil {
		g.tail.more.behind = r
	} else {
		g.head = r
	}
	g.tail = r
}

// leaveGroup takes r out of its group and lets the next come forward.
func (s *store) leaveGroup(r *record, now moment) {
	if r.more == nil || r.more.group == "" {
		return
	}
	g, m := s.groups[r.more.group], r.more
	led := g.head == r
	if m.before != nil {
		m.before.more.behind = m.behind
	} else {
		g.head = m.behind
	}
	if m.behind != nil {
		m.behind.more.before = m.before
	} else {
		g.tail = m.before
	}
	m.before, m.behind = nil, nil
	if g.head == nil {
		delete(s.groups, m.group)
	} else if led && g.head.phase == blocked {
		s.takeOut(g.head)
		s.wait(g.head, now, g.head.ready, false)
	}
}

// A reference is to a record as long as that holds the same job.
type reference struct {
	record *record
	seq    uint64
}

func (o reference) waits() bool {
	return o.record.seq == o.seq && (o.record.phase == ready || o.record.phase == delayed || o.record.phase == blocked)
}

// noteWaiting notes the order in which jobs came, once that is needed.
func (s *store) noteWaiting(r *record) {
	if !s.drops {
		return
	}
	if len(s.oldest) > 2*s.waiting()+64 {
		s.oldest = slices.DeleteFunc(s.oldest, func(o reference) bool { return !o.waits() })
	}
	s.oldest = append(s.oldest, reference{r, r.seq})
}

// longest returns what has waited longest, or nil.
func (s *store) longest() *record {
	if !s.drops {
		s.drops = true
		s.jobs.each(0, func(r *record) bool {
			if o := (reference{r, r.seq}); o.waits() {
				s.oldest = append(s.oldest, o)
			}
			return true
		})
		slices.SortFunc(s.oldest, func(a, b reference) int { return int(int64(a.seq - b.seq)) })
	}
	for len(s.oldest) > 0 {
		o := s.oldest[0]
		s.oldest = s.oldest[1:]
		if o.waits() {
			return o.record
		}
	}
	return nil
}
