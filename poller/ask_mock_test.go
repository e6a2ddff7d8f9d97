package poller_test

import (
	"context"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/poller"
	"github.com/antiphon-go/antiphon/poller/pollertest"
)

// stepped advances a mock clock step by step until f has settled.
func stepped[T any](t *testing.T, mock *clock.Mock, f *future.Future[T]) (T, error) {
	t.Helper()
	for range 10_000 {
		synctest.Wait()
		if _, done := f.Peek(); done {
			break
		}
		mock.Add(50 * time.Millisecond)
	}
	v, done := f.Peek()
	if !done {
		t.Fatal("it does not end")
	}
	return v.Get()
}

// Deadlines are of the clock of the options: a start is sent again within it, the server
// learns of what is left, and holds requests.
func TestX2_DeadlinesOfAMockClock(t *testing.T) {
	script := &pollertest.Script{Value: report{3}, Start: []pollertest.Step{{Status: 503}, {}}, Monitor: []pollertest.Step{{State: antiphon.StateRunning}, {}}}
	play(t, script, func(s *stage) {
		mock := clock.NewMock()
		s.opts.Poll.Clock, s.opts.LongPoll = mock, 0
		ctx, cancel := mock.WithTimeout(s.ctx, 20*time.Second)
		defer cancel()
		v, err := stepped(t, mock, poller.Dial[string, report](s.net.URL+"/v1/reports", &s.opts)(ctx, "q"))
		if err != nil || v != script.Value {
			t.Error(v, err)
		}
		s.asked("start", 2)
		for _, q := range s.script.Requests("start") {
			if ms, err := strconv.Atoi(q.Header.Get("Antiphon-Timeout-Ms")); err != nil || ms < 15_000 || ms > 20_000 {
				t.Errorf("%q ms are left", q.Header.Get("Antiphon-Timeout-Ms"))
			}
		}
		if polls := s.script.Requests("monitor"); polls[len(polls)-1].Header.Get("Prefer") == "" {
			t.Errorf("not asked to hold: %v", polls[len(polls)-1].Header)
		}
		req := s.request("PUT", "/v1/reports").WithContext(ctx)
		s.script.Start = append(s.script.Start, pollertest.Step{Status: 503}, pollertest.Step{})
		begun := future.Go(s.ctx, func(context.Context) (*poller.Remote[report], error) { return poller.Begin[report](req, &s.opts) })
		if _, err := stepped(t, mock, begun); err != nil {
			t.Error(err)
		}
		cancel()
		synctest.Wait()
		if now := mock.Now(); mock.WaitForAllTimers() != now {
			t.Error("a timer is left")
		}
	})
}

// Hundreds that are begun and left keep nothing: no timer, and no goroutine in the bubble.
func TestX2_WhoLeavesKeepsNothing(t *testing.T) {
	const n = 300
	script := &pollertest.Script{Monitor: []pollertest.Step{{State: antiphon.StateRunning}}}
	play(t, script, func(s *stage) {
		mock := clock.NewMock()
		s.opts.Poll.Clock = mock
		all := make([]*future.Future[report], n)
		ask := poller.Dial[string, report](s.net.URL+"/v1/reports", &s.opts)
		for i := range all {
			ctx, cancel := mock.WithTimeout(s.ctx, time.Duration(i%100)*50*time.Millisecond)
			defer cancel()
			all[i] = ask(ctx, "q")
		}
		for _, f := range all {
			if _, err := stepped(t, mock, f); antiphon.CodeOf(err) != antiphon.CodeDeadlineExceeded {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if now := mock.Now(); mock.WaitForAllTimers() != now {
			t.Error("a timer is left")
		}
	})
}
