package poller_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/poller"
)

// Shutdown answers what is held with the status there is, accepts no more, waits for the
// work, and leaves what there is to be looked at.
func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := siteOf(t, poller.ServeFunc(slowly, nil))
		at := s.start("30").get("Operation-Location")
		var held sync.WaitGroup
		begun := time.Now()
		now := func(what string, a served, ok bool) {
			if d := time.Since(begun); d != time.Second || !ok {
				t.Errorf("%s: after %v, %s", what, d, a)
			}
		}
		held.Go(func() {
			a := s.do("GET", at, "", "Prefer", "wait=60")
			now("long-poll", a, a.StatusCode == 200 && a.operation(t).State == antiphon.StateRunning)
		})
		held.Go(func() {
			ids, last := events(t, s.do("GET", at+"/events", ""))
			now("events", served{body: []byte(last)}, len(ids) == 1)
		})
		held.Go(func() {
			a := s.do("POST", "/jobs", "20", "Prefer", "wait=60")
			now("inline", a, a.StatusCode == 202)
		})
		time.Sleep(time.Second)
		done := make(chan error)
		go func() { done <- s.server.Shutdown(t.Context()) }()
		held.Wait()
		if a := s.do("POST", "/jobs", "1"); a.StatusCode != 503 || a.get("Retry-After") == "" || a.problem(t).Error.Class != antiphon.ClassNotAccepted {
			t.Error(a)
		}
		if a := s.do("GET", at, "", "Prefer", "wait=60"); a.operation(t).State != antiphon.StateRunning || a.get("Preference-Applied") != "" {
			t.Error(a)
		}
		if a := s.do("GET", at, "", "Accept", "text/event-stream"); a.StatusCode != 200 {
			t.Error(a)
		}
		if err := <-done; err != nil || time.Since(begun) != 30*time.Second {
			t.Error(err, time.Since(begun))
		}
		if a := s.do("GET", at+"/result", ""); a.StatusCode != 200 || string(a.body) != `"done"` {
			t.Error(a)
		}
		if err := s.server.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// When its context ends, Shutdown cancels the work.
func TestShutdownCancels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stubborn sync.WaitGroup
		s := siteOf(t, poller.ServeFunc(func(ctx context.Context, n int) (string, error) {
			if n == 0 {
				stubborn.Add(1)
				defer stubborn.Done()
				time.Sleep(time.Minute)
			}
			return slowly(ctx, n)
		}, nil))
		at := s.start("1000").get("Operation-Location")
		s.start("0")
		why := errors.New("enough")
		ctx, cancel := context.WithTimeoutCause(t.Context(), 5*time.Second, why)
		defer cancel()
		begun := time.Now()
		if err := s.server.Shutdown(ctx); !errors.Is(err, why) || time.Since(begun) != 5*time.Second {
			t.Error(err, time.Since(begun))
		}
		synctest.Wait()
		if a := s.do("GET", at, ""); a.operation(t).State != antiphon.StateCanceled {
			t.Error(a)
		}
		stubborn.Wait()
		time.Sleep(time.Minute)
	})
}

// A submission under way when Shutdown begins is done.
func TestShutdownWaitsForSubmissions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &slowStore{entered: make(chan bool), leave: make(chan bool)}
		s := siteOf(t, poller.Serve(o, nil))
		answer := make(chan served)
		go func() { answer <- s.do("POST", "/jobs", "1") }()
		<-o.entered
		brief, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.server.Shutdown(brief); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		done := make(chan error)
		go func() { done <- s.server.Shutdown(t.Context()) }()
		synctest.Wait()
		select {
		case <-done:
			t.Error("it did not wait")
		default:
		}
		close(o.leave)
		if err := <-done; err != nil {
			t.Error(err)
		}
		if a := <-answer; a.StatusCode != 202 {
			t.Error(a)
		}
	})
}

type slowStore struct {
	poller.Operations
	entered, leave chan bool
}

func (s *slowStore) Submit(context.Context, []byte, antiphon.Info) (antiphon.Operation, bool, error) {
	s.entered <- true
	<-s.leave
	return antiphon.Operation{ID: "x", State: antiphon.StateQueued}, false, nil
}

// A client that has gone is not waited for.
func TestClientGoes(t *testing.T) {
	serving(t, slowly, nil, func(t *testing.T, s *site) {
		at := s.start("100").get("Operation-Location")
		for _, c := range [][]string{{"GET", at, "Prefer", "wait=60"}, {"GET", at, "Accept", "text/event-stream"}, {"POST", "/jobs", "Prefer", "wait=60"}} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			body := ""
			if c[0] == "POST" {
				body = "100"
			}
			begun := time.Now()
			s.send(s.request(c[0], c[1], body, c[2:]...).WithContext(ctx))
			if d := time.Since(begun); d != time.Second {
				t.Errorf("%v: %v", c, d)
			}
			cancel()
		}
	})
}
