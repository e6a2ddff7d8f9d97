package queuetest

import (
	"context"
	"errors"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// bounded is a Put into a queue with room for n.
func (s *side) bounded(n int, o driver.Overflow, jobs ...driver.Envelope) driver.PutRequest {
	r := s.request(jobs...)
	r.Capacity, r.Overflow = n, o
	return r
}

func checkReject(t *trial) {
	s := t.open()
	fits := func(what string, e driver.Envelope) {
		t.Helper()
		if _, err := s.tryPut(s.bounded(2, driver.Reject, e)); err != nil {
			t.Errorf("%s: Put: %v", what, err)
		}
	}
	full := func(what string, jobs ...driver.Envelope) {
		t.Helper()
		_, err := s.tryPut(s.bounded(2, driver.Reject, jobs...))
		if !errors.Is(err, driver.ErrFull) {
			t.Errorf("%s: Put: %v, want driver.ErrFull", what, err)
		} else if class := antiphon.ClassOf(err); class != antiphon.ClassNotAccepted {
			t.Errorf("%s: the class of the error is %s, want not accepted", what, class)
		}
	}
	a, b, c := s.job("a"), s.job("b"), s.job("c")
	fits("there is room for two", a)
	full("one of two fits, and none is stored", b, c)
	if s.b.Capabilities().Delays {
		b.Delay = 3 * t.tick
	}
	fits("there is room for one more", b)
	full("two wait, one of them perhaps delayed", c)
	fits("a duplicate takes no room", a)
	s.is("of two", s.next(long), a, 1)
	fits("what is leased takes no room", c)
	full("two wait, and one is leased", s.job("d"))
	s.settled(done(s.next(long)))
	fits("one has been taken", s.job("d"))
	s.all(2)
	s.empty("what was refused was not stored")
}

func checkBlock(t *trial) {
	s := t.open()
	s.put(s.job("1"))
	put := func(ctx context.Context, e driver.Envelope) chan error {
		ended := make(chan error, 1)
		go func() {
			_, err := s.b.Put(ctx, s.bounded(1, driver.Block, e))
			ended <- err
		}()
		return ended
	}
	waits := func(ended chan error) {
		t.Helper()
		t.Pause(t.tick / 4)
		select {
		case err := <-ended:
			t.Fatalf("there is no room, and a Put that waits for it returned %v", err)
		default:
		}
	}
	returned := func(what string, ended chan error) (err error) {
		t.Helper()
		done := make(chan struct{})
		go func() {
			defer close(done)
			err = <-ended
		}()
		t.Within(what, done)
		return err
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	given, second := s.job("given up"), s.job("2")
	ended := put(ctx, given)
	waits(ended)
	cancel()
	if err := returned("the context of a Put that waits has ended, and it did not return", ended); !errors.Is(err, context.Canceled) {
		t.Errorf("a Put that waits for room returned %v, want context.Canceled", err)
	}
	ended = put(t.Context(), second)
	waits(ended)
	s.settled(done(s.next(long)))
	from := time.Now()
	if err := returned("there is room, and a Put that waited for it did not return", ended); err != nil {
		t.Errorf("there is room, and a Put that waited for it: %v", err)
	}
	t.Soon("a Put that waited for room returned", from)
	s.is("room was waited for", s.next(long), second, 1)

	// Any number may wait, and each gets its turn.
	var all []chan error
	for range 4 {
		all = append(all, put(t.Context(), s.job("more")))
	}
	for range all {
		s.settled(done(s.next(long)))
	}
	for _, ended := range all {
		if err := returned("four waited for room, there was some four times, and one did not return", ended); err != nil {
			t.Errorf("a Put that waited for room: %v", err)
		}
	}
	s.empty("a Put was given up")
}

func checkDropOldest(t *trial) {
	s := t.open()
	taken, a, b, c, d := s.job("taken"), s.job("a"), s.job("b"), s.job("c"), s.job("d")
	s.put(taken)
	l := s.next(long)
	for _, e := range []driver.Envelope{a, b, c} {
		if _, err := s.tryPut(s.bounded(2, driver.DropOldest, e)); err != nil {
			t.Errorf("Put that may drop: %v", err)
		}
	}
	if _, err := s.tryPut(s.bounded(2, driver.DropOldest, c)); err != nil { // takes no room
		t.Errorf("Put of a duplicate that may drop: %v", err)
	}
	if _, ok := s.b.(driver.Results); ok {
		r := s.record(a.ID)
		if r.State != antiphon.StateFailed || r.Err == nil || !errors.Is(r.Err, driver.ErrDropped) {
			t.Errorf("the oldest had to give way, and is %q with %v; want failed with driver.ErrDropped", r.State, r.Err)
		}
	}
	s.is("the oldest of three was dropped", s.next(long), b, 1)
	if _, err := s.tryPut(s.bounded(2, driver.DropOldest, d)); err != nil {
		t.Errorf("Put that need not drop: %v", err)
	}
	s.is("there was room for two", s.next(long), c, 1)
	s.is("there was room for two", s.next(long), d, 1)
	s.settled(done(l)) // what is leased is not dropped
	s.empty("the oldest was dropped")
}

// claimed puts e with a claim, and returns its lease, or nil.
func (s *side) claimed(e driver.Envelope) *driver.Leased {
	s.Helper()
	r := s.request(e)
	r.Claim, r.Lease = 1, long
	placed, err := s.tryPut(r)
	if err != nil {
		s.Fatalf("Put with a claim: %v", err)
	}
	if placed == nil {
		return nil
	}
	return placed[0].Leased
}

func checkClaim(t *trial) {
	s := t.open()
	caps := s.b.Capabilities()
	e := s.job("claimed")
	if l := s.claimed(e); l != nil {
		s.is("a claim", *l, e, 1)
		if l.Kind != e.Kind {
			t.Errorf("a job of kind %q was claimed as of kind %q", e.Kind, l.Kind)
		}
		s.empty("the job was claimed by who put it")
		s.settled(retry(*l, 0))
		s.is("claimed and given back", s.next(long), e, 2)
	} else {
		s.is("not claimed", s.next(long), e, 1)
	}
	never := func(why string, e driver.Envelope) {
		t.Helper()
		if l := s.claimed(e); l != nil {
			t.Errorf("%s, and %s was claimed", why, l.ID)
		}
	}
	if again := s.claimed(e); again != nil {
		t.Errorf("a duplicate was claimed: %+v", again)
	}
	first, second := s.job("first"), s.job("second")
	s.put(first)
	never("another has been ready for longer", second)
	s.is("of two, one to be claimed", s.next(long), first, 1)
	s.is("of two, one to be claimed", s.next(long), second, 1)
	if caps.Delays {
		later := s.job("later")
		later.Delay = t.tick
		never("the job is delayed", later)
		s.is("delayed", s.next(long), later, 1)
	}
	if caps.Groups {
		a, b := s.job("a"), s.job("b")
		a.Group, b.Group = "group", "group"
		s.put(a)
		l := s.next(long)
		never("another of its group is leased", b)
		s.settled(done(l))
		s.is("next of a group", s.next(long), b, 1)
	}
	if c, ok := s.b.(driver.Controller); ok {
		s.pauses(c, true)
		paused := s.job("paused")
		never("the queue is paused", paused)
		s.pauses(c, false)
		s.is("not paused any more", s.next(long), paused, 1)
	}
}
