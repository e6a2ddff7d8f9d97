package poller_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/poller"
)

// reporting takes so many seconds and reports after each.
func reporting(ctx context.Context, seconds int) (string, error) {
	for i := range seconds {
		if _, err := slowly(ctx, 1); err != nil {
			return "", err
		}
		antiphon.Report(ctx, float64(100*(i+1)/seconds), "step "+strconv.Itoa(i+1), nil)
	}
	return slowly(ctx, 1)
}

func TestLongPoll(t *testing.T) {
	serving(t, reporting, nil, func(t *testing.T, s *site) {
		monitor := s.start("3").get("Operation-Location")
		tag := s.do("GET", monitor, "").get("Etag")
		poll := func(header ...string) (served, time.Duration) {
			begun := time.Now()
			a := s.do("GET", monitor, "", header...)
			return a, time.Since(begun)
		}
		// An old version is answered at once, the latest when there is another.
		if a, d := poll("Prefer", "wait=10", "If-None-Match", `"0"`); a.StatusCode != 200 || d != 0 || a.get("Preference-Applied") != "wait=10" {
			t.Error(d, a)
		}
		a, d := poll("Prefer", "wait=10", "If-None-Match", `"x", W/`+tag)
		if op := a.operation(t); a.StatusCode != 200 || d != time.Second || op.Message != "step 1" || a.get("Etag") != `"`+strconv.FormatInt(op.Version, 10)+`"` {
			t.Error(d, a)
		}
		// Without a version it is the one at the time of asking.
		if a, d := poll("Prefer", "wait=10"); a.operation(t).Message != "step 2" || d != time.Second {
			t.Error(d, a)
		}
		_, _ = poll("Prefer", "wait=10")
		tag = s.do("GET", monitor, "").get("Etag")
		time.Sleep(900 * time.Millisecond)
		// When the time is over: nothing new, or the same again.
		if a, d := poll("Prefer", "wait=0", "If-None-Match", tag); a.StatusCode != 304 || d != 0 || len(a.body) != 0 || a.get("Retry-After-Ms") == "" || a.get("Etag") != tag {
			t.Error(d, a)
		}
		if a, _ := poll("If-None-Match", "*"); a.StatusCode != 304 || a.get("Preference-Applied") != "" {
			t.Error(a)
		}
		if a, d := poll("Prefer", "wait=10", "If-None-Match", tag); a.operation(t).State != antiphon.StateSucceeded || d != 100*time.Millisecond {
			t.Error(d, a)
		}
		// What has ended is not waited for.
		a, d = poll("Prefer", "wait=10", "If-None-Match", s.do("GET", monitor, "").get("Etag"))
		if a.StatusCode != 304 || d != 0 || a.get("Cache-Control") != "private, no-cache" || a.get("Retry-After") != "" {
			t.Error(d, a)
		}
		if a := s.do("HEAD", monitor, "", "Prefer", "wait=5"); a.StatusCode != 200 || len(a.body) != 0 || a.get("Content-Length") == "" || a.get("Etag") == "" {
			t.Error(a)
		}
	})
}

func TestLongPollRunsOut(t *testing.T) {
	serving(t, slowly, nil, func(t *testing.T, s *site) {
		a := s.start("100")
		begun := time.Now()
		if a := s.do("GET", a.get("Operation-Location"), "", "Prefer", "wait=7"); a.StatusCode != 200 || time.Since(begun) != 7*time.Second || a.get("Preference-Applied") != "wait=7" {
			t.Error(a)
		}
		tag := s.do("GET", a.get("Operation-Location"), "").get("Etag")
		if a := s.do("GET", a.get("Operation-Location"), "", "Prefer", "wait=7", "If-None-Match", tag); a.StatusCode != 304 {
			t.Error(a)
		}
		begun = time.Now()
		if a := s.do("GET", a.get("Location"), "", "Prefer", "wait=3"); a.StatusCode != 202 || time.Since(begun) != 3*time.Second {
			t.Error(a)
		}
		s.do("DELETE", a.get("Operation-Location"), "")
	})
}

