package poller_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/poller"
	"github.com/antiphon-go/antiphon/poller/pollertest"
)

// A streamed answer writes events one by one, each after a while, and ends; or goes on
// with comments for as long.
func streamed(every time.Duration, tail time.Duration, parts ...string) pollertest.Step {
	return pollertest.Step{Answer: func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		out := http.NewResponseController(w)
		_ = out.Flush()
		say := func(s string) bool {
			t := time.NewTimer(every)
			defer t.Stop()
			select {
			case <-t.C:
			case <-r.Context().Done():
				return false
			}
			_, err := w.Write([]byte(s))
			return err == nil && out.Flush() == nil
		}
		for _, p := range parts {
			if !say(p) {
				return
			}
		}
		for begun := time.Now(); time.Since(begun) < tail; {
			if !say(":\n") {
				return
			}
		}
	}}
}

func status(version int, state antiphon.State, percent int) string {
	return fmt.Sprintf("event: status\r\nid: %d\r\ndata: {\"id\":\"1\",\"status\":%q,\"version\":%d,\r\ndata: \"percentComplete\":%d,\"result\":{\"pages\":1}}\r\n\r\n", version, state, version, percent)
}

// seen drains updates into a line of what was seen.
func seen(t *testing.T, s *stage, r *poller.Remote[report]) string {
	var b strings.Builder
	for op, err := range r.Updates(s.ctx) {
		if err != nil {
			t.Error(err)
			break
		}
		fmt.Fprintf(&b, "%s %v, ", op.State, op.Percent)
	}
	return b.String()
}

func TestUpdatesByPolls(t *testing.T) {
	for name, style := range styles {
		if style == pollertest.AIP || style == pollertest.Location {
			continue // which have no percent of their own
		}
		play(t, &pollertest.Script{Style: style, Value: report{1}, Monitor: []pollertest.Step{
			{State: antiphon.StateRunning, Percent: 20}, {State: antiphon.StateRunning, Percent: 20}, {Status: 503},
			{State: antiphon.StateRunning, Percent: 70}, {},
		}}, func(s *stage) {
			r := s.begin("POST", "/r")
			if got, want := seen(t, s, r), "running 0, running 20, running 70, succeeded 0, "; strings.ReplaceAll(got, "100", "0") != want {
				t.Errorf("%s: %s", name, got)
			}
			s.answers(r)
			if got := seen(t, s, r); !strings.HasPrefix(got, "succeeded") {
				t.Error(got)
			}
		})
	}
	play(t, &pollertest.Script{Value: report{1}, Start: []pollertest.Step{{Status: 200}}}, func(s *stage) {
		if got := seen(t, s, s.begin("POST", "/r")); got != "succeeded 100, " {
			t.Error(got)
		}
	})
}

func TestUpdatesEndWithTheFollower(t *testing.T) {
	play(t, &pollertest.Script{Monitor: []pollertest.Step{goesOn, {Status: 410}}}, func(s *stage) {
		var last error
		for _, err := range s.begin("POST", "/r").Updates(none) {
			last = err
		}
		if e := s.gaveUp(last); !errors.Is(e, poller.ErrGone) {
			t.Errorf("%v", e)
		}
	})
	play(t, &pollertest.Script{Monitor: []pollertest.Step{goesOn, {}}, Value: report{1}}, func(s *stage) {
		r := s.begin("POST", "/r")
		ctx, cancel := context.WithCancelCause(s.ctx)
		defer cancel(nil)
		why := errors.New("enough")
		n := 0
		for op, err := range r.Updates(ctx) {
			if n++; n == 1 {
				cancel(why)
			} else if !errors.Is(err, why) || op.ID != "" {
				t.Errorf("%v %v", op, err)
			}
		}
		for range r.Updates(s.ctx) {
			break
		}
		s.answers(r) // which it does not touch
	})
}

