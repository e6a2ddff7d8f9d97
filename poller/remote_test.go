package poller_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/poller"
	"github.com/antiphon-go/antiphon/poller/pollertest"
)

type report struct {
	Pages int `json:"pages"`
}

// A stage is a server that plays a script on a network in memory, in a bubble.
type stage struct {
	*testing.T
	net    *pollertest.Network
	script *pollertest.Script
	opts   poller.HTTPOptions
	ctx    context.Context

	mu     sync.Mutex
	events []antiphon.Event
}

// play runs a test against a script. The options say not to hold requests, so that times
// are those of the interval.
func play(t *testing.T, script *pollertest.Script, f func(*stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &stage{T: t, net: pollertest.Serve(script), script: script}
		ctx, cancel := context.WithCancel(t.Context())
		defer func() {
			cancel()
			synctest.Wait()
			_ = s.net.Close()
		}()
		s.ctx = ctx
		s.opts = poller.HTTPOptions{Client: s.net.Client(), LongPoll: -1, Poll: &poller.Options{
			Error: antiphon.Constant(time.Second), Observer: s.observe,
		}}
		f(s)
	})
}

func (s *stage) observe(e antiphon.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, e)
}

// told is how often an event was.
func (s *stage) told(name string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.events {
		if e.Name == name {
			n++
		}
	}
	return n
}

