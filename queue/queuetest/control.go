package queuetest

import (
	"errors"
	"slices"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// cancels cancels a job that is known.
func (s *side) cancels(c driver.Controller, id string) driver.Record {
	s.Helper()
	ctx, cancel := s.Patient()
	defer cancel()
	r, err := c.Cancel(ctx, s.queue, id)
	if err != nil || r.ID != id {
		s.Fatalf("Cancel of %s: %+v, %v", id, r, err)
	}
	return r
}

func (s *side) pauses(c driver.Controller, paused bool) {
	s.Helper()
	ctx, cancel := s.Patient()
	defer cancel()
	if err := c.Pause(ctx, s.queue, paused); err != nil {
		s.Fatalf("Pause: %v", err)
	}
}

func checkCancelWaiting(t *trial) {
	s := t.open()
	c := s.b.(driver.Controller)
	jobs := []driver.Envelope{s.job("waits"), s.job("is delayed"), s.job("is to be tried again")}
	if s.b.Capabilities().Delays {
		jobs[1].Delay = t.tick
	}
	s.put(jobs[2])
	s.settled(retry(s.next(long), 0))
	s.put(jobs[0], jobs[1])
	for _, e := range jobs {
		for range 2 { // the second time nothing changes
			if r := s.cancels(c, e.ID); r.State != antiphon.StateCanceled || r.Err == nil || !errors.Is(r.Err, driver.ErrCanceled) {
				t.Errorf("a job that %s was canceled, and is %q with %v; want canceled with driver.ErrCanceled", e.Payload, r.State, r.Err)
			}
		}
		s.state(e.ID, antiphon.StateCanceled)
	}
	s.nothing("all were canceled", t.late(t.tick))
	ctx, cancel := t.Patient()
	defer cancel()
	if _, err := c.Cancel(ctx, s.queue, s.id()); !errors.Is(err, driver.ErrUnknownJob) {
		t.Errorf("Cancel of a job that there is not: %v, want driver.ErrUnknownJob", err)
	}
	ended := s.job("ends")
	s.put(ended)
	s.settled(done(s.next(long)))
	if _, ok := s.b.(driver.Results); ok {
		if r := s.cancels(c, ended.ID); r.State != antiphon.StateSucceeded {
			t.Errorf("a job that had succeeded was canceled, and is %q", r.State)
		}
		s.state(ended.ID, antiphon.StateSucceeded)
	}
}

func checkCancelLeased(t *trial) {
	s := t.open()
	c := s.b.(driver.Controller)
	e := s.job("leased")
	s.put(e)
	l, _, _ := s.extended(driver.Extension{}, long)
	for range 2 {
		if r := s.cancels(c, e.ID); r.State != antiphon.StateRunning || !r.CancelRequested {
			t.Errorf("a job that is leased was canceled, and is %q, to be canceled %v", r.State, r.CancelRequested)
		}
	}
	s.empty("the job is leased")
	if err := s.extend(driver.Extension{Lease: l.Lease, For: long, Checkpoint: []byte("stored")}); !errors.Is(err, driver.ErrCanceled) {
		t.Errorf("somebody wishes the job to end, and Extend of its lease: %v, want driver.ErrCanceled", err)
	}
	t.Pause(t.tick / 8)
	if err := s.extend(driver.Extension{Lease: l.Lease, For: long}); !errors.Is(err, driver.ErrCanceled) {
		t.Errorf("Extend that fails with driver.ErrCanceled extends the lease, and the next said %v", err)
	}
	s.settled(done(l)) // its holder decides
	s.state(e.ID, antiphon.StateSucceeded)

	// Given back, or lost, it ends, or is handed out with the wish.
	for _, o := range []driver.Outcome{driver.Retry, driver.Release, driver.Done} {
		e := s.job("given back")
		s.put(e)
		lease := long
		if o == driver.Done {
			lease = t.life()
		}
		l := s.next(lease)
		s.cancels(c, e.ID)
		if o != driver.Done {
			s.settled(by(o, l))
			if _, ok := s.b.(driver.Results); ok {
				if err := s.settle(by(o, l)); err != nil {
					t.Errorf("%s of a job that somebody wishes to end, said again: %v", outcomes[o], err)
				}
				if r := s.record(e.ID); o == driver.Release && r.Attempt != 0 {
					t.Errorf("a job that somebody wishes to end was released, and its record counts %d attempts, want 0", r.Attempt)
				}
			}
		} else {
			t.Pause(t.late(lease))
		}
		got, err := s.tryTake(1, long, t.tick/4)
		if err != nil {
			t.Fatalf("Take: %v", err)
		}
		for _, l := range got {
			if !l.CancelRequested {
				t.Errorf("a job that somebody wishes to end was handed out again without the wish")
			}
			s.settled(done(l))
		}
		if len(got) == 0 {
			s.state(e.ID, antiphon.StateCanceled)
		}
	}
}

func checkPause(t *trial) {
	s := t.open()
	c := s.b.(driver.Controller)
	e := s.job("paused")
	s.put(e)
	running := s.job("runs")
	s.put(running)
	l := s.next(long)
	s.pauses(c, true)
	s.pauses(c, true)
	if n := s.stats(); !n.Paused {
		t.Errorf("the queue is paused, and Stats does not say so")
	}
	more := s.job("put meanwhile")
	s.put(more)
	s.empty("the queue is paused")
	other := &side{trial: t, b: s.b, queue: s.queue + "-other"}
	there := other.job("elsewhere")
	other.put(there)
	other.is("another queue is paused", other.next(long), there, 1)
	if err := s.extend(driver.Extension{Lease: l.Lease, For: long}); err != nil {
		t.Errorf("the queue is paused, and Extend: %v", err)
	}
	s.settled(retry(l, 0))
	k := s.taker(t.Context(), 1, long)
	t.Pause(t.tick / 4)
	from := time.Now()
	s.pauses(c, false)
	got := s.got("the queue is not paused any more", k)
	t.Soon("a Take that waited for the end of a pause got a job", from)
	if n := s.stats(); n.Paused {
		t.Errorf("the queue is not paused any more, and Stats says that it is")
	}
	ids := []string{got.ID}
	for _, l := range s.all(2) {
		ids = append(ids, l.ID)
	}
	for _, want := range []driver.Envelope{e, running, more} {
		if !slices.Contains(ids, want.ID) {
			t.Errorf("a pause is over, and %s was not handed out", want.Payload)
		}
	}
}