func TestUpdatesByEvents(t *testing.T) {
	play(t, &pollertest.Script{Value: report{1}, Monitor: []pollertest.Step{streamed(time.Second, 0,
		"retry: 2000\n\n", ": hello\n\n", status(2, "Running", 10), "event: other\ndata: {\"status\":\"Failed\"}\n\n", "data: nonsense\n\n",
		status(2, "Running", 10), status(3, "Running", 50), status(1, "Running", 5), status(4, "Succeeded", 100), status(5, "Failed", 0),
	)}}, func(s *stage) {
		r := s.begin("POST", "/r")
		if got, want := seen(t, s, r), "running 0, running 10, running 50, succeeded 100, "; got != want {
			t.Errorf("%s", got)
		}
		s.answers(r)
		s.asked("monitor", 1)
		if got := s.script.Requests("monitor")[0].Header.Get("Accept"); got != "text/event-stream, application/json;q=0.9" {
			t.Error(got)
		}
	})
	// It goes on where it was after a stream has ended, and waits as it was told.
	play(t, &pollertest.Script{Value: report{1}, Monitor: []pollertest.Step{
		streamed(time.Second, 0, "retry: 3000\n", status(2, "Running", 10)), streamed(time.Second, 0, status(3, "Running", 50)), streamed(time.Second, 0, status(4, "Succeeded", 100)),
	}}, func(s *stage) {
		if got, want := seen(t, s, s.begin("POST", "/r")), "running 0, running 10, running 50, succeeded 100, "; got != want {
			t.Errorf("%s", got)
		}
		s.gap(0, 3*time.Second)
		for i, want := range []string{"", "2", "3"} {
			if got := s.script.Requests("monitor")[i].Header.Get("Last-Event-Id"); got != want {
				t.Errorf("stream %d from %q", i, got)
			}
		}
	})
	play(t, &pollertest.Script{Value: report{1}, Monitor: []pollertest.Step{
		streamed(time.Second, 0, "retry: 3600000\n", status(2, "Running", 10)), streamed(time.Second, 0, "retry:0\n", status(3, "Running", 50)), {},
	}}, func(s *stage) {
		seen(t, s, s.begin("POST", "/r"))
		s.gap(0, 30*time.Second) // Max
	})
	// Nobody listens: nobody asks for events.
	play(t, &pollertest.Script{Value: report{1}, Monitor: []pollertest.Step{goesOn, {}}}, func(s *stage) {
		s.succeeds()
		if got := s.script.Requests("monitor")[0].Header.Get("Accept"); got != "application/json" {
			t.Error(got)
		}
	})
}

func TestAStreamWithoutEventsIsGivenUp(t *testing.T) {
	empty := streamed(time.Second, 0)
	play(t, &pollertest.Script{Value: report{1}, Monitor: []pollertest.Step{empty, streamed(time.Second, 0, status(2, "Running", 10)), empty, empty, goesOn, {}}}, func(s *stage) {
		seen(t, s, s.begin("POST", "/r"))
		for i, q := range s.script.Requests("monitor") {
			if events := strings.Contains(q.Header.Get("Accept"), "event-stream"); events != (i < 4) {
				t.Errorf("poll %d: %q", i, q.Header.Get("Accept"))
			}
		}
	})
	// Silence for 45 seconds is the end of it; comments are no silence.
	play(t, &pollertest.Script{Value: report{1}, Monitor: []pollertest.Step{
		streamed(15*time.Second, 3*time.Minute), streamed(time.Hour, 0, ":"), {},
	}}, func(s *stage) {
		begun := time.Now()
		seen(t, s, s.begin("POST", "/r"))
		if d := time.Since(begun); d < 225*time.Second || d > 250*time.Second {
			t.Errorf("%v", d)
		}
	})
	play(t, &pollertest.Script{Value: report{1}, Monitor: []pollertest.Step{
		streamed(time.Second, 0, status(2, "Running", 10)), {Status: 204}, {},
	}}, func(s *stage) { // nothing comes after the last event
		seen(t, s, s.begin("POST", "/r"))
		s.asked("monitor", 3)
	})
	play(t, &pollertest.Script{Value: report{1}, Monitor: []pollertest.Step{
		streamed(time.Second, 0, "data: "+strings.Repeat("x", 2000)+"\n\n"), {},
	}}, func(s *stage) {
		s.opts.MaxStatus = 1000
		seen(t, s, s.begin("POST", "/r"))
		s.asked("monitor", 2)
	})
}

