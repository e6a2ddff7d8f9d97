package queuetest

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// A side is a backend and a queue in it, as one process sees them.
type side struct {
	*trial
	b     driver.Backend
	queue string
}

// long is a lease that does not run out in any rule.
const long = time.Hour

// job makes an envelope.
func (s *side) job(payload string) driver.Envelope {
	return driver.Envelope{ID: s.id(), Kind: "kind", Payload: []byte(payload), Keep: long}
}

// request is a plain Put of jobs.
func (s *side) request(jobs ...driver.Envelope) driver.PutRequest {
	return driver.PutRequest{Queue: s.queue, Jobs: jobs}
}

// tryPut puts, and may fail.
func (s *side) tryPut(r driver.PutRequest) ([]driver.Placed, error) {
	ctx, cancel := s.Patient()
	defer cancel()
	return s.b.Put(ctx, r)
}

// put puts jobs, all of them new.
func (s *side) put(jobs ...driver.Envelope) {
	s.Helper()
	placed, err := s.tryPut(s.request(jobs...))
	if err != nil {
		s.Fatalf("Put of %d jobs: %v", len(jobs), err)
	}
	if placed != nil {
		s.Errorf("every job was stored under its own ID, and Put returned %+v, want nil", placed)
	}
}

// place puts one job, which may be a duplicate, and returns whose.
func (s *side) place(e driver.Envelope) driver.Placed {
	s.Helper()
	placed, err := s.tryPut(s.request(e))
	switch {
	case err != nil:
		s.Fatalf("Put: %v", err)
	case placed == nil:
		return driver.Placed{ID: e.ID}
	case len(placed) != 1:
		s.Fatalf("Put of a job returned %+v", placed)
	}
	return placed[0]
}

// duplicate puts e, which has to be a duplicate of the job of id.
func (s *side) duplicate(what string, e driver.Envelope, id string) {
	s.Helper()
	if p := s.place(e); !p.Duplicate || p.ID != id {
		s.Errorf("%s: a duplicate of %s was placed as %+v", what, id, p)
	}
}

// fresh puts e, which must not be taken for a duplicate.
func (s *side) fresh(what string, e driver.Envelope) {
	s.Helper()
	if p := s.place(e); p.Duplicate || p.ID != e.ID {
		s.Errorf("%s: a new job %s was placed as %+v", what, e.ID, p)
	}
}

// tryTake takes, and may fail.
func (s *side) tryTake(n int, lease, wait time.Duration) ([]driver.Leased, error) {
	ctx, cancel := context.WithTimeout(s.Context(), wait+s.store.Patience)
	defer cancel()
	return s.b.Take(ctx, nil, driver.TakeRequest{Queue: s.queue, Max: n, Lease: lease, Wait: wait})
}

// take takes up to n jobs, at least one.
func (s *side) take(n int, lease time.Duration) []driver.Leased {
	s.Helper()
	got, err := s.tryTake(n, lease, s.store.Patience)
	if err != nil {
		s.Fatalf("Take: %v", err)
	}
	if len(got) == 0 {
		s.Fatalf("no job was handed out within %v", s.store.Patience)
	}
	if len(got) > n {
		s.Errorf("at most %d jobs were asked for, and %d were handed out", n, len(got))
	}
	return got
}

// next takes one job.
func (s *side) next(lease time.Duration) driver.Leased {
	s.Helper()
	return s.take(1, lease)[0]
}

// all takes n jobs, in as many calls as it needs.
func (s *side) all(n int) (got []driver.Leased) {
	s.Helper()
	for len(got) < n {
		more, err := s.tryTake(n-len(got), long, s.store.Patience)
		if err != nil {
			s.Fatalf("Take: %v", err)
		}
		if len(more) == 0 {
			s.Fatalf("%d jobs were handed out, want %d", len(got), n)
		}
		got = append(got, more...)
	}
	return got
}

// nothing sees that no job is handed out for d.
func (s *side) nothing(why string, d time.Duration) {
	s.Helper()
	got, err := s.tryTake(1, long, d)
	if err != nil {
		s.Fatalf("Take: %v", err)
	}
	for _, l := range got {
		s.Errorf("%s, and %s was handed out, attempt %d", why, l.ID, l.Attempt)
	}
}

// empty sees that there is nothing to be handed out.
func (s *side) empty(why string) {
	s.Helper()
	s.nothing(why, s.tick/4)
}

// is sees that the job of e was handed out, for the attempt.
func (s *side) is(what string, l driver.Leased, e driver.Envelope, attempt int) {
	s.Helper()
	if l.ID != e.ID {
		s.Errorf("%s: %s was handed out, want %s", what, l.ID, e.ID)
		return
	}
	if !bytes.Equal(l.Payload, e.Payload) {
		s.Errorf("%s: the payload of %s is %q, want %q", what, l.ID, cut(l.Payload), cut(e.Payload))
	}
	if attempt > 0 && l.Attempt != attempt {
		s.Errorf("%s: %s was handed out as attempt %d, want %d", what, l.ID, l.Attempt, attempt)
	}
}

