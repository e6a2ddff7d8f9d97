package queue

import (
	"errors"
	"sync"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// A settler gathers what is settled while a call is under way, and sends it in the
// next: nobody waits for others to come, and the busier the store, the more it gets
// at once. The goroutine that finds no call under way makes it, for its own
// settlement; what comes meanwhile is sent by a goroutine of the settler's.
type settler struct {
	w       *worker
	mu      sync.Mutex
	sending bool
	first   *task // of those to be sent next, linked by next
	last    *task
	n       int
	room    chan struct{} // closed when there is room; nil if nobody waits
	came    chan struct{} // closed when more has come; nil if nobody waits
}

// maxUnsettled is how many settlements wait before who settles waits too.
const maxUnsettled = 1024

// maxSettle is how many are sent in one call.
const maxSettle = 256

// settle ends the lease of t, and returns before or after that is done.
func (s *settler) settle(t *task, what driver.Settlement) {
	what.Lease = t.job.Lease
	t.settling[0] = what
	again := false
	if s.w.core.caps.InProcess { // it answers at once: nothing is gained by gathering
		if again = s.sendOne(t); !again {
			return
		}
		s.w.mu.Lock()
		t.worked = s.w.alarm.Now()
		s.w.mu.Unlock()
	}
	s.mu.Lock()
	for s.sending {
		if s.n < maxUnsettled {
			s.push(t)
			s.mu.Unlock()
			return
		}
		if s.room == nil {
			s.room = make(chan struct{})
		}
		room := s.room
		s.mu.Unlock()
		<-room // whoever sends gets there, or gives up with the leases
		s.mu.Lock()
	}
	s.sending = true
	s.mu.Unlock()
	if !again {
		again = s.sendOne(t)
	}
	if again || s.more() {
		var left []*task
		if again {
			left = []*task{t}
		}
		s.w.goroutines.Add(1)
		go s.drain(left)
	}
}

// push appends t. The caller holds the lock.
func (s *settler) push(t *task) {
	if s.last != nil {
		s.last.next = t
	} else {
		s.first = t
	}
	s.last = t
	s.n++
	if s.came != nil {
		close(s.came)
		s.came = nil
	}
}

// more reports whether there is more to send, and else that nobody sends.
func (s *settler) more() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sending = s.n > 0
	return s.sending
}

// take appends to batch what is to be sent next, or notes that nobody sends.
func (s *settler) take(batch []*task) []*task {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.first != nil && len(batch) < maxSettle {
		t := s.first
		s.first, t.next = t.next, nil
		s.n--
		batch = append(batch, t)
	}
	if s.first == nil {
		s.last = nil
		if s.room != nil {
			close(s.room)
			s.room = nil
		}
	}
	s.sending = len(batch) > 0
	return batch
}

// drain sends what there is, and again what failed, until nothing is left.
func (s *settler) drain(again []*task) {
	defer s.w.goroutines.Done()
	var all []driver.Settlement
	for failures := 0; ; {
		batch := s.take(again)
		if len(batch) == 0 {
			return
		}
		all = all[:0]
		for _, t := range batch {
			all = append(all, t.settling[0])
		}
		again = again[:0]
		errs := s.call(all)
		for i, t := range batch { // batch and again share memory: what is kept moves forward
			switch {
			case errs == nil || errs[i] == nil:
				s.settled(t, nil)
				if t.ends() {
					s.w.core.follow.ended(t.job.ID, t.outcome())
				}
			case s.settled(t, errs[i]):
				again = append(again, t)
			}
		}
		clear(all)
		if len(again) == 0 {
			failures = 0
			continue
		}
		if failures++; len(again) < len(batch) {
			failures = 1 // the store is there
		}
		// A lease is to see several tries, however short it is.
		s.pause(min(storeBackoff(failures), s.w.core.opts.Lease/10), len(again) == maxSettle)
	}
}

// pause waits before the store is asked again, but no longer than until more comes:
// what the store does not take is not in the way of the rest.
func (s *settler) pause(d time.Duration, full bool) {
	s.mu.Lock()
	if s.n > 0 && !full {
		d = min(d, soonAgain)
	}
	came := make(chan struct{})
	s.came = came
	s.mu.Unlock()
	timer := s.w.core.clock.Timer(d)
	defer timer.Stop()
	select {
	case <-came:
	case <-timer.C:
	}
}

// soonAgain is how long what has come waits for what failed.
const soonAgain = 20 * time.Millisecond

// sendOne sends t alone, and reports whether it is to be sent again. If the backend
// answers at once, those who wait for the job are taken out before, so that it need not
// tell of what they are told here.
func (s *settler) sendOne(t *task) (again bool) {
	f := &s.w.core.follow
	ahead := t.ends() && s.w.core.caps.InProcess
	var waiting *following
	if ahead {
		waiting = f.takeAll(t.job.ID)
	}
	if errs := s.call(t.settling[:]); errs != nil && errs[0] != nil {
		f.putBack(waiting)
		return s.settled(t, errs[0])
	}
	s.settled(t, nil)
	switch {
	case ahead:
		waiting.ended(t.outcome())
	case t.ends():
		f.ended(t.job.ID, t.outcome())
	}
	return false
}

func (s *settler) call(all []driver.Settlement) []error {
	ctx, done := s.w.storeContext()
	defer done()
	return s.w.core.backend.Settle(ctx, s.w.core.name, all)
}

// settled deals with how the settlement of t went, and reports whether it is to be
// sent again: as long as the lease lasts.
func (s *settler) settled(t *task, err error) (again bool) {
	w := s.w
	event := "queue.unsettled"
	switch {
	case err == nil:
		w.drop(t)
		return false
	case errors.Is(err, ErrLeaseLost):
		event = "queue.late"
	case w.over(t) || errors.Is(err, ErrClosed):
	case errors.Is(err, antiphon.ErrTooLarge) && t.settling[0].Result != nil:
		t.settling[0] = driver.Settlement{Lease: t.job.Lease, Outcome: driver.Bury, State: antiphon.StateFailed, Err: asDead(ran(err))}
		return true
	default:
		event, again = "queue.settle_failed", true
	}
	if !again {
		w.drop(t)
	}
	t.observe(event, 0, err)
	return again
}

// ends reports whether the settlement of t ends its job.
func (t *task) ends() bool {
	return t.settling[0].Outcome == driver.Done || t.settling[0].Outcome == driver.Bury
}

// outcome is how it ends it.
func (t *task) outcome() outcome {
	x := &t.settling[0]
	return outcome{x.State, x.Result, x.Err, false}
}