func TestAStreamEndsWithTheTime(t *testing.T) {
	play(t, &pollertest.Script{Monitor: []pollertest.Step{streamed(10*time.Second, time.Hour)}}, func(s *stage) {
		s.opts.Poll.Elapsed = time.Minute
		begun := time.Now()
		var last error
		for _, last = range s.begin("POST", "/r").Updates(s.ctx) {
		}
		if !errors.Is(last, poller.ErrElapsed) || time.Since(begun) > 61*time.Second {
			t.Errorf("%v after %v", last, time.Since(begun))
		}
	})
	play(t, &pollertest.Script{Monitor: []pollertest.Step{streamed(10*time.Second, time.Hour)}}, func(s *stage) {
		ctx, cancel := context.WithTimeout(s.ctx, time.Minute)
		defer cancel()
		r, err := poller.Begin[report](s.request("POST", "/r").WithContext(ctx), &s.opts)
		if err != nil {
			t.Fatal(err)
		}
		var last error
		for _, last = range r.Updates(s.ctx) {
		}
		if e := s.gaveUp(last); !errors.Is(e, context.DeadlineExceeded) {
			t.Errorf("%v", e)
		}
	})
}

func TestAResultFetchedAfterEvents(t *testing.T) {
	play(t, &pollertest.Script{Style: pollertest.Azure, Value: report{1}, Monitor: []pollertest.Step{
		streamed(time.Second, 0, "data: {\"status\":\"Running\"}\n\n", "data: {\"status\":\"Succeeded\"}\n\n"),
	}, Result: []pollertest.Step{{Status: 500}, {}}}, func(s *stage) {
		r := s.begin("POST", "/r")
		seen(t, s, r)
		s.answers(r)
		s.asked("monitor", 1)
		s.asked("result", 2)
	})
}

// A server that always says the same version is heard to the end.
func TestAVersionThatDoesNotCount(t *testing.T) {
	play(t, &pollertest.Script{Value: report{1}, Monitor: []pollertest.Step{
		{Body: `{"status":"Running","version":1}`}, {Body: `{"status":"Succeeded","version":1,"result":{"pages":1}}`},
	}}, func(s *stage) {
		r := s.begin("POST", "/r")
		if got := seen(t, s, r); got != "running 0, running 0, succeeded 0, " {
			t.Error(got)
		}
		s.answers(r)
	})
}

// A reader that is slow sees what is latest, and holds nobody up.
func TestASlowReader(t *testing.T) {
	var parts []string
	for i := 2; i < 100; i++ {
		parts = append(parts, status(i, "Running", i))
	}
	parts = append(parts, status(100, "Succeeded", 100))
	play(t, &pollertest.Script{Value: report{1}, Monitor: []pollertest.Step{streamed(time.Second, 0, parts...)}}, func(s *stage) {
		r := s.begin("POST", "/r")
		n, last := 0, 0.0
		for op, err := range r.Updates(s.ctx) {
			if err != nil || op.Percent < last {
				t.Errorf("%v %v", op, err)
			}
			last = op.Percent
			n++
			time.Sleep(30 * time.Second)
		}
		if n > 6 || last != 100 {
			t.Errorf("%d updates, the last at %v", n, last)
		}
		s.answers(r)
	})
}