// Too many that wait are told at once, and not that they have waited.
func TestMaxHeld(t *testing.T) {
	serving(t, slowly, &poller.ServerOptions{MaxHeld: 1}, func(t *testing.T, s *site) {
		at := s.start("5").get("Operation-Location")
		go s.do("GET", at, "", "Prefer", "wait=60")
		synctest.Wait()
		begun := time.Now()
		if a := s.do("GET", at, "", "Prefer", "wait=60"); a.StatusCode != 200 || a.get("Preference-Applied") != "" {
			t.Error(a)
		}
		if a := s.do("GET", at+"/events", ""); a.get("Content-Type") != "application/json" {
			t.Error(a)
		}
		if a := s.do("POST", "/jobs", "5", "Prefer", "wait=60"); a.StatusCode != 202 || a.get("Preference-Applied") != "" {
			t.Error(a)
		}
		if time.Since(begun) != 0 {
			t.Error("they were held")
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		begun = time.Now()
		if s.start("5"); time.Since(begun) != 0 {
			t.Error("held")
		}
	})
}

// The server says when to come again: the operation's own advice, else by its age.
func TestPace(t *testing.T) {
	serving(t, slowly, nil, func(t *testing.T, s *site) {
		at := s.start("1000").get("Operation-Location")
		for after, want := range map[time.Duration][2]string{0: {"1", "500"}, 10 * time.Second: {"5", "5000"}, 100 * time.Second: {"30", "30000"}} {
			fresh := s.start("1000").get("Operation-Location")
			time.Sleep(after)
			if a := s.do("GET", fresh, ""); a.get("Retry-After") != want[0] || a.get("Retry-After-Ms") != want[1] {
				t.Errorf("after %v: %s", after, a)
			}
			s.do("DELETE", fresh, "")
		}
		s.do("DELETE", at, "")
	})
	own := func(age time.Duration) time.Duration { return age + 1500*time.Millisecond + 1 }
	serving(t, slowly, &poller.ServerOptions{PollAfter: own}, func(t *testing.T, s *site) {
		a := s.start("1")
		if a.get("Retry-After") != "2" || a.get("Retry-After-Ms") != "1501" {
			t.Error(a)
		}
	})
}

func events(t testing.TB, a served) (ids []string, last string) {
	t.Helper()
	if a.StatusCode != 200 || a.get("Content-Type") != "text/event-stream" || !strings.HasPrefix(string(a.body), "retry: ") {
		t.Fatalf("no stream: %s", a)
	}
	for one := range strings.SplitSeq(strings.TrimSuffix(string(a.body), "\n\n"), "\n\n") {
		if !strings.HasPrefix(one, "event: status\n") {
			continue
		}
		lines := strings.Split(one, "\n")
		ids, last = append(ids, strings.TrimPrefix(lines[1], "id: ")), strings.TrimPrefix(lines[2], "data: ")
	}
	return ids, last
}

func TestEvents(t *testing.T) {
	serving(t, reporting, nil, func(t *testing.T, s *site) {
		at := s.start("40").get("Operation-Location")
		first := s.do("GET", at, "").operation(t).Version
		a := s.do("GET", at+"/events", "")
		ids, last := events(t, a)
		op := served{a.Response, []byte(last)}.operation(t)
		if len(ids) != 42 || ids[0] != strconv.FormatInt(first, 10) || op.State != antiphon.StateSucceeded || a.get("Cache-Control") != "no-store" || a.get("X-Accel-Buffering") != "no" {
			t.Error(len(ids), a)
		}
		// It resumes after what was seen, and has nothing to say after the last.
		if again, _ := events(t, s.do("GET", at+"/events", "", "Last-Event-ID", ids[len(ids)-2])); len(again) != 1 {
			t.Error(again)
		}
		if a := s.do("GET", at+"/events", "", "Last-Event-ID", ids[len(ids)-1]); a.StatusCode != 204 {
			t.Error(a)
		}
		for _, none := range []string{"x", "-1", "99999", "9999999999999999999999", ""} { // seen by nobody
			if again, _ := events(t, s.do("GET", at+"/events", "", "Last-Event-ID", none)); len(again) != 1 {
				t.Error(none, again)
			}
		}
		for accept, want := range map[string]string{
			"text/event-stream":                          "text/event-stream",
			"text/event-stream, application/json;q=0.9":  "text/event-stream",
			"application/json;q=0.5, Text/Event-Stream":  "text/event-stream",
			"text/event-stream;q=0.5, application/json":  "application/json",
			"text/event-stream;q=0":                      "application/json",
			"text/event-stream;q=high":                   "application/json",
			"*/*":                                        "application/json",
			"application/json":                           "application/json",
			"text/event-stream; q=0.8; x=y, text/html":   "text/event-stream",
			"\"text/event-stream, a\", application/json": "application/json",
		} {
			if a := s.do("GET", at, "", "Accept", accept); a.get("Content-Type") != want {
				t.Errorf("%s: %s", accept, a)
			}
		}
	})
}

func TestHeartbeat(t *testing.T) {
	serving(t, slowly, nil, func(t *testing.T, s *site) {
		at := s.start("50").get("Operation-Location")
		if a := s.do("GET", at+"/events", ""); strings.Count(string(a.body), "\n\n:\n\n:\n\n:\n\nevent: status\n") != 1 {
			t.Errorf("%s", a.body)
		}
	})
}

// What cannot flush gets the status; a handler in between does no harm.
func TestBehindOthers(t *testing.T) {
	serving(t, slowly, nil, func(t *testing.T, s *site) {
		at := s.start("5").get("Operation-Location")
		req := s.request("GET", at, "", "Accept", "text/event-stream")
		w := httptest.NewRecorder()
		http.TimeoutHandler(s.mux, time.Minute, "").ServeHTTP(w, req)
		if a := (served{w.Result(), w.Body.Bytes()}); a.StatusCode != 200 || a.get("Content-Type") != "application/json" || a.operation(t).State != antiphon.StateRunning {
			t.Error(a)
		}
		w = httptest.NewRecorder()
		s.mux.ServeHTTP(around{w}, s.request("GET", at, "", "Accept", "text/event-stream"))
		events(t, served{w.Result(), w.Body.Bytes()})
		for _, chunked := range []bool{false, true} {
			req = s.request("POST", "/jobs", strings.Repeat("1", 100))
			if chunked {
				req.ContentLength = -1
			}
			w = httptest.NewRecorder()
			http.MaxBytesHandler(s.mux, 10).ServeHTTP(w, req)
			if a := (served{w.Result(), w.Body.Bytes()}); a.StatusCode != 413 || a.problem(t).Error.Class != antiphon.ClassNotAccepted {
				t.Error(a)
			}
		}
		// With its prefix stripped, it still knows where it is.
		w = httptest.NewRecorder()
		http.StripPrefix("/api/v2", s.mux).ServeHTTP(w, s.request("POST", "/api/v2/jobs", "5"))
		if a := (served{w.Result(), nil}); a.get("Operation-Location") != "http://site.test/api/v2/jobs/operations/"+a.get("Operation-Id") {
			t.Error(a)
		}
	})
}

type around struct{ http.ResponseWriter }

func (a around) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// P8: of however many who look, while it runs, ends and is canceled, nobody sees an end
// that changes.
func TestP8_StatusNeverGoesBack(t *testing.T) {
	serving(t, reporting, nil, func(t *testing.T, s *site) {
		var all sync.WaitGroup
		for i := range 20 {
			at := s.start("3").get("Operation-Location")
			for range 3 {
				all.Go(func() {
					end, version := antiphon.State(""), int64(0)
					for range 50 {
						op := s.do("GET", at, "").operation(t)
						if op.Version < version || end != "" && op.State != end {
							t.Errorf("from %s (%d) back to %s (%d)", end, version, op.State, op.Version)
						}
						if version = op.Version; op.State.Terminal() {
							end = op.State
						}
						time.Sleep(97 * time.Millisecond)
					}
					if end == "" {
						t.Error("no end")
					}
				})
			}
			all.Go(func() {
				time.Sleep(time.Duration(i) * 250 * time.Millisecond)
				s.do("POST", at+":cancel", "")
			})
		}
		all.Wait()
	})
}
