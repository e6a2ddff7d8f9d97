package queuetest

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue/driver"
)

func checkLookup(t *trial) {
	s := t.open()
	caps := s.b.Capabilities()
	e := s.job("looked up")
	e.Header = map[string]string{"a": "b"}
	if caps.Keys {
		e.Key = "key"
	}
	if caps.Uniques {
		e.Unique = "unique"
	}
	if caps.Groups {
		e.Group = "group"
	}
	if caps.MaxPriority > 0 {
		e.Priority = 1
	}
	from := time.Now()
	s.put(e)
	r := s.record(e.ID)
	if r.State != antiphon.StateQueued || r.Kind != e.Kind || string(r.Payload) != "looked up" || !maps.Equal(r.Header, e.Header) ||
		r.Key != e.Key || r.Unique != e.Unique || r.Group != e.Group || r.Priority != e.Priority || r.Attempt != 0 || r.Version < 1 {
		t.Errorf("put %+v, and the record is %+v", e, r)
	}
	off := func(what string, at time.Time) {
		t.Helper()
		if d := at.Sub(from); d < -t.store.Precision-t.store.Slack || time.Until(at) > t.store.Precision+t.store.Slack {
			t.Errorf("%s is %v, which is off by %v", what, at, d)
		}
	}
	off("Created", r.Created)
	off("Updated", r.Updated)
	if !r.Ended.IsZero() {
		t.Errorf("a job that waits has ended at %v", r.Ended)
	}
	version := r.Version
	newer := func(what string) {
		t.Helper()
		if r.Version <= version {
			t.Errorf("%s, and the version of the record went from %d to %d", what, version, r.Version)
		}
		version = r.Version
	}
	l := s.next(long)
	r = s.record(e.ID)
	newer("the job was handed out")
	if r.State != antiphon.StateRunning || r.Attempt != 1 {
		t.Errorf("handed out, and the record is of state %s, attempt %d", r.State, r.Attempt)
	}
	s.settled(done(l))
	r = s.record(e.ID)
	newer("the job was settled")
	if r.State != antiphon.StateSucceeded || string(r.Result) != "result" || r.Attempt != 1 || r.Err != nil {
		t.Errorf("succeeded, and the record is of state %s, attempt %d, result %q, error %v", r.State, r.Attempt, r.Result, r.Err)
	}
	off("Ended", r.Ended)
	if d := r.Expires.Sub(r.Ended); d < e.Keep-t.store.Precision || d > e.Keep+t.store.Precision+t.store.Slack {
		t.Errorf("to be kept for %v, and the record expires %v after its end", e.Keep, d)
	}
	other := s.job("another")
	s.put(other)
	ctx, cancel := t.Patient()
	defer cancel()
	found, err := s.b.(driver.Results).Lookup(ctx, s.queue, []string{s.id(), other.ID, e.ID}, false)
	if err != nil || len(found) != 2 {
		t.Fatalf("Lookup of three, two of which are known: %+v, %v", found, err)
	}
	for _, r := range found {
		if r.ID != other.ID && r.ID != e.ID || r.Payload != nil {
			t.Errorf("Lookup without payloads found %+v", r)
		}
	}
	if found, err := s.b.(driver.Results).Lookup(ctx, s.queue, nil, false); err != nil || len(found) != 0 {
		t.Errorf("Lookup of nothing: %+v, %v", found, err)
	}
}

func checkKeep(t *trial) {
	s := t.open()
	kept, not := s.job("kept"), s.job("not kept")
	keep := 2 * t.tick
	kept.Keep, not.Keep = keep, 0
	s.put(kept, not)
	ls := s.all(2)
	t.Pause(t.late(keep)) // it counts from the end
	before := time.Now()
	s.settled(done(ls[0]))
	after := time.Now()
	s.settled(done(ls[1]))
	for range 2 {
		if _, known := s.lookup(kept.ID); !known && time.Since(before) < keep-t.store.Precision {
			t.Errorf("a job that is to be kept for %v is not known %v after its end", keep, time.Since(before))
		}
		t.Pause(keep * 2 / 3)
	}
	if _, known := s.lookup(not.ID); known {
		t.Errorf("a job that is not to be kept is known after its end")
	}
	t.Pause(time.Until(after.Add(t.late(keep))))
	if _, known := s.lookup(kept.ID); known {
		t.Errorf("a job that is to be kept for %v is known %v after its end", keep, time.Since(before))
	}
	kept.Keep = long
	s.fresh("the job of that ID is not known any more", kept)
}

