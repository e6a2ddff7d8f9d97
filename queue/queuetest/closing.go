package queuetest

import (
	"context"
	"errors"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// closes closes the backend of s in the middle of a rule.
func (s *side) closes() {
	s.Helper()
	s.close(s.b)
}

func checkCloseEndsCalls(t *trial) {
	s := t.open()
	var ended []chan error
	begin := func(f func() error) {
		c := make(chan error, 1)
		ended = append(ended, c)
		go func() { c <- f() }()
	}
	for range 3 {
		begin(func() error {
			_, err := s.b.Take(t.Context(), nil, driver.TakeRequest{Queue: s.queue, Max: 1, Lease: long})
			return err
		})
	}
	if s.b.Capabilities().Capacity {
		full := &side{trial: t, b: s.b, queue: s.queue + "-full"}
		full.put(full.job("1"))
		begin(func() error {
			_, err := s.b.Put(t.Context(), full.bounded(1, driver.Block, full.job("2")))
			return err
		})
	}
	if _, ok := s.b.(driver.Watcher); ok {
		w := s.watched()
		begin(func() error {
			_, err := w.Next(t.Context(), nil)
			return err
		})
	}
	t.Pause(t.tick / 4)
	s.closes()
	for _, c := range ended {
		done := make(chan struct{})
		var err error
		go func() {
			defer close(done)
			err = <-c
		}()
		t.Within("the backend is closed, and a call that waits did not return", done)
		if !errors.Is(err, driver.ErrClosed) {
			t.Errorf("the backend is closed, and a call that waited returned %v, want driver.ErrClosed", err)
		}
	}
}

func checkClosedRefuses(t *trial) {
	s := t.open()
	e := s.job("before")
	s.put(e)
	l := s.next(long)
	s.sixteenCloses()
	ctx := t.Context()
	refuses := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, driver.ErrClosed) {
			t.Errorf("the backend is closed, and %s: %v, want driver.ErrClosed", what, err)
		}
	}
	first := func(errs []error) error {
		if len(errs) != 1 {
			return errors.New("no error")
		}
		return errs[0]
	}
	_, err := s.b.Put(ctx, s.request(s.job("after")))
	refuses("Put", err)
	if class := antiphon.ClassOf(err); class != antiphon.ClassNotAccepted {
		t.Errorf("the backend is closed, and the class of Put's error is %s, want not accepted", class)
	}
	_, err = s.b.Take(ctx, nil, driver.TakeRequest{Queue: s.queue, Max: 1, Lease: long, Wait: t.tick})
	refuses("Take", err)
	refuses("Extend", first(s.b.Extend(ctx, s.queue, []driver.Extension{{Lease: l.Lease, For: long}})))
	refuses("Settle", first(s.b.Settle(ctx, s.queue, []driver.Settlement{done(l)})))
	_, err = s.b.Stats(ctx, s.queue)
	refuses("Stats", err)
	if r, ok := s.b.(driver.Results); ok {
		_, err = r.Lookup(ctx, s.queue, []string{e.ID}, false)
		refuses("Lookup", err)
		_, err = r.List(ctx, s.queue, driver.ListRequest{Limit: 1})
		refuses("List", err)
		_, err = r.Forget(ctx, s.queue, []string{e.ID})
		refuses("Forget", err)
	}
	if m, ok := s.b.(driver.Morgue); ok {
		_, err = m.Dead(ctx, s.queue, "", 1)
		refuses("Dead", err)
		_, err = m.Redrive(ctx, s.queue, nil)
		refuses("Redrive", err)
		_, err = m.Purge(ctx, s.queue, nil)
		refuses("Purge", err)
	}
	if c, ok := s.b.(driver.Controller); ok {
		_, err = c.Cancel(ctx, s.queue, e.ID)
		refuses("Cancel", err)
		refuses("Pause", c.Pause(ctx, s.queue, true))
	}
	if w, ok := s.b.(driver.Watcher); ok {
		watch, err := w.Watch(s.queue)
		if err == nil {
			_, err = watch.Next(ctx, nil)
		}
		refuses("Watch", err)
	}
}

// sixteenCloses closes, from sixteen goroutines, and once more.
func (s *side) sixteenCloses() {
	s.Helper()
	s.sixteen(func(int) {
		if err := s.b.Close(); err != nil {
			s.Errorf("Close: %v", err)
		}
	})
	s.closes()
}

func checkNoLeak(t *trial) {
	t.LeavesNothing(10, func(int) {
		one := newTrial(t.TB, t.store)
		defer one.End()
		s := one.open()
		for range 4 {
			s.put(s.job("1"))
			s.taker(one.Context(), 1, long)
		}
		ctx, cancel := context.WithCancel(one.Context())
		for range 16 {
			s.taker(ctx, 1, long)
		}
		if s.b.Capabilities().Delays {
			e := s.job("later")
			e.Delay = long
			s.put(e)
		}
		cancel()
		s.closes()
	})
}
