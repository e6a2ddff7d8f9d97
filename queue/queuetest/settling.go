package queuetest

import (
	"errors"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue/driver"
)

var allOutcomes = []driver.Outcome{driver.Done, driver.Retry, driver.Release, driver.Bury}

func checkOutcomes(t *trial) {
	s := t.open()
	for _, state := range []antiphon.State{antiphon.StateSucceeded, antiphon.StateFailed, antiphon.StateCanceled, antiphon.StateExpired} {
		for _, o := range []driver.Outcome{driver.Done, driver.Bury} {
			if o == driver.Bury && state == antiphon.StateSucceeded {
				continue
			}
			e := s.job(string(state))
			s.put(e)
			l := s.next(t.tick)
			s.settled(driver.Settlement{Lease: l.Lease, Outcome: o, State: state, Err: boom})
			s.nothing("the job has ended", t.tick+t.tick/4)
			s.state(e.ID, state)
		}
	}
	e := s.job("given back")
	s.put(e)
	s.settled(retry(s.next(long), 0))
	l := s.next(long)
	s.is("to be tried again", l, e, 2)
	s.settled(release(l, 0))
	s.is("released", s.next(long), e, 2)
}

// Settled twice under one lease, by each outcome, at once and after the job has gone
// on.
func checkSettleAgain(t *trial) {
	s := t.open()
	for _, o := range allOutcomes {
		what := outcomes[o] + " said again"
		e := s.job(what)
		s.put(e)
		l := s.next(long)
		x := by(o, l)
		s.settled(x)
		ended := o == driver.Done || o == driver.Bury
		known := !ended
		if _, ok := s.b.(driver.Results); ok {
			known = true
		}
		err := s.settle(x)
		if known && err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if !known && err != nil {
			s.lost(what, err)
		}
		if ended {
			s.empty(what)
			if n := s.stats(); o == driver.Bury && n.Dead > 1 {
				t.Errorf("%s: %d dead letters, want 1", what, n.Dead)
			}
			continue
		}
		attempt := 1
		if o == driver.Retry {
			attempt = 2
		}
		l = s.next(long)
		s.is(what, l, e, attempt)
		s.empty(what)
		if err := s.settle(x); err != nil { // what is said again is old by now
			s.lost(what+" when another had the job", err)
		}
		s.empty(what + " when another had the job")
		s.settled(done(l))
		s.state(e.ID, antiphon.StateSucceeded)
	}
}

// A settlement under a lease that is over changes nothing, whatever its outcome, also
// if nobody has taken the job since.
func checkSettleFenced(t *trial) {
	s := t.open()
	for _, o := range allOutcomes {
		what := "late, " + outcomes[o]
		e := s.job(what)
		s.put(e)
		first := s.next(t.tick / 4)
		t.Pause(t.late(t.tick / 4))
		s.lost(what+", and nobody has the job", s.settle(by(o, first)))
		second := s.next(long)
		s.is(what, second, e, 2)
		s.lost(what+", and another has the job", s.settle(by(o, first)))
		s.lost(what+", under a lease that was never given", s.settle(by(o, driver.Leased{Lease: driver.Lease{ID: e.ID, Fence: second.Fence + 1}})))
		s.lost(what+", under a fence of 0", s.settle(by(o, driver.Leased{Lease: driver.Lease{ID: e.ID}})))
		s.lost(what+", and there is no such job", s.settle(by(o, driver.Leased{Lease: driver.Lease{ID: s.id(), Fence: 1}})))
		s.empty(what + ", and another has the job")
		s.state(e.ID, antiphon.StateRunning)
		s.settled(retry(second, 0))
		if o != driver.Retry { // that would be what was said before
			if err := s.settle(by(o, second)); err != nil {
				s.lost(what+", and the lease was settled otherwise", err)
			}
		}
		s.lost(what+", and it waits to be tried again", s.settle(by(o, first)))
		third := s.next(long)
		s.is(what, third, e, 3)
		s.settled(done(third))
		s.lost(what+", and the job has ended", s.settle(by(o, first)))
		s.state(e.ID, antiphon.StateSucceeded)
		s.empty(what + ", and the job has ended")
	}
}

func checkSettleEach(t *trial) {
	s := t.open()
	jobs := []driver.Envelope{s.job("1"), s.job("2"), s.job("3"), s.job("4")}
	s.put(jobs...)
	ls := s.all(4)
	ctx, cancel := t.Patient()
	defer cancel()
	stranger := done(ls[1])
	stranger.Fence += 7
	for i, err := range s.each("Settle", s.b.Settle(ctx, s.queue, []driver.Settlement{done(ls[0]), stranger, retry(ls[2], 0), bury(ls[3])}), 4) {
		if i == 1 {
			s.lost("the second of four settlements, of another fence", err)
		} else if err != nil {
			t.Errorf("settlement %d of four, of which the second's lease is another: %v", i+1, err)
		}
	}
	s.is("of four settlements one was a retry", s.next(long), jobs[2], 2)
	s.empty("of four, one has ended, one is leased, one is buried, and one was handed out again")
	s.settled(done(ls[1]))
}

func checkRetryErr(t *trial) {
	s := t.open()
	e := s.job("fails")
	s.put(e)
	l := s.next(long)
	s.settled(retry(l, 0))
	if r := s.record(e.ID); r.State != antiphon.StateQueued || r.Err == nil || r.Err.Message != boom.Message || r.Attempt != 1 {
		t.Errorf("an attempt failed with %v, and the record is of state %s, attempt %d, error %v", boom, r.State, r.Attempt, r.Err)
	}
	s.settled(done(s.next(long)))
	if r := s.record(e.ID); r.State != antiphon.StateSucceeded || r.Err != nil || r.Attempt != 2 {
		t.Errorf("the second attempt succeeded, and the record is of state %s, attempt %d, error %v", r.State, r.Attempt, r.Err)
	}
}

// What a job ended in is what errors.Is is asked about elsewhere.
func checkErrorKept(t *trial) {
	s := t.open()
	why := &antiphon.Error{
		Code: antiphon.CodeUnavailable, Class: antiphon.ClassNotAccepted, Reason: "queuetest.why", Message: "отчего\n\"'",
		Details: map[string]string{"a": "ä"}, Marks: []string{"queuetest.Mark"}, Permanent: true, RetryAfter: 1500 * time.Millisecond,
	}
	e := s.job("fails")
	s.put(e)
	l := s.next(long)
	s.settled(driver.Settlement{Lease: l.Lease, Outcome: driver.Done, State: antiphon.StateFailed, Err: why})
	got := s.record(e.ID).Err
	if got == nil {
		t.Fatalf("a job failed with %v, and no error is kept", why)
	}
	if got.Code != why.Code || got.Class != why.Class || got.Message != why.Message || got.Details["a"] != "ä" ||
		!got.Permanent || got.RetryAfter != why.RetryAfter || !errors.Is(got, why) || !errors.Is(got, &antiphon.Error{Reason: "queuetest.Mark"}) {
		t.Errorf("a job failed with %+v, and kept is %+v", why, got)
	}
}