func checkForget(t *trial) {
	s := t.open()
	waits, runs, ended, dead := s.job("waits"), s.job("runs"), s.job("ended"), s.job("dead")
	s.put(ended, dead, runs, waits)
	s.settled(done(s.next(long)))
	s.settled(bury(s.next(long)))
	l := s.next(long)
	ctx, cancel := t.Patient()
	defer cancel()
	ids := []string{waits.ID, runs.ID, ended.ID, dead.ID, s.id()}
	forget := func(want int) {
		t.Helper()
		if n, err := s.b.(driver.Results).Forget(ctx, s.queue, ids); n != want || err != nil {
			t.Errorf("Forget: %d, %v; want %d", n, err, want)
		}
	}
	forget(2)
	forget(0)
	for _, id := range []string{ended.ID, dead.ID} {
		if _, known := s.lookup(id); known {
			t.Errorf("a job that was forgotten is known")
		}
	}
	s.state(waits.ID, antiphon.StateQueued)
	s.state(runs.ID, antiphon.StateRunning)
	s.settled(done(l))
	s.is("what waits is not forgotten", s.next(long), waits, 1)
	if n := s.stats(); n.Dead > 0 {
		t.Errorf("a dead letter was forgotten, and %d are counted", n.Dead)
	}
}

func checkList(t *trial) {
	s := t.open()
	var jobs []driver.Envelope
	for i := range 5 {
		e := s.job("listed")
		e.Kind = fmt.Sprintf("kind %d", i%2)
		jobs = append(jobs, e)
		s.put(e)
	}
	s.settled(done(s.next(long)))
	s.settled(failed(s.next(long)))
	s.next(long)
	ctx, cancel := t.Patient()
	defer cancel()
	list := func(what string, r driver.ListRequest, want ...int) {
		t.Helper()
		found, err := s.b.(driver.Results).List(ctx, s.queue, r)
		if err != nil {
			t.Fatalf("List of %s: %v", what, err)
		}
		var got []int
		for _, r := range found {
			got = append(got, slices.IndexFunc(jobs, func(e driver.Envelope) bool { return e.ID == r.ID }))
			if r.Payload != nil {
				t.Errorf("List of %s has payloads", what)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("List of %s: jobs %v, want %v: the latest put first", what, got, want)
		}
	}
	list("all", driver.ListRequest{Limit: 10}, 4, 3, 2, 1, 0)
	list("two", driver.ListRequest{Limit: 2}, 4, 3)
	list("the next two", driver.ListRequest{Limit: 2, After: jobs[3].ID}, 2, 1)
	list("what comes after the last", driver.ListRequest{Limit: 2, After: jobs[0].ID})
	list("those that wait", driver.ListRequest{Limit: 10, State: antiphon.StateQueued}, 4, 3)
	list("those that run", driver.ListRequest{Limit: 10, State: antiphon.StateRunning}, 2)
	list("those that failed", driver.ListRequest{Limit: 10, State: antiphon.StateFailed}, 1)
	list("those that succeeded", driver.ListRequest{Limit: 10, State: antiphon.StateSucceeded}, 0)
	list("those of a kind", driver.ListRequest{Limit: 10, Kind: "kind 1"}, 3, 1)
	list("those of a kind and state, after one", driver.ListRequest{Limit: 10, Kind: "kind 0", State: antiphon.StateQueued, After: jobs[4].ID})
}

func checkDead(t *trial) {
	s := t.open()
	m := s.b.(driver.Morgue)
	var jobs []driver.Envelope
	for i := range 4 {
		e := s.job(fmt.Sprintf("dead %d\xff", i))
		e.Keep = 0 // a dead letter is kept all the same
		e.Header = map[string]string{"i": fmt.Sprint(i)}
		jobs = append(jobs, e)
	}
	s.put(jobs...)
	for range jobs {
		s.settled(bury(s.next(long)))
	}
	ctx, cancel := t.Patient()
	defer cancel()
	list := func(what, after string, limit int, want ...driver.Envelope) {
		t.Helper()
		found, err := m.Dead(ctx, s.queue, after, limit)
		if err != nil || len(found) != len(want) {
			t.Errorf("%s: %d dead letters, %v; want %d", what, len(found), err, len(want))
			return
		}
		for i, r := range found {
			if e := want[i]; r.ID != e.ID || string(r.Payload) != string(e.Payload) || !maps.Equal(r.Header, e.Header) || r.Kind != e.Kind ||
				r.State != antiphon.StateFailed || r.Err == nil || r.Err.Message != boom.Message || r.Attempt != 1 {
				t.Errorf("%s: put %+v, and the dead letter is %+v", what, e, r)
			}
		}
	}
	list("all", "", 10, jobs...)
	list("the first two", "", 2, jobs[:2]...)
	list("the next two", jobs[1].ID, 2, jobs[2:]...)
	list("after the last", jobs[3].ID, 2)

	gone := func(what string, n int, err error, want int) {
		t.Helper()
		if n != want || err != nil {
			t.Errorf("%s: %d, %v; want %d", what, n, err, want)
		}
	}
	n, err := m.Purge(ctx, s.queue, []string{jobs[1].ID, s.id()})
	gone("Purge of one, and of one that is not there", n, err, 1)
	n, err = m.Purge(ctx, s.queue, []string{jobs[1].ID})
	gone("Purge of what is gone", n, err, 0)
	list("one was purged", "", 10, jobs[0], jobs[2], jobs[3])
	n, err = m.Purge(ctx, s.queue, []string{})
	gone("Purge of none", n, err, 0)
	n, err = m.Purge(ctx, s.queue, nil)
	gone("Purge of all", n, err, 3)
	list("all were purged", "", 10)
	s.empty("all were purged")
	if _, ok := s.b.(driver.Results); ok {
		if _, known := s.lookup(jobs[0].ID); known {
			t.Errorf("a dead letter was purged, and is known")
		}
	}
}

func checkRedrive(t *trial) {
	s := t.open()
	m := s.b.(driver.Morgue)
	e, other := s.job("redriven"), s.job("stays")
	e.Header = map[string]string{"a": "b"}
	if s.b.Capabilities().Keys {
		e.Key = "key"
	}
	s.put(e, other)
	s.settled(retry(s.next(long), 0))
	for range 2 {
		l := s.next(long)
		if l.ID == e.ID {
			if err := s.extend(driver.Extension{Lease: l.Lease, For: long, Checkpoint: []byte("old")}); err != nil {
				t.Errorf("Extend: %v", err)
			}
		}
		s.settled(bury(l))
	}
	ctx, cancel := t.Patient()
	defer cancel()
	redrive := func(what string, ids []string, want int) {
		t.Helper()
		if n, err := m.Redrive(ctx, s.queue, ids); n != want || err != nil {
			t.Errorf("Redrive of %s: %d, %v; want %d", what, n, err, want)
		}
	}
	k := s.taker(t.Context(), 1, long)
	t.Pause(t.tick / 8)
	from := time.Now()
	redrive("one, and one that is not there", []string{e.ID, s.id()}, 1)
	l := s.got("a dead letter was redriven", k)
	t.Soon("a Take that waits got what was redriven", from)
	s.is("redriven, with no attempts counted", l, e, 1)
	if l.Kind != e.Kind || l.Key != e.Key || !maps.Equal(l.Header, e.Header) {
		t.Errorf("put %+v, and redriven it is %+v", e, l)
	}
	if string(l.Checkpoint) != "" {
		t.Errorf("a redriven job is as if it had just been put, and has the checkpoint %q", l.Checkpoint)
	}
	redrive("what is no dead letter any more", []string{e.ID}, 0)
	bare := s.job("buried without a word")
	s.put(bare)
	b := bury(s.next(long))
	b.Err = nil
	s.settled(b)
	redrive("one that was buried without an error", []string{bare.ID}, 1)
	again := s.next(long)
	s.is("redriven, and buried without an error before", again, bare, 1)
	s.settled(done(again))
	s.lost("settled under a lease from before the redrive", s.settle(done(driver.Leased{Lease: driver.Lease{ID: e.ID, Fence: 1}})))
	if _, ok := s.b.(driver.Results); ok {
		if r := s.record(e.ID); r.State != antiphon.StateRunning || r.Err != nil || !r.Ended.IsZero() {
			t.Errorf("a redriven job's old end is forgotten, and the record is %+v", r.Operation)
		}
	}
	s.settled(done(l))
	s.empty("one was redriven, and has ended")
	redrive("none", []string{}, 0)
	redrive("all", nil, 1)
	s.is("all were redriven", s.next(long), other, 1)
	if n := s.stats(); n.Dead > 0 {
		t.Errorf("all were redriven, and %d dead letters are counted", n.Dead)
	}
}
