package poller_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/poller"
	"github.com/antiphon-go/antiphon/poller/pollertest"
)

// What is done in time is heard of in time, however little is left: by a request that is
// held, and without.
func TestDoneJustInTime(t *testing.T) {
	for _, c := range []struct{ hold, work, left time.Duration }{
		{0, time.Minute, 200 * time.Millisecond}, {0, 5 * time.Minute, 200 * time.Millisecond}, {0, 1500 * time.Millisecond, 200 * time.Millisecond},
		{-1, 19 * time.Second, 5 * time.Second}, {-1, time.Minute, 5 * time.Second}, {-1, 5 * time.Minute, 5 * time.Second},
	} {
		for range 5 { // what is jittered
			work := func(ctx context.Context, q int) (int, error) {
				select {
				case <-time.After(c.work):
				case <-ctx.Done():
				}
				return q, ctx.Err()
			}
			withServer(t, work, nil, func(s *farEnd) {
				s.opts.LongPoll = c.hold
				ctx, cancel := context.WithTimeout(s.Context(), c.work+c.left)
				defer cancel()
				if v, err := poller.Dial[int, int](s.net.URL, &s.opts)(ctx, 7).Await(s.Context()); v != 7 || err != nil {
					t.Errorf("%v: %v, %v", c, v, err)
				}
			})
		}
	}
}

// An ask that gives up cancels what it has begun, for whatever reason it does.
func TestWhoGivesUpCancels(t *testing.T) {
	running := pollertest.Step{Header: http.Header{"Retry-After": {"2"}}, State: "running"}
	for want, pace := range map[error]*poller.Options{
		poller.ErrHint: {}, poller.ErrPolls: {MaxPolls: 1}, poller.ErrElapsed: {Elapsed: 3 * time.Second, Max: time.Second},
	} {
		play(t, &pollertest.Script{Start: []pollertest.Step{{Header: running.Header}}, Monitor: []pollertest.Step{running}}, func(s *stage) {
			s.opts.Poll, s.opts.LongPoll = pace, -1
			ctx, cancel := context.WithTimeout(s.ctx, 5*time.Second)
			defer cancel()
			if want == poller.ErrHint {
				pace.Elapsed = 5 * time.Second
			}
			_, err := poller.Dial[report, report](s.net.URL, &s.opts)(ctx, report{}).Await(s.ctx)
			var gaveUp *poller.PollError
			if !errors.Is(err, want) || !errors.As(err, &gaveUp) || ctx.Err() != nil {
				t.Errorf("%v: %v", want, err)
			}
			time.Sleep(time.Minute)
			s.asked("cancel", 1)
		})
	}
}

// The last request is held too, where less than a second is left.
func TestTheLastRequestIsHeld(t *testing.T) {
	header := http.Header{"Preference-Applied": {"wait=5"}, "Retry-After": {"30"}}
	play(t, &pollertest.Script{Value: report{1}, Start: []pollertest.Step{{Header: header}}, Monitor: []pollertest.Step{
		{State: "running", Delay: 5 * time.Second, Header: header}, {Delay: 300 * time.Millisecond},
	}}, func(s *stage) {
		s.opts.LongPoll = 0
		ctx, cancel := context.WithTimeout(s.ctx, 5600*time.Millisecond)
		defer cancel()
		if v, err := poller.Dial[report, report](s.net.URL, &s.opts)(ctx, report{}).Await(s.ctx); err != nil || v != (report{1}) {
			t.Error(v, err)
		}
		for i, want := range []string{"wait=5", "wait=1"} {
			if got := s.script.Requests("monitor")[i].Header.Get("Prefer"); got != want {
				t.Errorf("poll %d: %q", i, got)
			}
		}
	})
}

// Where the answer says nothing of its own, the error says who gave it, without what may
// be secret.
func TestAnAnswerThatSaysNothing(t *testing.T) {
	play(t, &pollertest.Script{Start: []pollertest.Step{{Status: 404, Body: "no"}}}, func(s *stage) {
		_, err := poller.Dial[report, report](s.net.URL+"/wrong?key=hidden", &s.opts)(s.ctx, report{}).Await(s.ctx)
		if err == nil || !strings.Contains(err.Error(), "/wrong answers 404") || strings.Contains(err.Error(), "hidden") {
			t.Error(err)
		}
	})
}

// What the work reports last reaches its asker before the answer does.
func TestDialHearsTheLastReport(t *testing.T) {
	work := func(ctx context.Context, q int) (int, error) {
		time.Sleep(time.Second)
		antiphon.Report(ctx, 50, "half", nil)
		time.Sleep(time.Second)
		antiphon.Report(ctx, 100, "all", nil)
		return q, nil
	}
	withServer(t, work, nil, func(s *farEnd) {
		var told []antiphon.Progress
		ctx := antiphon.WithProgress(s.Context(), func(p antiphon.Progress) { told = append(told, p) })
		if _, err := poller.Dial[int, int](s.net.URL, &s.opts)(ctx, 7).Await(s.Context()); err != nil {
			t.Error(err)
		}
		if n := len(told); n == 0 || told[n-1].Percent != 100 || told[n-1].Message != "all" {
			t.Errorf("told %v", told)
		}
	})
}

// X7: what panics while an ask is cancelled ends nothing, and is told.
func TestX7_CancellingPanics(t *testing.T) {
	play(t, &pollertest.Script{Monitor: []pollertest.Step{{State: "running"}}}, func(s *stage) {
		s.opts.LongPoll = -1
		s.opts.Authorize = func(r *http.Request, _ bool) error {
			if strings.HasSuffix(r.URL.Path, ":cancel") {
				panic("no credentials for that")
			}
			return nil
		}
		ctx, cancel := context.WithTimeout(s.ctx, 5*time.Second)
		defer cancel()
		if _, err := poller.Dial[report, report](s.net.URL, &s.opts)(ctx, report{}).Await(s.ctx); err == nil {
			t.Error("it ended")
		}
		time.Sleep(time.Minute)
		if n := s.told("poller.unsent"); n != 1 {
			t.Errorf("told %d times", n)
		}
	})
}

// Who gives up on a server that is away is told why nothing was sent, not only that the
// time is over.
func TestGivingUpTellsWhatFailed(t *testing.T) {
	withServer(t, func(_ context.Context, q int) (int, error) { return q, nil }, nil, func(s *farEnd) {
		s.net.Fail(func(int) pollertest.Fault { return pollertest.Fault{Where: pollertest.Dialing} })
		ctx, cancel := context.WithTimeout(s.Context(), 5*time.Second)
		defer cancel()
		_, err := poller.Dial[int, int](s.net.URL, &s.opts)(ctx, 1).Await(s.Context())
		if !errors.Is(err, context.DeadlineExceeded) || antiphon.ClassOf(err) != antiphon.ClassNotAccepted || !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("%v of class %s", err, antiphon.ClassOf(err))
		}
	})
}