func cut(b []byte) []byte { return b[:min(len(b), 64)] }

// each is the errors of a call for n items.
func (s *side) each(what string, errs []error, n int) []error {
	s.Helper()
	if errs == nil {
		return make([]error, n)
	}
	if len(errs) != n {
		s.Fatalf("%s of %d returned %d errors", what, n, len(errs))
	}
	some := false
	for _, err := range errs {
		some = some || err != nil
	}
	if !some {
		s.Errorf("%s went well for all, and returned %d times nil instead of nil", what, n)
	}
	return errs
}

// settle ends one lease.
func (s *side) settle(x driver.Settlement) error {
	s.Helper()
	ctx, cancel := s.Patient()
	defer cancel()
	return s.each("Settle", s.b.Settle(ctx, s.queue, []driver.Settlement{x}), 1)[0]
}

// settled ends one lease, which has to be there.
func (s *side) settled(x driver.Settlement) {
	s.Helper()
	if err := s.settle(x); err != nil {
		s.Fatalf("%s of %s: %v", outcomes[x.Outcome], x.ID, err)
	}
}

// extend extends one lease.
func (s *side) extend(x driver.Extension) error {
	s.Helper()
	ctx, cancel := s.Patient()
	defer cancel()
	return s.each("Extend", s.b.Extend(ctx, s.queue, []driver.Extension{x}), 1)[0]
}

// lost sees that err is that of a lease that is over.
func (s *side) lost(what string, err error) {
	s.Helper()
	if !errors.Is(err, driver.ErrLeaseLost) {
		s.Errorf("%s: %v, want driver.ErrLeaseLost", what, err)
	}
}

var outcomes = [...]string{driver.Done: "Done", driver.Retry: "Retry", driver.Release: "Release", driver.Bury: "Bury"}

// done is the plainest settlement.
func done(l driver.Leased) driver.Settlement {
	return driver.Settlement{Lease: l.Lease, Outcome: driver.Done, State: antiphon.StateSucceeded, Result: []byte("result")}
}

func failed(l driver.Leased) driver.Settlement {
	return driver.Settlement{Lease: l.Lease, Outcome: driver.Done, State: antiphon.StateFailed, Err: boom}
}

func retry(l driver.Leased, d time.Duration) driver.Settlement {
	return driver.Settlement{Lease: l.Lease, Outcome: driver.Retry, Delay: d, Err: boom}
}

func release(l driver.Leased, d time.Duration) driver.Settlement {
	return driver.Settlement{Lease: l.Lease, Outcome: driver.Release, Delay: d}
}

func bury(l driver.Leased) driver.Settlement {
	return driver.Settlement{Lease: l.Lease, Outcome: driver.Bury, State: antiphon.StateFailed, Err: boom}
}

var boom = &antiphon.Error{Code: antiphon.CodeInternal, Class: antiphon.ClassFailed, Message: "boom"}

// by makes one of the settlements by which a lease can end.
func by(o driver.Outcome, l driver.Leased) driver.Settlement {
	switch o {
	case driver.Retry:
		return retry(l, 0)
	case driver.Release:
		return release(l, 0)
	case driver.Bury:
		return bury(l)
	}
	return done(l)
}

// stats are the numbers.
func (s *side) stats() driver.Stats {
	s.Helper()
	ctx, cancel := s.Patient()
	defer cancel()
	n, err := s.b.Stats(ctx, s.queue)
	if err != nil {
		s.Fatalf("Stats: %v", err)
	}
	return n
}

// lookup returns what is known of a job.
func (s *side) lookup(id string) (driver.Record, bool) {
	s.Helper()
	ctx, cancel := s.Patient()
	defer cancel()
	found, err := s.b.(driver.Results).Lookup(ctx, s.queue, []string{id}, true)
	if err != nil {
		s.Fatalf("Lookup: %v", err)
	}
	if len(found) == 0 {
		return driver.Record{}, false
	}
	if len(found) > 1 || found[0].ID != id {
		s.Fatalf("Lookup of %s found %+v", id, found)
	}
	return found[0], true
}

// record is lookup of what has to be known.
func (s *side) record(id string) driver.Record {
	s.Helper()
	r, ok := s.lookup(id)
	if !ok {
		s.Fatalf("%s is not known", id)
	}
	return r
}

// state sees that the job is in a state, if the backend can tell.
func (s *side) state(id string, want antiphon.State) {
	s.Helper()
	if _, ok := s.b.(driver.Results); !ok {
		return
	}
	if r := s.record(id); r.State != want {
		s.Errorf("%s is %q, want %q", id, r.State, want)
	}
}
