package queuetest

import (
	"errors"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// Two backends on one store are one.
func checkAnother(t *trial) {
	a := t.open()
	b := t.another(a)
	e := a.job("from one to the other")
	a.put(e)
	l := b.next(long)
	b.is("put by another process", l, e, 1)
	a.empty("another process has leased it")
	a.duplicate("put again, while another process has leased it", e, e.ID)
	if err := b.extend(driver.Extension{Lease: l.Lease, For: long, Checkpoint: []byte("so far")}); err != nil {
		t.Errorf("Extend: %v", err)
	}
	if c, ok := a.b.(driver.Controller); ok {
		a.cancels(c, e.ID)
		if err := b.extend(driver.Extension{Lease: l.Lease, For: long}); !errors.Is(err, driver.ErrCanceled) {
			t.Errorf("another process wishes the job to end, and Extend: %v, want driver.ErrCanceled", err)
		}
	}
	b.settled(done(l))
	a.state(e.ID, antiphon.StateSucceeded)

	e = a.job("fenced")
	a.put(e)
	first := a.next(t.tick / 2)
	second := b.next(long)
	b.is("another process lost its lease", second, e, 2)
	a.lost("another process has the job", a.settle(done(first)))
	a.lost("another process has the job", a.extend(driver.Extension{Lease: first.Lease, For: long}))
	b.settled(done(second))
	if c, ok := a.b.(driver.Controller); ok {
		a.pauses(c, true)
		b.put(b.job("paused"))
		b.empty("another process has paused the queue")
		a.pauses(c, false)
		b.settled(done(b.next(long)))
	}
}

func checkAnotherWakes(t *trial) {
	a := t.open()
	b := t.another(a)
	for range 4 {
		k := b.taker(t.Context(), 1, long)
		t.Pause(t.tick / 4)
		e := a.job("wakes")
		from := time.Now()
		a.put(e)
		l := b.got("another process put a job", k)
		t.Soon("a Take that waits got a job that another process put", from)
		b.is("put by another process", l, e, 1)
		b.settled(done(l))
	}
	if _, ok := a.b.(driver.Watcher); ok {
		w := a.watched()
		e := b.job("watched")
		b.put(e)
		b.settled(done(b.next(long)))
		a.tells("another process has settled a job", w, func(c driver.Change) bool { return c.ID == e.ID && c.State == antiphon.StateSucceeded })
	}
	if a.b.Capabilities().Capacity {
		a.put(a.job("in the way"))
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			if _, err := a.tryPut(a.bounded(1, driver.Block, a.job("waits for room"))); err != nil {
				t.Errorf("Put that waits for room: %v", err)
			}
		}()
		t.Pause(t.tick / 4)
		b.settled(done(b.next(long)))
		t.Within("another process made room, and a Put that waits for it did not return", ended)
	}
}

func checkAnotherEachOnce(t *trial) {
	a := t.open()
	t.eachOnce(a, t.another(a))
}

// A furnished store has a job in every state there is.
type furnished struct {
	waits, delayed, leased, ended, buried driver.Envelope
	lease                                 driver.Leased
	from                                  time.Time
}

func (s *side) furnish() (f furnished) {
	s.Helper()
	caps := s.b.Capabilities()
	f.waits, f.delayed, f.leased, f.ended, f.buried = s.job("waits"), s.job("is delayed"), s.job("is leased"), s.job("has ended"), s.job("is buried")
	if caps.Keys {
		f.ended.Key = "key"
	}
	s.put(f.ended)
	s.settled(done(s.next(long)))
	s.put(f.buried)
	s.settled(bury(s.next(long)))
	s.put(f.leased)
	s.settled(retry(s.next(long), 0))
	f.lease = s.next(long)
	if err := s.extend(driver.Extension{Lease: f.lease.Lease, For: long, Checkpoint: []byte("so far")}); err != nil {
		s.Errorf("Extend: %v", err)
	}
	f.from = time.Now()
	if caps.Delays {
		f.delayed.Delay = 2 * s.tick
		s.put(f.delayed)
	}
	s.put(f.waits)
	return f
}

// survived sees in another backend, b, that everything is as it was.
func (s *side) survived(what string, f furnished) {
	s.Helper()
	caps := s.b.Capabilities()
	s.state(f.ended.ID, antiphon.StateSucceeded)
	if _, ok := s.b.(driver.Results); ok {
		if r := s.record(f.ended.ID); string(r.Result) != "result" {
			s.Errorf("%s, and the result of a job is %q", what, r.Result)
		}
		if caps.Keys {
			again := f.ended
			again.ID = s.id()
			s.duplicate(what+", and a key is used again", again, f.ended.ID)
		}
	}
	s.is(what, s.next(long), f.waits, 1)
	if caps.Delays {
		l := s.next(long)
		s.is(what, l, f.delayed, 1)
		s.notBefore(what+", and a job that is delayed was handed out", f.from, 2*s.tick)
	}
	s.empty(what + ", and the last is leased")
	if err := s.extend(driver.Extension{Lease: f.lease.Lease, For: s.tick / 2}); err != nil {
		s.Errorf("%s, and Extend of a lease from before: %v", what, err)
	}
	l := s.next(long)
	s.is(what+", and a lease from before ran out", l, f.leased, 3)
	if string(l.Checkpoint) != "so far" {
		s.Errorf("%s, and the checkpoint is %q", what, l.Checkpoint)
	}
	s.lost(what+", and another has the job", s.settle(done(f.lease)))
	s.settled(done(l))
	s.lost(what+", and the job has ended", s.settle(failed(f.lease)))
	if m, ok := s.b.(driver.Morgue); ok {
		ctx, cancel := s.Patient()
		defer cancel()
		found, err := m.Dead(ctx, s.queue, "", 10)
		if err != nil || len(found) != 1 || found[0].ID != f.buried.ID || string(found[0].Payload) != string(f.buried.Payload) {
			s.Errorf("%s, and the dead letters are %+v, %v", what, found, err)
		}
		if n, err := m.Redrive(ctx, s.queue, nil); n != 1 || err != nil {
			s.Errorf("%s, and Redrive: %d, %v", what, n, err)
		}
		s.is(what+", and a dead letter was redriven", s.next(long), f.buried, 1)
	}
}

func checkRestart(t *trial) {
	a := t.open()
	f := a.furnish()
	paused := &side{trial: t, b: a.b, queue: a.queue + "-paused"}
	paused.put(paused.job("paused"))
	c, ok := a.b.(driver.Controller)
	if ok {
		paused.pauses(c, true)
	}
	a.closes()
	b := t.another(a)
	b.survived("the backend was closed and opened again", f)
	if ok {
		again := &side{trial: t, b: b.b, queue: paused.queue}
		again.empty("the queue was paused before the restart")
	}
}

func checkKilled(t *trial) {
	a := t.open()
	f := a.furnish()
	t.store.Kill(t, a.b)
	t.another(a).survived("the process was killed", f)
}
