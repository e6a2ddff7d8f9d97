package queue

import (
	"context"
	"errors"
	"sync"

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
	next    []*settled
	room    chan struct{} // closed when next is empty; nil if nobody waits
}

// maxUnsettled is how many settlements wait before who settles waits too.
const maxUnsettled = 1024

// maxSettle is how many are sent in one call.
const maxSettle = 256

type settled struct {
	task *task
	what driver.Settlement
}

// settle ends the lease of t, and returns before or after that is done.
func (s *settler) settle(t *task, what driver.Settlement) {
	what.Lease = t.job.Lease
	x := &settled{t, what}
	s.mu.Lock()
	for s.sending {
		if len(s.next) < maxUnsettled {
			s.next = append(s.next, x)
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
	if again := s.send([]*settled{x}); len(again) > 0 || s.more() {
		s.w.goroutines.Add(1)
		go s.drain(again)
	}
}

// more reports whether there is more to send, and else that nobody sends.
func (s *settler) more() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.next) == 0 {
		s.sending = false
	}
	return s.sending
}

// drain sends what there is, and again what failed, until nothing is left.
func (s *settler) drain(again []*settled) {
	defer s.w.goroutines.Done()
	for failures := 0; ; {
		s.mu.Lock()
		n := min(len(s.next), max(maxSettle-len(again), 0))
		batch := append(again, s.next[:n]...)
		if s.next = s.next[n:]; len(s.next) == 0 {
			s.next = nil
			if s.room != nil {
				close(s.room)
				s.room = nil
			}
		}
		s.sending = len(batch) > 0
		s.mu.Unlock()
		if len(batch) == 0 {
			return
		}
		if again = s.send(batch); len(again) == 0 {
			failures = 0
			continue
		}
		failures++
		timer := s.w.core.clock.Timer(storeBackoff(failures))
		<-timer.C
	}
}

// send makes one call, and returns what is to be sent again: as long as the lease
// lasts.
func (s *settler) send(batch []*settled) (again []*settled) {
	w, c := s.w, s.w.core
	var one [1]driver.Settlement
	all := one[:0]
	for _, x := range batch {
		all = append(all, x.what)
	}
	errs := c.backend.Settle(context.WithoutCancel(w.base), c.name, all)
	for i, x := range batch {
		var err error
		if errs != nil {
			err = errs[i]
		}
		switch {
		case err == nil:
			w.drop(x.task)
			s.tell(x)
		case errors.Is(err, ErrLeaseLost):
			w.drop(x.task)
			c.observe(antiphon.Event{Name: "queue.late", ID: x.what.ID, Attempt: x.task.job.Attempt, Err: err})
		case w.over(x.task) || errors.Is(err, ErrClosed):
			w.drop(x.task)
			c.observe(antiphon.Event{Name: "queue.unsettled", ID: x.what.ID, Attempt: x.task.job.Attempt, Err: err})
		case errors.Is(err, antiphon.ErrTooLarge) && x.what.Result != nil:
			x.what = driver.Settlement{Lease: x.what.Lease, Outcome: driver.Bury, State: antiphon.StateFailed, Err: asDead(err)}
			again = append(again, x)
		default:
			c.observe(antiphon.Event{Name: "queue.settle_failed", ID: x.what.ID, Attempt: x.task.job.Attempt, Err: err})
			again = append(again, x)
		}
	}
	return again
}

// tell lets those in this process know who wait for the job.
func (s *settler) tell(x *settled) {
	if x.what.Outcome == driver.Done || x.what.Outcome == driver.Bury {
		s.w.core.follow.ended(x.what.ID, outcome{x.what.State, x.what.Result, x.what.Err, x.task.job.Attempt})
	}
}
