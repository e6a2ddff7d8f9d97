package queuetest

import (
	"context"
	"errors"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// watch begins to watch.
func (s *side) watched() driver.Watch {
	s.Helper()
	w, err := s.b.(driver.Watcher).Watch(s.queue)
	if err != nil || w == nil {
		s.Fatalf("Watch: %v, %v", w, err)
	}
	s.Cleanup(func() { _ = w.Close() })
	return w
}

// tells waits until w tells of a change that is as wanted, or that it has missed some.
func (s *side) tells(what string, w driver.Watch, want func(driver.Change) bool) {
	s.Helper()
	ctx, cancel := s.Patient()
	defer cancel()
	for {
		changes, err := w.Next(ctx, nil)
		if err != nil {
			s.Fatalf("%s, and the watch did not tell of it: %v", what, err)
		}
		for _, c := range changes {
			if c == (driver.Change{}) || want(c) {
				return
			}
		}
	}
}

func checkWatch(t *trial) {
	s := t.open()
	w, second := s.watched(), s.watched()
	e := s.job("watched")
	s.put(e)
	is := func(state antiphon.State) func(driver.Change) bool {
		return func(c driver.Change) bool { return c.ID == e.ID && c.State == state }
	}
	l := s.next(long)
	s.tells("the job was handed out", w, is(antiphon.StateRunning))
	if err := s.extend(driver.Extension{Lease: l.Lease, For: long, Progress: &antiphon.Progress{Percent: 1}}); err != nil {
		t.Errorf("Extend with progress: %v", err)
	}
	s.tells("the work has reported", w, func(c driver.Change) bool { return c.ID == e.ID && c.Progress })
	if c, ok := s.b.(driver.Controller); ok {
		s.cancels(c, e.ID)
		s.tells("the job is to be canceled", w, func(c driver.Change) bool { return c.ID == e.ID && c.CancelRequested })
	}
	s.settled(done(l))
	s.tells("the job has ended", w, is(antiphon.StateSucceeded))
	s.tells("the job has ended", second, is(antiphon.StateSucceeded))

	// One that waits is woken.
	next := s.job("watched")
	told := make(chan struct{})
	go func() {
		defer close(told)
		s.tells("another job has ended", w, func(c driver.Change) bool { return c.ID == next.ID && c.State.Terminal() })
	}()
	t.Pause(t.tick / 8)
	s.put(next)
	s.settled(done(s.next(long)))
	t.Within("a job has ended, and a watch that waits did not return", told)
}

func checkWatchEnds(t *trial) {
	s := t.open()
	w := s.watched()
	next := func(ctx context.Context) chan error {
		ended := make(chan error, 1)
		go func() {
			_, err := w.Next(ctx, nil)
			ended <- err
		}()
		return ended
	}
	ends := func(what string, ended chan error, want error) {
		t.Helper()
		var err error
		done := make(chan struct{})
		go func() {
			defer close(done)
			err = <-ended
		}()
		t.Within(what+", and Next did not return", done)
		if !errors.Is(err, want) {
			t.Errorf("%s, and Next returned %v, want %v", what, err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := next(ctx)
	t.Pause(t.tick / 8)
	cancel()
	ends("the context has ended", ended, context.Canceled)
	s.put(s.job("so that there is something"))
	l := s.next(long)
	s.settled(done(l)) // what happens while nobody waits is told later
	s.tells("the job has ended", w, func(c driver.Change) bool { return c.ID == l.ID && c.State.Terminal() })
	ended = next(t.Context())
	t.Pause(t.tick / 8)
	for range 2 {
		if err := w.Close(); err != nil {
			t.Errorf("Close of a watch: %v", err)
		}
	}
	ends("the watch is closed", ended, driver.ErrClosed)
	ends("the watch is closed", next(t.Context()), driver.ErrClosed)
	// Nobody listens, and the queue goes on.
	s.put(s.job("after that"))
	s.settled(done(s.next(long)))
}

// A watch that nobody reads is bounded, and says that it has missed something, or has
// not.
func checkWatchMisses(t *trial) {
	s := t.open()
	w := s.watched()
	const n, batch = 6400, 64
	last := ""
	for range n / batch {
		var jobs []driver.Envelope
		for range batch {
			e := s.job("")
			e.Keep = 0
			jobs = append(jobs, e)
		}
		s.put(jobs...)
		var all []driver.Settlement
		for _, l := range s.all(batch) {
			all = append(all, done(l))
			last = l.ID
		}
		ctx, cancel := t.Patient()
		if errs := s.b.Settle(ctx, s.queue, all); errs != nil {
			t.Fatalf("Settle: %v", errs)
		}
		cancel()
	}
	s.tells("thousands of changes were not read", w, func(c driver.Change) bool { return c.ID == last && c.State.Terminal() })
}
