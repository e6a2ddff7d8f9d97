package poller_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/poller"
)

// What cannot be meant is a problem of the right status, and starts nothing.
func TestBadRequests(t *testing.T) {
	serving(t, func(_ context.Context, n int) (int, error) {
		t.Error("it was begun")
		return n, nil
	}, &poller.ServerOptions{MaxBody: 100}, func(t *testing.T, s *site) {
		type problem struct {
			status int
			code   antiphon.Code
			target string
		}
		bad, missing := antiphon.CodeInvalidArgument, antiphon.CodeNotFound
		for name, c := range map[string]struct {
			method, path, body string
			header             []string
			want               problem
		}{
			"method":             {"GET", "/jobs", "", nil, problem{405, antiphon.CodeUnimplemented, ""}},
			"put":                {"PUT", "/jobs/operations/x", "", nil, problem{405, antiphon.CodeUnimplemented, ""}},
			"post to list":       {"POST", "/jobs/operations", "1", nil, problem{405, antiphon.CodeUnimplemented, ""}},
			"get cancel":         {"GET", "/jobs/operations/x:cancel", "", nil, problem{405, antiphon.CodeUnimplemented, ""}},
			"no type":            {"POST", "/jobs", "1", []string{"Content-Type", ""}, problem{415, bad, "Content-Type"}},
			"compressed":         {"POST", "/jobs", "1", []string{"Content-Encoding", "gzip"}, problem{415, bad, "Content-Encoding"}},
			"form":               {"POST", "/jobs", "1", []string{"Content-Type", "application/x-www-form-urlencoded"}, problem{415, bad, "Content-Type"}},
			"text":               {"POST", "/jobs", "1", []string{"Content-Type", "text/json"}, problem{415, bad, "Content-Type"}},
			"too large":          {"POST", "/jobs", strings.Repeat("1", 101), nil, problem{413, antiphon.CodeResourceExhausted, ""}},
			"no JSON":            {"POST", "/jobs", "{", nil, problem{400, bad, "body"}},
			"other JSON":         {"POST", "/jobs", `"x"`, nil, problem{400, bad, "body"}},
			"two":                {"POST", "/jobs", `1 2`, nil, problem{400, bad, "body"}},
			"deep":               {"POST", "/jobs", strings.Repeat("[", 70), nil, problem{413, antiphon.CodeResourceExhausted, ""}},
			"empty key":          {"POST", "/jobs", "1", []string{"Idempotency-Key", ""}, problem{400, bad, "Idempotency-Key"}},
			"quotes":             {"POST", "/jobs", "1", []string{"Idempotency-Key", `""`}, problem{400, bad, "Idempotency-Key"}},
			"open quote":         {"POST", "/jobs", "1", []string{"Idempotency-Key", `"a`}, problem{400, bad, "Idempotency-Key"}},
			"after quote":        {"POST", "/jobs", "1", []string{"Idempotency-Key", `"a"b`}, problem{400, bad, "Idempotency-Key"}},
			"escape":             {"POST", "/jobs", "1", []string{"Idempotency-Key", `"a\b"`}, problem{400, bad, "Idempotency-Key"}},
			"ends in escape":     {"POST", "/jobs", "1", []string{"Idempotency-Key", `"a\`}, problem{400, bad, "Idempotency-Key"}},
			"not ASCII":          {"POST", "/jobs", "1", []string{"Idempotency-Key", `"ä"`}, problem{400, bad, "Idempotency-Key"}},
			"bare list":          {"POST", "/jobs", "1", []string{"Idempotency-Key", "a,b"}, problem{400, bad, "Idempotency-Key"}},
			"long key":           {"POST", "/jobs", "1", []string{"Idempotency-Key", strings.Repeat("x", 256)}, problem{400, bad, "Idempotency-Key"}},
			"unknown":            {"GET", "/jobs/operations/x", "", nil, problem{404, missing, ""}},
			"unknown result":     {"GET", "/jobs/operations/x/result", "", nil, problem{404, missing, ""}},
			"unknown verb":       {"POST", "/jobs/operations/x:undo", "", nil, problem{404, missing, ""}},
			"other path":         {"GET", "/jobs/operations/x/y", "", nil, problem{404, missing, ""}},
			"another":            {"POST", "/jobs/other", "1", nil, problem{404, missing, ""}},
			"no id":              {"GET", "/jobs/operations/", "", nil, problem{404, missing, ""}},
			"no id to cancel":    {"POST", "/jobs/operations/:cancel", "", nil, problem{404, missing, ""}},
			"long id":            {"GET", "/jobs/operations/" + strings.Repeat("x", 257), "", nil, problem{404, missing, ""}},
			"escaped id":         {"GET", "/jobs/operations/%2e%2e%2f%00", "", nil, problem{404, missing, ""}},
			"under something":    {"GET", "/jobs/more/operations/x", "", nil, problem{404, missing, ""}},
			"page of other site": {"POST", "/jobs", "1", []string{"Sec-Fetch-Site", "cross-site"}, problem{403, antiphon.CodePermissionDenied, ""}},
			"old browser":        {"DELETE", "/jobs/operations/x", "", []string{"Origin", "https://evil.test"}, problem{403, antiphon.CodePermissionDenied, ""}},
		} {
			a := s.do(c.method, c.path, c.body, c.header...)
			p := a.problem(t)
			if got := (problem{a.StatusCode, p.Error.Code, p.Error.Target}); got != c.want || p.Error.Class != antiphon.ClassNotAccepted || a.get("Cache-Control") != "no-store" || a.get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s: %+v, want %+v: %s", name, got, c.want, a)
			}
			if a.get("Operation-Location") != "" || a.StatusCode == 405 && a.get("Allow") == "" {
				t.Errorf("%s: %s", name, a)
			}
		}
		req := s.request("POST", "/jobs", "1", "Idempotency-Key", "a")
		req.Header.Add("Idempotency-Key", "b")
		if a := s.send(req); a.StatusCode != 400 {
			t.Error(a)
		}
		req = s.request("POST", "/jobs", "1")
		req.Body, req.ContentLength = http.NoBody, 5
		if a := s.send(req); a.StatusCode != 400 || a.problem(t).Error.Target != "body" {
			t.Error(a)
		}
		req = s.request("POST", "/jobs", strings.Repeat("1", 101))
		req.ContentLength = -1
		if a := s.send(req); a.StatusCode != 413 {
			t.Error(a)
		}
	})
}

func TestMediaTypes(t *testing.T) {
	serving(t, double, nil, func(t *testing.T, s *site) {
		for _, fine := range []string{"application/json", "Application/JSON; charset=utf-8", "application/json;x=y"} {
			if a := s.do("POST", "/jobs", "1", "Content-Type", fine); a.StatusCode != 200 {
				t.Error(fine, a)
			}
		}
		req := s.request("POST", "/jobs", "21") // whose length is not known
		req.ContentLength = -1
		if a := s.send(req); a.StatusCode != 200 || string(a.body) != "42" {
			t.Error(a)
		}
	})
}

// What can be done is said by OPTIONS, and by 405.
func TestAllow(t *testing.T) {
	serving(t, double, nil, func(t *testing.T, s *site) {
		for path, want := range map[string]string{
			"/jobs": "POST, OPTIONS", "/jobs/": "POST, OPTIONS", "/jobs/operations": "GET, HEAD, OPTIONS", "/jobs/operations:batchGet": "POST, OPTIONS",
			"/jobs/operations/x": "GET, HEAD, DELETE, OPTIONS", "/jobs/operations/x/result": "GET, HEAD, OPTIONS", "/jobs/operations/x/events": "GET, HEAD, OPTIONS", "/jobs/operations/x:cancel": "POST, OPTIONS",
		} {
			if a := s.do("OPTIONS", path, ""); a.StatusCode != 204 || a.get("Allow") != want || a.get("Access-Control-Allow-Origin") != "" {
				t.Error(path, a)
			}
			if a := s.do("PATCH", path, ""); a.StatusCode != 405 || a.get("Allow") != want {
				t.Error(path, a)
			}
		}
	})
}

func TestCORS(t *testing.T) {
	const app = "https://app.test"
	serving(t, double, &poller.ServerOptions{Origins: []string{app}, Headers: []string{"x-tenant"}}, func(t *testing.T, s *site) {
		a := s.do("OPTIONS", "/jobs", "", "Origin", app, "Access-Control-Request-Method", "POST")
		if a.StatusCode != 204 || a.get("Access-Control-Allow-Origin") != app || a.get("Access-Control-Allow-Credentials") != "true" || !strings.Contains(a.get("Access-Control-Allow-Methods"), "POST") ||
			!strings.Contains(a.get("Access-Control-Allow-Headers"), "Idempotency-Key") || !strings.Contains(a.get("Access-Control-Allow-Headers"), "x-tenant") || a.get("Vary") != "Origin" || a.get("Access-Control-Max-Age") == "" {
			t.Error(a)
		}
		a = s.do("POST", "/jobs", "1", "Origin", app, "Sec-Fetch-Site", "cross-site")
		if a.StatusCode != 200 || a.get("Access-Control-Allow-Origin") != app || !strings.Contains(a.get("Access-Control-Expose-Headers"), "Operation-Location") {
			t.Error(a)
		}
		for _, origin := range []string{"https://evil.test", "null", app + ".evil.test", "http://app.test"} {
			if a := s.do("POST", "/jobs", "1", "Origin", origin, "Sec-Fetch-Site", "cross-site"); a.StatusCode != 403 || a.get("Access-Control-Allow-Origin") != "" || a.get("Vary") != "Origin" {
				t.Error(origin, a)
			}
			if a := s.do("OPTIONS", "/jobs", "", "Origin", origin, "Access-Control-Request-Method", "POST"); a.get("Access-Control-Allow-Methods") != "" {
				t.Error(origin, a)
			}
		}
	})
	serving(t, double, &poller.ServerOptions{Origins: []string{"*"}}, func(t *testing.T, s *site) {
		a := s.do("POST", "/jobs", "1", "Origin", "https://any.test", "Sec-Fetch-Site", "cross-site")
		if a.StatusCode != 200 || a.get("Access-Control-Allow-Origin") != "*" || a.get("Access-Control-Allow-Credentials") != "" {
			t.Error(a)
		}
	})
}

// A mistake in the options is the answer to everything.
func TestBadOptions(t *testing.T) {
	for name, o := range map[string]poller.ServerOptions{
		"MaxWait": {MaxWait: -1}, "Heartbeat": {Heartbeat: -1}, "TTL": {TTL: -1}, "KeepResults": {KeepResults: -1},
		"MaxHeld": {MaxHeld: -1}, "MaxRunning": {MaxRunning: -1}, "MaxKept": {MaxKept: -1}, "MaxBody": {MaxBody: -1}, "MaxResult": {MaxResult: -1},
		"BaseURL": {BaseURL: "/jobs"}, "Origins": {Origins: []string{"nowhere/path"}},
	} {
		s := poller.ServeFunc(double, &o)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest("POST", "http://site.test/", nil))
		if p := (served{w.Result(), w.Body.Bytes()}).problem(t); w.Code != 500 || p.Error.Code != antiphon.CodeInvalidArgument || !strings.Contains(p.Detail, name) {
			t.Error(name, w.Code, w.Body)
		}
		if err := s.Shutdown(t.Context()); antiphon.CodeOf(err) != antiphon.CodeInvalidArgument {
			t.Error(name, err)
		}
	}
	for _, s := range []*poller.Server{poller.Serve(nil, nil), poller.ServeFunc(future.Func[int, int](nil), nil)} {
		if err := s.Shutdown(none); antiphon.CodeOf(err) != antiphon.CodeInvalidArgument {
			t.Error(err)
		}
	}
}

// none is a nil context.
var none context.Context

func TestX5_NilOptionsAndContext(t *testing.T) {
	serving(t, double, nil, func(t *testing.T, s *site) {
		if a := s.do("POST", "/jobs", "1"); a.StatusCode != 200 {
			t.Error(a)
		}
		if err := s.server.Shutdown(none); err != nil {
			t.Error(err)
		}
	})
}

func TestBaseURL(t *testing.T) {
	serving(t, slowly, &poller.ServerOptions{BaseURL: "https://api.example.com/v1/jobs/"}, func(t *testing.T, s *site) {
		a := s.do("POST", "/jobs", "1", "X-Forwarded-Proto", "gopher", "X-Forwarded-Host", "evil.test")
		if a.get("Operation-Location") != "https://api.example.com/v1/jobs/operations/"+a.get("Operation-Id") ||
			a.get("Azure-AsyncOperation") != a.get("Operation-Location") || a.get("Content-Location") != a.get("Operation-Location") ||
			a.get("Location") != a.get("Operation-Location")+"/result" {
			t.Error(a)
		}
	})
	serving(t, slowly, nil, func(t *testing.T, s *site) {
		for host, want := range map[string]string{"other.test:81": "http://other.test:81/jobs/operations/", "": "/jobs/operations/"} {
			req := s.request("POST", "/jobs?x=/y", "1", "X-Forwarded-Host", "evil.test")
			if req.Host = host; host == "" {
				req.RequestURI = ""
			}
			if a := s.send(req); a.get("Operation-Location") != want+a.get("Operation-Id") {
				t.Error(a)
			}
		}
		if a := s.do("POST", "https://site.test/jobs/", "1"); a.get("Location") != "https://site.test/jobs/operations/"+a.get("Operation-Id")+"/result" {
			t.Error(a)
		}
	})
}

// A path with wildcards, and the root of all.
func TestMount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := poller.ServeFunc(slowly, &poller.ServerOptions{Inline: -1})
		s := &site{t: t, server: server, mux: http.NewServeMux()}
		server.Mount(s.mux, "/t/{tenant}/jobs/")
		for path, want := range map[string]int{"/t/a/jobs": 202, "/t/b/jobs/": 202, "/t/b/jobs/x": 404} {
			a := s.do("POST", path, "1")
			if a.StatusCode != want || want == 202 && s.do("GET", a.get("Operation-Location"), "").StatusCode != 200 {
				t.Error(path, a)
			}
		}
		s.mux = http.NewServeMux()
		server.Mount(s.mux, "site.test/")
		if a := s.do("POST", "/", "1"); a.StatusCode != 202 || a.get("Operation-Location") != "http://site.test/operations/"+a.get("Operation-Id") || s.do("GET", a.get("Operation-Location"), "").StatusCode != 200 {
			t.Error(a)
		}
		time.Sleep(time.Minute)
		_ = server.Shutdown(t.Context())
	})
}

// stubborn are Operations that do as they are told.
type stubborn struct {
	poller.Operations
	err error
	op  antiphon.Operation
}

func (f *stubborn) Submit(context.Context, []byte, antiphon.Info) (antiphon.Operation, bool, error) {
	if f.err == errBoom {
		panic("boom")
	}
	return f.op, false, f.err
}
func (f *stubborn) Get(context.Context, string) (antiphon.Operation, error) {
	if f.err == errBoom {
		panic("boom")
	}
	return f.op, f.err
}
func (f *stubborn) Wait(context.Context, string, int64) (antiphon.Operation, error) {
	return f.op, f.err
}
func (f *stubborn) Cancel(context.Context, string) (antiphon.Operation, error) { return f.op, f.err }
func (f *stubborn) Delete(context.Context, string) error                       { return f.err }
func (f *stubborn) List(context.Context, antiphon.State, string, int) ([]antiphon.Operation, error) {
	return nil, f.err
}

var errBoom = errors.New("boom")

// A store that fails says nothing about the operation, and is told to the observer.
func TestStoreFails(t *testing.T) {
	var names []string
	f := &stubborn{}
	s := siteOf(t, poller.Serve(f, &poller.ServerOptions{Name: "store", Observer: func(e antiphon.Event) {
		if e.Kind != "store" || e.Context == nil || e.Err == nil {
			t.Errorf("%+v", e)
		}
		names = append(names, e.Name)
	}}))
	busy := antiphon.Errorf(antiphon.CodeUnavailable, "the disk is full")
	for _, c := range []struct {
		err          error
		submit, look int
		class        antiphon.Class
	}{
		{busy, 503, 503, antiphon.ClassUnknown},
		{antiphon.RetryAfter(busy, 5*time.Second), 503, 503, antiphon.ClassUnknown},
		{errors.New("odd"), 500, 500, antiphon.ClassFailed},
		{antiphon.Errorf(antiphon.CodeInvalidArgument, "odd"), 400, 503, antiphon.ClassFailed},
		{errors.ErrUnsupported, 501, 501, antiphon.ClassFailed},
		{context.Canceled, 503, 503, antiphon.ClassUnknown},
		{&antiphon.Error{Code: antiphon.CodeAlreadyExists, Class: antiphon.ClassNotAccepted}, 422, 503, antiphon.ClassNotAccepted},
		{&antiphon.Error{Code: antiphon.CodeResourceExhausted, Class: antiphon.ClassUnknown}, 500, 500, antiphon.ClassUnknown},
	} {
		f.err, names = c.err, nil
		a := s.do("POST", "/jobs", "1")
		if p := a.problem(t); a.StatusCode != c.submit || antiphon.ClassOf(&p.Error.Error) != c.class || (c.submit == 503) != (a.get("Retry-After") != "") {
			t.Errorf("%v: %s", c.err, a)
		}
		if after, ok := antiphon.RetryDelay(c.err); ok && a.get("Retry-After") != "5" {
			t.Error(after, a)
		}
		for _, path := range []string{"/jobs/operations/x", "/jobs/operations/x/result", "/jobs/operations"} {
			if a := s.do("GET", path, ""); a.StatusCode != c.look {
				t.Errorf("%v: %s: %s", c.err, path, a)
			}
		}
		if a := s.do("POST", "/jobs/operations:batchGet", `{"ids":["x"]}`); a.StatusCode != c.look {
			t.Error(a)
		}
		if got := strings.Join(names, " "); got != "poller.rejected poller.store_failed poller.store_failed poller.store_failed poller.store_failed" {
			t.Error(got)
		}
	}
}

// What was accepted is 202, whatever becomes of the record.
func TestAcceptedAndNotFound(t *testing.T) {
	f := &stubborn{err: antiphon.Errorf(antiphon.CodeUnavailable, "gone away"), op: antiphon.Operation{ID: "a/b c"}}
	s := siteOf(t, poller.Serve(f, nil))
	if a := s.do("POST", "/jobs", "1"); a.StatusCode != 202 || a.get("Operation-Location") != "http://site.test/jobs/operations/a%2Fb%20c" || a.operation(t).State != antiphon.StateQueued {
		t.Error(a)
	}
	f.err = nil
	f.op = antiphon.Operation{ID: "a/b c", State: antiphon.StateSucceeded, Location: "https://files.test/1", Version: 2}
	if a := s.do("GET", "/jobs/operations/a%2Fb%20c/result", ""); a.StatusCode != 303 || a.get("Location") != "https://files.test/1" {
		t.Error(a)
	}
	f.op = antiphon.Operation{ID: "x", State: antiphon.StateSucceeded, Result: []byte("a,b"), ContentType: "text/csv", Version: 2}
	if a := s.do("GET", "/jobs/operations/x/result", ""); a.StatusCode != 200 || a.get("Content-Type") != "text/csv" || string(a.body) != "a,b" {
		t.Error(a)
	}
	if a := s.do("GET", "/jobs/operations/x/result", "", "If-None-Match", `"2"`); a.StatusCode != 304 {
		t.Error(a)
	}
	for state, status := range map[antiphon.State]int{antiphon.StateFailed: 422, antiphon.StateCanceled: 409, antiphon.StateExpired: 422} {
		f.op = antiphon.Operation{ID: "x", State: state} // nobody said why
		if a := s.do("GET", "/jobs/operations/x/result", ""); a.StatusCode != status || a.problem(t).Error.Message == "" {
			t.Error(a)
		}
		if a := s.do("GET", "/jobs/operations/x", ""); a.operation(t).Err == nil || a.operation(t).Err.Message == "" {
			t.Error(a)
		}
	}
	// Deleting fails if it has not ended after all.
	f.op, f.err = antiphon.Operation{ID: "x", State: antiphon.StateSucceeded}, nil
	late := &lateDelete{stubborn: f}
	s = siteOf(t, poller.Serve(late, nil))
	for code, status := range map[antiphon.Code]int{antiphon.CodeFailedPrecondition: 409, antiphon.CodeUnavailable: 503, antiphon.CodeNotFound: 204} {
		late.err = &antiphon.Error{Code: code}
		if a := s.do("DELETE", "/jobs/operations/x", ""); a.StatusCode != status {
			t.Error(code, a)
		}
	}
}

type lateDelete struct {
	*stubborn
	err error
}

func (l *lateDelete) Delete(context.Context, string) error { return l.err }

// X7: what panics is 500, and the next request is answered.
func TestX7_PanicsAreAnswers(t *testing.T) {
	f := &stubborn{err: errBoom}
	s := siteOf(t, poller.Serve(f, nil))
	for _, c := range [][2]string{{"POST", "/jobs"}, {"GET", "/jobs/operations/x"}, {"GET", "/jobs/operations/x/events"}} {
		if a := s.do(c[0], c[1], ""); a.StatusCode != 500 || a.problem(t).Error.Class != antiphon.ClassUnknown || bytes.Contains(a.body, []byte("boom")) {
			t.Error(a)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := s.server.Shutdown(ctx); err != nil { // no submission is left over
		t.Error(err)
	}
	// One that is being answered is cut off.
	defer func() {
		if v := recover(); v != http.ErrAbortHandler {
			t.Error(v)
		}
	}()
	f.err, f.op = nil, antiphon.Operation{ID: "x", State: antiphon.StateRunning}
	s = siteOf(t, poller.Serve(f, nil))
	s.mux.ServeHTTP(broken{httptest.NewRecorder()}, s.request("GET", "/jobs/operations/x", ""))
}

type broken struct{ *httptest.ResponseRecorder }

func (broken) Write([]byte) (int, error) { panic("broken") }
