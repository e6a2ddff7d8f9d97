package queuetest

import (
	"errors"
	"slices"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// inOrder takes all of jobs, which come in that order.
func (s *side) inOrder(what string, jobs ...driver.Envelope) []driver.Leased {
	s.Helper()
	got := s.all(len(jobs))
	for i, l := range got {
		s.is(what, l, jobs[i], 0)
	}
	return got
}

func checkOrder(t *trial) {
	s := t.open()
	var jobs []driver.Envelope
	for range 5 {
		one, two, three := s.job("1"), s.job("2"), s.job("3")
		jobs = append(jobs, one, two, three)
		s.put(one)
		s.put(two, three)
	}
	for i := range jobs[:4] {
		s.is("of one priority", s.next(long), jobs[i], 1)
	}
	s.inOrder("of one priority", jobs[4:]...)
}

func checkReadyOrder(t *trial) {
	s := t.open()
	first, delayed, last := s.job("first"), s.job("delayed"), s.job("last")
	delayed.Delay = t.tick
	s.put(delayed, first)
	t.Pause(t.late(t.tick) + t.tick/4)
	s.put(last)
	s.inOrder("the one that was ready first", first, delayed, last)
}

func checkPriority(t *trial) {
	s := t.open()
	caps := s.b.Capabilities()
	levels := []int{caps.MaxPriority, 0, caps.MinPriority}
	var want [3][]driver.Envelope
	for range 3 {
		for i := range levels {
			e := s.job("of a level")
			e.Priority = levels[len(levels)-1-i]
			s.put(e)
			want[len(levels)-1-i] = append(want[len(levels)-1-i], e)
		}
	}
	var order []driver.Envelope
	for i, l := range levels {
		if i > 0 && l == levels[i-1] { // the levels are fewer: those of two in one
			base := len(order) - len(want[i-1])
			for j, e := range want[i] {
				order = slices.Insert(order, base+2*j, e)
			}
			continue
		}
		order = append(order, want[i]...)
	}
	s.inOrder("higher priorities first", order...)
}

// group makes jobs of one group.
func (s *side) group(name string, n int) (jobs []driver.Envelope) {
	for range n {
		e := s.job("of " + name)
		e.Group = name
		jobs = append(jobs, e)
	}
	return jobs
}

func checkGroupOneAtATime(t *trial) {
	s := t.open()
	a, b := s.group("a", 3), s.group("b", 2)
	free := s.job("of none")
	s.put(a[0], a[1], b[0], free, a[2], b[1])
	got := s.inOrder("one of each group, and what has none", a[0], b[0], free)
	s.empty("one of each group is leased")
	s.settled(done(got[1]))
	s.is("the next of a group", s.next(long), b[1], 1)
	s.empty("one of each group is leased")
	s.settled(bury(got[0]))
	l := s.next(long)
	s.is("the one before is buried", l, a[1], 1)
	s.settled(failed(l))
	s.is("the one before has failed", s.next(long), a[2], 1)
}

// A group keeps its order over whatever happens to its first.
func checkGroupOrder(t *trial) {
	s := t.open()
	caps := s.b.Capabilities()
	jobs := s.group("group", 2)
	s.put(jobs[0])
	s.put(jobs[1])
	l := s.next(long)
	s.is("the first of a group", l, jobs[0], 1)
	s.settled(retry(l, 0))
	l = s.next(long)
	s.is("the first of a group, tried again", l, jobs[0], 2)
	s.settled(release(l, 0))
	attempt := 2
	if caps.Delays {
		l = s.next(long)
		from := time.Now()
		s.settled(retry(l, t.tick))
		l = s.next(long)
		attempt++
		s.is("the first of a group, tried again later", l, jobs[0], attempt)
		t.notBefore("one of a group whose first waits for its next attempt was handed out", from, t.tick)
		s.settled(release(l, t.tick))
	}
	l = s.next(t.tick / 2)
	s.is("the first of a group, with a short lease", l, jobs[0], attempt)
	l = s.next(long)
	s.is("the first of a group, whose lease ran out", l, jobs[0], attempt+1)
	s.settled(done(l))
	s.is("the first of a group has ended", s.next(long), jobs[1], 1)
	s.empty("there is no more")

	if caps.Delays {
		later := s.group("later", 2)
		later[0].Delay = t.tick
		from := time.Now()
		s.put(later[0])
		s.put(later[1])
		l = s.next(long)
		s.is("the first of a group was delayed", l, later[0], 1)
		t.notBefore("one of a group whose first is delayed was handed out", from, t.tick)
		s.empty("the first of its group is leased")
		s.settled(done(l))
		s.is("the first of a group was delayed, and has ended", s.next(long), later[1], 1)
	}
	if caps.MaxPriority > 0 {
		high := s.group("high", 2)
		high[1].Priority = 1
		s.put(high...)
		l = s.next(long)
		s.is("a group goes before a priority", l, high[0], 1)
		s.settled(done(l))
		s.next(long)
	}
}

// A group is not held up by a first that ends without having been handed out.
func checkGroupGoesOn(t *trial) {
	s := t.open()
	expires := s.group("expires", 2)
	expires[0].TTL = t.life() // there is time to take it
	s.put(expires...)
	held := s.next(t.life() + 2*t.tick) // it is not disturbed
	s.is("the first of a group", held, expires[0], 1)
	l := s.next(long)
	s.is("the first of a group expired under a lease that ran out", l, expires[1], 1)
	if c, ok := s.b.(driver.Controller); ok {
		jobs := s.group("canceled", 4)
		s.put(jobs...)
		s.cancels(c, jobs[0].ID)
		s.cancels(c, jobs[2].ID)
		l = s.next(long)
		s.is("the first of a group was canceled", l, jobs[1], 1)
		s.empty("one of a group is leased, and another was canceled")
		s.settled(done(l))
		s.is("the one between was canceled", s.next(long), jobs[3], 1)
	}
	k := s.taker(t.Context(), 1, long)
	jobs := s.group("wakes", 2)
	s.put(jobs...)
	l = s.got("two of a group were put", k)
	k = s.taker(t.Context(), 1, long)
	t.Pause(t.tick / 8)
	from := time.Now()
	s.settled(done(l))
	s.is("the first has ended", s.got("the first of a group has ended", k), jobs[1], 1)
	t.Soon("a Take that waits got the next of a group", from)
}

func checkExpires(t *trial) {
	s := t.open()
	e, held, back, gone := s.job("waits"), s.job("leased"), s.job("given back"), s.job("its lease runs out")
	e.TTL = t.tick
	s.put(e)
	t.Pause(t.late(t.tick))
	s.empty("the job has expired")
	s.expired(e.ID)

	life := t.life() // there is time to take them
	held.TTL, back.TTL, gone.TTL = life, life, life
	s.put(held, back, gone)
	var ls []driver.Leased
	leases := []time.Duration{long, long, life + 2*t.tick} // those to be settled last, however slow the machine is
	for _, lease := range leases {
		ls = append(ls, s.next(lease))
	}
	for i, l := range ls {
		if l.Left <= 0 || l.Left > life+t.store.Precision {
			t.Errorf("a job that expires in less than %v was handed out with %v left", life, l.Left)
		}
		if err := s.extend(driver.Extension{Lease: l.Lease, For: leases[i]}); err != nil {
			t.Errorf("Extend: %v", err)
		}
	}
	t.Pause(t.late(life))
	s.settled(done(ls[0])) // what is leased is not disturbed
	s.state(held.ID, antiphon.StateSucceeded)
	s.settled(retry(ls[1], 0))
	s.nothing("both have expired meanwhile", t.late(life+2*t.tick))
	s.expired(back.ID)
	s.expired(gone.ID)
	s.lost("the lease of an expired job is over", s.settle(done(ls[2])))
}

// expired sees that the job of id ended as expired.
func (s *side) expired(id string) {
	s.Helper()
	if _, ok := s.b.(driver.Results); !ok {
		return
	}
	if r := s.record(id); r.State != antiphon.StateExpired || r.Err == nil || !errors.Is(r.Err, driver.ErrExpired) {
		s.Errorf("a job's time is over, and it is %q with %v; want expired with driver.ErrExpired", r.State, r.Err)
	}
}