func TestRemoteCancel(t *testing.T) {
	for name, style := range styles {
		want := map[pollertest.Style]string{pollertest.Location: "DELETE /operations/1/result", pollertest.AIP: "POST /v1/operations/1:cancel"}[style]
		if want == "" {
			want = "POST /operations/1:cancel"
		}
		play(t, &pollertest.Script{Style: style, Err: &antiphon.Error{Code: antiphon.CodeCanceled, Message: "canceled"}, Monitor: []pollertest.Step{{State: antiphon.StateRunning, Header: hinted("20")}, {State: antiphon.StateCanceled}}, Other: map[string][]pollertest.Step{
			"/operations/1/result": {{Status: 202}, {Status: 202}, {Status: 409, Body: `{"error":{"code":"canceled","message":"canceled"}}`}},
		}}, func(s *stage) {
			r := s.begin("POST", "/v1/reports")
			if err := r.Cancel(s.ctx); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			all := s.script.Requests()
			last := all[len(all)-1]
			if got := last.Method + " " + strings.TrimPrefix(last.URL, s.net.URL); got != want {
				t.Errorf("%s: %s, want %s", name, got, want)
			}
			if _, err := r.Future().Await(s.ctx); antiphon.CodeOf(err) != antiphon.CodeCanceled {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}

func TestRemoteCancelOtherwise(t *testing.T) {
	play(t, &pollertest.Script{Monitor: []pollertest.Step{{State: antiphon.StateRunning, Header: hinted("30")}}, Cancel: []pollertest.Step{{Status: 307, Header: header("Location", "/elsewhere")}},
		Other: map[string][]pollertest.Step{"/elsewhere": {{}}},
	}, func(s *stage) {
		if err := s.begin("POST", "/r").Cancel(s.ctx); err != nil {
			t.Error(err)
		}
		if got := s.script.Requests("/elsewhere"); len(got) != 1 || got[0].Method != "POST" {
			t.Errorf("%v", got)
		}
	})
	odd := map[string][]pollertest.Step{"/operations/1:cancel": {{Status: 405}}}
	long := []pollertest.Step{{State: antiphon.StateRunning, Header: hinted("30")}}
	play(t, &pollertest.Script{Other: odd, Monitor: long}, func(s *stage) { // by DELETE then
		if err := s.begin("POST", "/r").Cancel(s.ctx); err != nil {
			t.Error(err)
		}
		if got := s.script.Requests("cancel"); len(got) != 1 || got[0].Method != "DELETE" {
			t.Errorf("%v", got)
		}
	})
	play(t, &pollertest.Script{Other: odd, Monitor: long, Cancel: []pollertest.Step{{Status: 405}}}, func(s *stage) {
		if err := s.begin("POST", "/r").Cancel(none); !errors.Is(err, errors.ErrUnsupported) {
			t.Error(err)
		}
	})
	for _, tt := range []struct {
		step  pollertest.Step
		class antiphon.Class
	}{
		{pollertest.Step{Status: 403}, antiphon.ClassNotAccepted},
		{pollertest.Step{Status: 302, Header: header("Location", "/elsewhere")}, antiphon.ClassNotAccepted},
		{pollertest.Step{Status: 503}, antiphon.ClassUnknown},
		{pollertest.Step{Cut: true}, antiphon.ClassUnknown},
		{pollertest.Step{Status: 409, Body: `{"error":{"code":"aborted","message":"x","class":"failed"}}`}, antiphon.ClassFailed},
	} {
		play(t, &pollertest.Script{Monitor: long, Cancel: []pollertest.Step{tt.step}}, func(s *stage) {
			if err := s.begin("POST", "/r").Cancel(s.ctx); err == nil || antiphon.ClassOf(err) != tt.class {
				t.Errorf("%v, class %s", err, antiphon.ClassOf(err))
			}
		})
	}
}

func TestRemoteDelete(t *testing.T) {
	play(t, &pollertest.Script{Value: report{1}, Monitor: []pollertest.Step{goesOn, {}}, Cancel: []pollertest.Step{{Status: 204}, {Status: 404}, {Status: 405}, {Status: 500}}}, func(s *stage) {
		r := s.begin("POST", "/r")
		if err := r.Delete(s.ctx); antiphon.CodeOf(err) != antiphon.CodeFailedPrecondition {
			t.Error(err)
		}
		s.answers(r)
		for range 2 {
			if err := r.Delete(s.ctx); err != nil {
				t.Error(err)
			}
		}
		if err := r.Delete(s.ctx); !errors.Is(err, errors.ErrUnsupported) {
			t.Error(err)
		}
		if err := r.Delete(s.ctx); antiphon.CodeOf(err) != antiphon.CodeInternal {
			t.Error(err)
		}
	})
}