func (s *stage) request(method, path string) *http.Request {
	r, err := http.NewRequestWithContext(s.ctx, method, s.net.URL+path, strings.NewReader(`{}`))
	if err != nil {
		s.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	return r
}

// try starts an operation.
func (s *stage) try(method, path string) (*poller.Remote[report], error) {
	return poller.Begin[report](s.request(method, path), &s.opts)
}

func (s *stage) begin(method, path string) *poller.Remote[report] {
	s.Helper()
	r, err := s.try(method, path)
	if err != nil {
		s.Fatalf("%s %s: %v", method, path, err)
	}
	return r
}

// succeeds starts an operation by a POST, which has to end well.
func (s *stage) succeeds() {
	s.Helper()
	s.answers(s.begin("POST", "/v1/reports"))
}

// answers waits for the value, which has to be that of the script.
func (s *stage) answers(r *poller.Remote[report]) {
	s.Helper()
	v, err := r.Future().Await(s.ctx)
	if err != nil {
		s.Fatalf("it failed: %v", err)
	}
	if v != s.script.Value {
		s.Fatalf("got %v, want %v", v, s.script.Value)
	}
}

// fails starts an operation by a POST that is accepted and does not succeed.
func (s *stage) fails() error {
	s.Helper()
	_, err := s.begin("POST", "/v1/reports").Future().Await(s.ctx)
	if err == nil {
		s.Fatal("it succeeded")
	}
	return err
}

// gaveUp is the PollError that err has to be.
func (s *stage) gaveUp(err error) *poller.PollError {
	s.Helper()
	var e *poller.PollError
	if !errors.As(err, &e) {
		s.Fatalf("%v is no PollError", err)
	}
	if antiphon.ClassOf(err) != antiphon.ClassUnknown {
		s.Errorf("%v: class %s", err, antiphon.ClassOf(err))
	}
	if e.Token == "" || strings.Contains(err.Error(), e.Token) {
		s.Errorf("the token is %q, in %q", e.Token, err)
	}
	return e
}

func (s *stage) asked(sort string, want int) {
	s.Helper()
	if got := s.script.Requests(sort); len(got) != want {
		s.Errorf("%d requests of sort %q, want %d", len(got), sort, want)
	}
}

func header(pairs ...string) http.Header {
	h := make(http.Header)
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

// without is a header that takes away what a script would say.
func without(names ...string) http.Header {
	h := make(http.Header)
	for _, n := range names {
		h[http.CanonicalHeaderKey(n)] = nil
	}
	return h
}

var styles = map[string]pollertest.Style{
	"monitor": pollertest.Monitor, "azure": pollertest.Azure, "location": pollertest.Location,
	"content-location": pollertest.ContentLocation, "aip": pollertest.AIP,
}

func TestEveryStyleIsFollowed(t *testing.T) {
	for name, style := range styles {
		t.Run(name, func(t *testing.T) {
			play(t, &pollertest.Script{Style: style, Value: report{3}, Monitor: []pollertest.Step{
				{State: antiphon.StateQueued}, {State: antiphon.StateRunning, Percent: 50}, {},
			}}, func(s *stage) {
				r := s.begin("POST", "/v1/reports")
				s.answers(r)
				s.asked("monitor", 3)
				if r.URL() == "" || r.Token() == "" || style != pollertest.Location && !strings.HasSuffix(r.ID(), "1") {
					t.Errorf("ID %q, URL %q, token %q", r.ID(), r.URL(), r.Token())
				}
			})
		})
		t.Run(name+" fails", func(t *testing.T) {
			sold := &antiphon.Error{Code: antiphon.CodeFailedPrecondition, Message: "sold out"}
			play(t, &pollertest.Script{Style: style, Err: sold, Monitor: []pollertest.Step{
				{State: antiphon.StateRunning}, {State: antiphon.StateFailed},
			}}, func(s *stage) {
				err := s.fails()
				if antiphon.CodeOf(err) != sold.Code || antiphon.ClassOf(err) != antiphon.ClassFailed || err.Error() != sold.Message {
					t.Errorf("%v, code %s, class %s", err, antiphon.CodeOf(err), antiphon.ClassOf(err))
				}
			})
		})
		t.Run(name+" is resumed", func(t *testing.T) {
			play(t, &pollertest.Script{Style: style, Value: report{3}, Monitor: []pollertest.Step{
				{State: antiphon.StateRunning}, {State: antiphon.StateRunning}, {},
			}}, func(s *stage) {
				ctx, cancel := context.WithCancel(s.ctx)
				req := s.request("POST", "/v1/reports").WithContext(ctx)
				r, err := poller.Begin[report](req, &s.opts)
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
				cancel()
				_, err = r.Future().Await(s.ctx)
				if e := s.gaveUp(err); !errors.Is(e, context.Canceled) {
					t.Errorf("%v", e)
				}
				again, err := poller.Resume[report](s.ctx, r.Token(), &s.opts)
				if err != nil {
					t.Fatal(err)
				}
				s.answers(again)
				s.asked("start", 1)
				if again.ID() != r.ID() || again.URL() != r.URL() {
					t.Errorf("resumed as %q at %q, was %q at %q", again.ID(), again.URL(), r.ID(), r.URL())
				}
			})
		})
	}
}

// The start.

// A start takes along the trace of its context, unless the request has one, and so do the
// polls that follow; a cancel and a delete take that of their own.
func TestRequestsTakeTheTraceAlong(t *testing.T) {
	for name, own := range map[string]string{"of its context": "", "of its own": "00-own"} {
		play(t, &pollertest.Script{Value: report{1}, Monitor: []pollertest.Step{{State: antiphon.StateRunning}, {}}}, func(s *stage) {
			ctx := antiphon.WithTrace(s.ctx, map[string]string{"traceparent": "00-1", "tracestate": "a=b"})
			req, err := http.NewRequestWithContext(ctx, "POST", s.net.URL+"/reports", nil)
			if err != nil {
				t.Fatal(err)
			}
			want := "00-1 a=b"
			if own != "" {
				req.Header.Set("traceparent", own)
				want = own + " "
			}
			r, err := poller.Begin[report](req, &s.opts)
			if err != nil {
				t.Fatal(name, err)
			}
			if v, err := r.Future().Await(s.ctx); err != nil || v != (report{1}) {
				t.Error(name, v, err)
			}
			ending := antiphon.WithTrace(s.ctx, map[string]string{"traceparent": "00-2"})
			_, _ = r.Cancel(ending), r.Delete(ending) // whatever comes of it
			var polls, ends int
			for _, q := range s.script.Requests() {
				of := want
				switch {
				case q.Sort == "start":
				case q.Method == "GET":
					polls++
					of = "00-1 a=b"
				default:
					ends++
					of = "00-2 "
				}
				if got := q.Header.Get("Traceparent") + " " + q.Header.Get("Tracestate"); got != of {
					t.Errorf("%s: %s %s with %q, not %q", name, q.Method, q.Sort, got, of)
				}
			}
			if polls < 2 || ends < 2 {
				t.Errorf("%d polls, %d requests to cancel and delete", polls, ends)
			}
			if own == "" && len(req.Header) != 0 {
				t.Errorf("the caller's request became %v", req.Header)
			}
		})
	}
}

func TestStartWithoutPointer(t *testing.T) {
	play(t, &pollertest.Script{Start: []pollertest.Step{{Header: without("Operation-Location")}}}, func(s *stage) {
		_, err := s.try("POST", "/r")
		if antiphon.ClassOf(err) != antiphon.ClassUnknown || !antiphon.IsPermanent(err) || !strings.Contains(err.Error(), "202") {
			t.Errorf("%v", err)
		}
	})
	for _, status := range []int{200, 201} {
		play(t, &pollertest.Script{Value: report{7}, Start: []pollertest.Step{{Status: status}}}, func(s *stage) {
			r := s.begin("POST", "/r")
			if _, done := r.Future().Peek(); !done || r.URL() != "" || r.Token() != "" {
				t.Errorf("%d: it is not done, or has a URL", status)
			}
			s.answers(r)
			if err := r.Cancel(s.ctx); err != nil {
				t.Error(err)
			}
			if err := r.Delete(s.ctx); err != nil {
				t.Error(err)
			}
			s.asked("monitor", 0)
		})
	}
	play(t, &pollertest.Script{Value: report{}, Start: []pollertest.Step{{Status: 204}}}, func(s *stage) {
		s.succeeds() // with the zero value
	})
	play(t, &pollertest.Script{Start: []pollertest.Step{{Status: 200, Body: "<html>"}}}, func(s *stage) {
		_, err := s.begin("POST", "/r").Future().Await(s.ctx)
		if antiphon.ClassOf(err) != antiphon.ClassUnknown {
			t.Errorf("%v: class %s", err, antiphon.ClassOf(err))
		}
	})
}

func TestPointersAreResolvedAfterRedirects(t *testing.T) {
	play(t, &pollertest.Script{Value: report{1}, Other: map[string][]pollertest.Step{
		"/v1/old": {{Status: 307, Header: header("Location", "/v2/deep/new")}},
	}, Start: []pollertest.Step{{Header: header("Operation-Location", "../../operations/1")}}}, func(s *stage) {
		r := s.begin("POST", "/v1/old")
		s.answers(r)
		if want := s.net.URL + "/operations/1"; r.URL() != want {
			t.Errorf("%s, want %s", r.URL(), want)
		}
		if got := s.script.Requests("start"); len(got) != 1 || got[0].Method != "POST" || string(got[0].Body) != "{}" {
			t.Errorf("%v", got)
		}
	})
	for _, status := range []int{301, 302} { // would become a GET
		play(t, &pollertest.Script{Other: map[string][]pollertest.Step{
			"/v1/old": {{Status: status, Header: header("Location", "/new")}},
		}}, func(s *stage) {
			_, err := s.try("POST", "/v1/old")
			if antiphon.ClassOf(err) != antiphon.ClassNotAccepted {
				t.Errorf("%v", err)
			}
			s.asked("start", 0)
		})
	}
	play(t, &pollertest.Script{Value: report{1}, Start: []pollertest.Step{{Status: 303, Header: header("Location", "/elsewhere")}},
		Other: map[string][]pollertest.Step{"/elsewhere": {{Status: 202}, {}}},
	}, func(s *stage) { s.succeeds() })
}

func TestTheMostTellingPointerIsFollowed(t *testing.T) {
	monitor := "/operations/1"
	for _, h := range []http.Header{
		header("Operation-Location", monitor, "Azure-AsyncOperation", "/no", "Location", monitor+"/result", "Content-Location", "/no"),
		header("Azure-AsyncOperation", monitor, "Location", monitor+"/result", "Content-Location", "/no"),
		header("Content-Location", monitor),
	} {
		play(t, &pollertest.Script{Value: report{1}, Start: []pollertest.Step{{Header: h}}}, func(s *stage) {
			if h.Get("Operation-Location") == "" {
				s.script.Start[0].Header["Operation-Location"] = nil
			}
			r := s.begin("POST", "/r")
			s.answers(r)
			if !strings.HasSuffix(r.URL(), monitor) {
				t.Error(r.URL())
			}
		})
	}
	// Location is the result's where it is not 202.
	play(t, &pollertest.Script{Value: report{1}, Start: []pollertest.Step{{Status: 201, Header: header("Location", "/r/1")}}}, func(s *stage) {
		s.succeeds()
		s.asked("", 0)
	})
	// Azure's PUT says 201 or 200 and where its monitor is.
	play(t, &pollertest.Script{Value: report{1}, Start: []pollertest.Step{{Status: 201, Header: header("Azure-AsyncOperation", monitor)}}}, func(s *stage) {
		s.succeeds()
		s.asked("monitor", 1)
	})
}

func TestRefusedStarts(t *testing.T) {
	for _, tt := range []struct {
		step     pollertest.Step
		code     antiphon.Code
		class    antiphon.Class
		attempts int
	}{
		{pollertest.Step{Status: 400}, antiphon.CodeInvalidArgument, antiphon.ClassNotAccepted, 1},
		{pollertest.Step{Status: 401}, antiphon.CodeUnauthenticated, antiphon.ClassNotAccepted, 1},
		{pollertest.Step{Status: 409}, antiphon.CodeAborted, antiphon.ClassNotAccepted, 1},
		{pollertest.Step{Status: 429, Header: header("Retry-After", "1")}, antiphon.CodeResourceExhausted, antiphon.ClassNotAccepted, 3},
		{pollertest.Step{Status: 503, Header: header("Retry-After", "1")}, antiphon.CodeUnavailable, antiphon.ClassNotAccepted, 3},
		{pollertest.Step{Status: 503}, antiphon.CodeUnavailable, antiphon.ClassUnknown, 1},
		{pollertest.Step{Status: 500}, antiphon.CodeInternal, antiphon.ClassUnknown, 1},
		{pollertest.Step{Status: 502, Body: "<html>"}, antiphon.CodeUnavailable, antiphon.ClassUnknown, 1},
		{pollertest.Step{Cut: true}, antiphon.CodeUnavailable, antiphon.ClassUnknown, 1},
		{pollertest.Step{Status: 422, Body: `{"error":{"code":"quota","message":"no more","class":"not_accepted"}}`}, "quota", antiphon.ClassNotAccepted, 3},
		{pollertest.Step{Status: 409, Body: `{"error":{"code":"Conflict","message":"exists"}}`}, "Conflict", antiphon.ClassNotAccepted, 1},
		{pollertest.Step{Status: 501}, antiphon.CodeUnimplemented, antiphon.ClassNotAccepted, 1},
		{pollertest.Step{Status: 429, Body: `{"error":{"code":"not_found","message":"x"}}`}, antiphon.CodeUnavailable, antiphon.ClassNotAccepted, 3},
		{pollertest.Step{Status: 404, Body: `{"error":{"code":404,"status":"NOT_FOUND","message":"none"}}`}, antiphon.CodeNotFound, antiphon.ClassNotAccepted, 1},
	} {
		play(t, &pollertest.Script{Start: []pollertest.Step{tt.step}}, func(s *stage) {
			s.opts.Poll.MaxErrors = 3
			_, err := s.try("POST", "/r")
			if antiphon.CodeOf(err) != tt.code || antiphon.ClassOf(err) != tt.class {
				t.Errorf("%+v: %v, code %s, class %s", tt.step, err, antiphon.CodeOf(err), antiphon.ClassOf(err))
			}
			s.asked("start", tt.attempts)
		})
	}
}

func TestOnlyWhatIsSafeIsSentAgain(t *testing.T) {
	lost := []pollertest.Step{{Cut: true}, {Status: 503}, {}}
	play(t, &pollertest.Script{Value: report{1}, Start: lost}, func(s *stage) {
		s.answers(s.begin("PUT", "/r"))
		s.asked("start", 3)
	})
	play(t, &pollertest.Script{Value: report{1}, Start: lost}, func(s *stage) {
		req := s.request("POST", "/r")
		req.Header.Set("Idempotency-Key", `"7"`)
		r, err := poller.Begin[report](req, &s.opts)
		if err != nil {
			t.Fatal(err)
		}
		s.answers(r)
		for _, q := range s.script.Requests("start") {
			if q.Header.Get("Idempotency-Key") != `"7"` || string(q.Body) != "{}" {
				t.Errorf("%v %s", q.Header, q.Body)
			}
		}
	})
	play(t, &pollertest.Script{Start: lost}, func(s *stage) { // a body that is read once
		req := s.request("PUT", "/r")
		req.GetBody = nil
		if _, err := poller.Begin[report](req, &s.opts); antiphon.ClassOf(err) != antiphon.ClassUnknown {
			t.Errorf("%v", err)
		}
		s.asked("start", 1)
	})
	// An attempt that is in doubt is not made up for by one that is refused.
	play(t, &pollertest.Script{Start: []pollertest.Step{{Cut: true}, {Status: 400}}}, func(s *stage) {
		_, err := s.try("PUT", "/r")
		if antiphon.ClassOf(err) != antiphon.ClassUnknown || antiphon.CodeOf(err) != antiphon.CodeInvalidArgument {
			t.Errorf("%v, class %s", err, antiphon.ClassOf(err))
		}
	})
	play(t, &pollertest.Script{Value: report{1}}, func(s *stage) { // nobody there
		s.net.Fail(func(i int) pollertest.Fault {
			if i < 2 {
				return pollertest.Fault{Where: pollertest.Dialing}
			}
			return pollertest.Fault{}
		})
		s.succeeds()
		s.net.Fail(func(int) pollertest.Fault { return pollertest.Fault{Where: pollertest.Dialing} })
		s.net.Cut()
		time.Sleep(time.Second)
		if _, err := s.try("POST", "/r"); antiphon.ClassOf(err) != antiphon.ClassNotAccepted {
			t.Errorf("%v: class %s", err, antiphon.ClassOf(err))
		}
	})
}

func TestBadStarts(t *testing.T) {
	play(t, &pollertest.Script{}, func(s *stage) {
		for _, url := range []string{"ftp://server.example/", "http://me:secret@server.example/", "/relative"} {
			req := s.request("POST", "")
			req.URL, _ = req.URL.Parse(url)
			if url[0] == '/' {
				req.URL.Host, req.URL.Scheme = "", ""
			}
			_, err := poller.Begin[report](req, &s.opts)
			if antiphon.ClassOf(err) != antiphon.ClassNotAccepted || strings.Contains(err.Error(), "secret") {
				t.Errorf("%s: %v", url, err)
			}
		}
		if _, err := poller.Begin[report](nil, nil); antiphon.CodeOf(err) != antiphon.CodeInvalidArgument {
			t.Errorf("%v", err)
		}
		s.opts.Final = "somewhere"
		if _, err := s.try("POST", "/r"); antiphon.CodeOf(err) != antiphon.CodeInvalidArgument {
			t.Errorf("%v", err)
		}
		if _, err := poller.Resume[report](s.ctx, "", &s.opts); antiphon.CodeOf(err) != antiphon.CodeInvalidArgument {
			t.Errorf("%v", err)
		}
		s.opts.Final = ""
		ctx, cancel := context.WithCancel(s.ctx)
		cancel()
		_, err := poller.Begin[report](s.request("POST", "/r").WithContext(ctx), &s.opts)
		if antiphon.ClassOf(err) != antiphon.ClassNotAccepted || !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		if n := len(s.script.Requests()); n != 0 {
			t.Errorf("%d requests", n)
		}
	})
}

func TestAStartThatIsCut(t *testing.T) {
	play(t, &pollertest.Script{Start: []pollertest.Step{{Delay: time.Hour}}}, func(s *stage) {
		ctx, cancel := context.WithTimeout(s.ctx, 10*time.Second)
		defer cancel()
		begun := time.Now()
		_, err := poller.Begin[report](s.request("POST", "/r").WithContext(ctx), &s.opts)
		var e *poller.PollError
		if !errors.As(err, &e) || !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != 10*time.Second {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
		begun = time.Now()
		s.opts.Poll.PerPoll = 3 * time.Second
		if _, err = s.try("POST", "/r"); time.Since(begun) != 3*time.Second || antiphon.ClassOf(err) != antiphon.ClassUnknown {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
	})
}
