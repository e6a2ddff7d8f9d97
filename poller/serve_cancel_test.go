package poller_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/poller"
	"github.com/antiphon-go/antiphon/queue"
)

func TestCancel(t *testing.T) {
	var cause error
	serving(t, func(ctx context.Context, n int) (string, error) {
		<-ctx.Done()
		cause = context.Cause(ctx)
		time.Sleep(time.Second)
		return "", cause
	}, nil, func(t *testing.T, s *site) {
		for _, c := range [][2]string{{"DELETE", ""}, {"POST", ":cancel"}} {
			cause = nil
			a := s.start("1")
			at := a.get("Operation-Location")
			for range 2 { // saying so again changes nothing
				if a := s.do(c[0], at+c[1], ""); a.StatusCode != 202 || !a.operation(t).CancelRequested || a.get("Operation-Location") != at || a.get("Retry-After") == "" {
					t.Error(a)
				}
			}
			time.Sleep(2 * time.Second)
			synctest.Wait()
			if !errors.Is(cause, queue.ErrCanceled) {
				t.Error(cause)
			}
			if op := s.do("GET", at, "").operation(t); op.State != antiphon.StateCanceled || op.Err == nil || op.Err.Message == "" {
				t.Errorf("%+v", op)
			}
			if a := s.do("GET", at+"/result", ""); a.StatusCode != 409 || a.problem(t).Error.Code != antiphon.CodeCanceled {
				t.Error(a)
			}
			if a := s.do("POST", at+":cancel", ""); a.StatusCode != 200 || a.operation(t).State != antiphon.StateCanceled {
				t.Error(a)
			}
			// DELETE of what has ended forgets it.
			for i, want := range []int{204, 410, 410} {
				if a := s.do("DELETE", at, ""); a.StatusCode != want {
					t.Error(i, a)
				}
			}
			for _, path := range []string{"", "/result", "/events"} {
				if a := s.do("GET", at+path, ""); a.StatusCode != 410 || a.problem(t).Error.Reason != "poller.gone" {
					t.Error(a)
				}
			}
			if a := s.do("POST", at+":cancel", ""); a.StatusCode != 410 {
				t.Error(a)
			}
		}
	})
}

// What has succeeded is not canceled.
func TestCancelTooLate(t *testing.T) {
	serving(t, double, nil, func(t *testing.T, s *site) {
		at := "/jobs/operations/" + s.do("POST", "/jobs", "1").get("Operation-Id")
		if a := s.do("POST", at+":cancel", ""); a.StatusCode != 200 || a.operation(t).State != antiphon.StateSucceeded {
			t.Error(a)
		}
	})
}

// P10: results are there for the time to live, then 410 for the tombstone time, then 404.
func TestP10_ResultsAreKeptAndThenGone(t *testing.T) {
	o := &poller.ServerOptions{KeepResults: time.Hour, Tombstone: 10 * time.Minute}
	serving(t, slowly, o, func(t *testing.T, s *site) {
		at := s.start("10").get("Operation-Location")
		time.Sleep(10 * time.Second)
		synctest.Wait()
		ended := time.Now()
		for time.Since(ended) < time.Hour {
			if a := s.do("GET", at+"/result", ""); a.StatusCode != 200 || string(a.body) != `"done"` {
				t.Fatal(time.Since(ended), a)
			}
			time.Sleep(7 * time.Minute)
		}
		time.Sleep(time.Until(ended.Add(time.Hour)) + time.Second)
		for time.Since(ended) < time.Hour+10*time.Minute {
			for _, path := range []string{"", "/result", "/events", ":cancel"} {
				method := "GET"
				if path == ":cancel" {
					method = "POST"
				}
				if a := s.do(method, at+path, ""); a.StatusCode != 410 {
					t.Fatal(time.Since(ended), path, a)
				}
			}
			time.Sleep(time.Minute)
		}
		time.Sleep(2 * time.Second)
		if a := s.do("GET", at, ""); a.StatusCode != 404 {
			t.Error(a)
		}
	})
	o = &poller.ServerOptions{KeepResults: time.Second, Tombstone: -1}
	serving(t, double, o, func(t *testing.T, s *site) {
		id := s.do("POST", "/jobs", "1").get("Operation-Id")
		time.Sleep(2 * time.Second)
		if a := s.do("GET", "/jobs/operations/"+id, ""); a.StatusCode != 404 {
			t.Error(a)
		}
	})
}

// P7: when 202 is there, the operation can be found; when Submit fails, nothing was
// accepted.
func TestP7_AcceptedIsStored(t *testing.T) {
	var calls atomic.Int64
	serving(t, func(ctx context.Context, n int) (string, error) {
		calls.Add(1)
		return slowly(ctx, n)
	}, &poller.ServerOptions{MaxRunning: 64}, func(t *testing.T, s *site) {
		accepted := int64(0)
		for range 200 {
			switch a := s.do("POST", "/jobs", "1", "Prefer", "wait=0"); a.StatusCode {
			case 202:
				accepted++
				if a := s.do("GET", a.get("Operation-Location"), ""); a.StatusCode != 200 {
					t.Error(a)
				}
			case 429:
				time.Sleep(100 * time.Millisecond)
			default:
				t.Fatal(a)
			}
		}
		time.Sleep(10 * time.Second)
		if calls.Load() != accepted {
			t.Errorf("%d accepted, and %d done", accepted, calls.Load())
		}
	})
}
