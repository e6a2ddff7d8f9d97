package poller_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/poller"
	"github.com/antiphon-go/antiphon/poller/pollertest"
)

var goesOn = pollertest.Step{State: antiphon.StateRunning}

func hinted(seconds string) http.Header { return header("Retry-After", seconds) }

// gap is the time between two polls, which may be a tenth longer than what was wished.
func (s *stage) gap(i int, want time.Duration) {
	s.Helper()
	gaps := s.script.Gaps()
	if i >= len(gaps) {
		s.Fatalf("%d gaps, want more than %d", len(gaps), i)
	}
	if gaps[i] < want || gaps[i] > want+want/10 {
		s.Errorf("poll %d came after %v, want %v", i+1, gaps[i], want)
	}
}

func TestP3_HintsAreHonouredWithinBounds(t *testing.T) {
	hints := []struct {
		header http.Header
		want   time.Duration
	}{
		{hinted("7"), 7 * time.Second},
		{header("Retry-After", "7", "Retry-After-Ms", "1500"), 1500 * time.Millisecond},
		{hinted("0"), 100 * time.Millisecond},
		{header("Retry-After", "Thu, 01 Jan 1970 00:00:00 GMT"), 100 * time.Millisecond},
		{hinted("99999999999999999999"), 30 * time.Second},
	}
	for _, style := range styles {
		script := &pollertest.Script{Style: style, Value: report{1}}
		script.Start = []pollertest.Step{{Header: hinted("4")}}
		for _, h := range hints {
			script.Monitor = append(script.Monitor, pollertest.Step{State: antiphon.StateRunning, Header: h.header})
		}
		script.Monitor = append(script.Monitor, pollertest.Step{Header: hinted("60")}) // not read any more
		play(t, script, func(s *stage) {
			s.succeeds()
			first := s.script.Requests("monitor")[0].Begun.Sub(s.script.Requests("start")[0].Ended)
			if first < 4*time.Second || first > 4400*time.Millisecond {
				t.Errorf("the first poll came after %v", first)
			}
			for i, h := range hints {
				s.gap(i, h.want)
			}
		})
	}
	play(t, &pollertest.Script{Monitor: []pollertest.Step{{Status: 503, Header: hinted("9")}, {Status: 429, Header: hinted("5")}, {}}, Value: report{1}}, func(s *stage) {
		s.succeeds()
		s.gap(0, 9*time.Second)
		s.gap(1, 5*time.Second)
	})
	play(t, &pollertest.Script{Monitor: []pollertest.Step{{State: antiphon.StateRunning, Header: hinted("20")}}}, func(s *stage) {
		s.opts.Poll.Elapsed = 10 * time.Second
		begun := time.Now()
		if e := s.gaveUp(s.fails()); !errors.Is(e, poller.ErrHint) || time.Since(begun) > 5*time.Second {
			t.Errorf("%v after %v", e, time.Since(begun))
		}
	})
	play(t, &pollertest.Script{Value: report{1}, Monitor: []pollertest.Step{
		{State: antiphon.StateRunning, Body: `{"status":"Running","pollIntervalMs":3000}`}, {},
	}}, func(s *stage) {
		s.succeeds()
		s.gap(0, 3*time.Second)
	})
}

func TestP1_NeverTwoPollsAtOnce(t *testing.T) {
	slow := pollertest.Step{State: antiphon.StateRunning, Delay: 5 * time.Second, Header: hinted("0")}
	play(t, &pollertest.Script{Monitor: []pollertest.Step{slow, slow, slow, {}}, Value: report{1}}, func(s *stage) {
		s.succeeds()
		if s.script.AtOnce() != 1 {
			t.Errorf("%d polls at once", s.script.AtOnce())
		}
		for _, g := range s.script.Gaps() {
			if g < 100*time.Millisecond {
				t.Errorf("a poll came %v after another", g)
			}
		}
	})
}

func TestP6_PointersStayOnTheirOrigin(t *testing.T) {
	alien := "http://other.example/operations/1"
	for name, script := range map[string]*pollertest.Script{
		"the start points":  {Start: []pollertest.Step{{Header: header("Operation-Location", alien)}}},
		"Location points":   {Start: []pollertest.Step{{Header: header("Location", alien)}}},
		"the start, to 307": {Start: []pollertest.Step{{Status: 307, Header: header("Location", alien)}}},
		"https":             {Start: []pollertest.Step{{Header: header("Operation-Location", "https://server.example/operations/1")}}},
		"another port":      {Start: []pollertest.Step{{Header: header("Operation-Location", "http://server.example:8080/operations/1")}}},
		"user info":         {Start: []pollertest.Step{{Header: header("Operation-Location", "http://u:p@server.example/operations/1")}}},
		"no scheme of HTTP": {Start: []pollertest.Step{{Header: header("Operation-Location", "file:///etc/passwd")}}},
		"no URL":            {Start: []pollertest.Step{{Header: header("Operation-Location", "http://%zz")}}},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, script, func(s *stage) {
				_, err := s.try("POST", "/r")
				if !errors.Is(err, poller.ErrOrigin) || s.told("poller.unfollowed") != 1 {
					t.Errorf("%v, told %d times", err, s.told("poller.unfollowed"))
				}
				s.asked("monitor", 0)
			})
		})
	}
	for name, script := range map[string]*pollertest.Script{
		"a later pointer":  {Monitor: []pollertest.Step{{State: antiphon.StateRunning, Header: header("Operation-Location", alien)}, {}}},
		"a redirect":       {Monitor: []pollertest.Step{{Status: 302, Header: header("Location", alien)}, {}}},
		"303":              {Style: pollertest.Location, Monitor: []pollertest.Step{{Status: 303, Header: header("Location", alien)}, {}}},
		"resourceLocation": {Monitor: []pollertest.Step{{Body: `{"status":"Succeeded","resourceLocation":"` + alien + `"}`}}},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, script, func(s *stage) {
				if e := s.gaveUp(s.fails()); !errors.Is(e, poller.ErrOrigin) || s.told("poller.unfollowed") != 1 {
					t.Errorf("%v, told %d times", e, s.told("poller.unfollowed"))
				}
				s.asked("monitor", 1)
			})
		})
	}
}

func TestP6_CredentialsNeverGoElsewhere(t *testing.T) {
	alien := "http://other.example"
	secrets := []string{"Authorization", "X-Key", "Cookie", "X-Mine"}
	play(t, &pollertest.Script{Value: report{1}, Start: []pollertest.Step{{Status: 307, Header: header("Location", alien+"/start")}, {
		Header: header("Operation-Location", alien+"/operations/1"),
	}}, Monitor: []pollertest.Step{{State: antiphon.StateRunning, Header: header("Set-Cookie", "a=1")}, {Status: 302, Header: header("Location", alien+"/elsewhere")}, {
		Status: 303, Header: header("Location", "http://server.example/result"),
	}}, Other: map[string][]pollertest.Step{
		"/elsewhere": {{Body: `{"status":"Running"}`}},
		"/result":    {{}},
	}}, func(s *stage) {
		var asked []string
		s.opts.AllowHost = func(u *url.URL) bool { return u.Host == "other.example" }
		s.opts.Header = http.Header{"x-key": {"secret"}, "Content-Type": {"no"}}
		s.opts.Authorize = func(r *http.Request, again bool) error {
			asked = append(asked, r.URL.Host)
			r.Header.Set("Authorization", "secret")
			return nil
		}
		s.opts.Client.Jar = jar{}
		req := s.request("POST", "/r")
		req.Header.Set("X-Mine", "secret")
		r, err := poller.Begin[report](req, &s.opts)
		if err != nil {
			t.Fatal(err)
		}
		s.answers(r)
		for _, q := range s.script.Requests() {
			home := strings.HasPrefix(q.URL, "http://server.example")
			for _, name := range secrets {
				if has := q.Header.Get(name) != ""; has && !home {
					t.Errorf("%s %s got %s", q.Method, q.URL, name)
				} else if !has && home && (name != "X-Mine" || q.Sort == "start") {
					t.Errorf("%s %s did not get %s", q.Method, q.URL, name)
				}
			}
			if q.Sort == "start" && q.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%s %s: Content-Type %q", q.Method, q.URL, q.Header.Get("Content-Type"))
			}
		}
		for _, host := range asked {
			if host != "server.example" {
				t.Errorf("asked for credentials for %s", host)
			}
		}
		if n := s.told("poller.unfollowed"); n != 0 || len(asked) != 2 {
			t.Errorf("refused %d times, authorized %d", n, len(asked))
		}
	})
}

// jar has a cookie for everybody.
type jar struct{}

func (jar) SetCookies(*url.URL, []*http.Cookie) {}
func (jar) Cookies(*url.URL) []*http.Cookie     { return []*http.Cookie{{Name: "a", Value: "1"}} }

func TestTheClientIsNotTouched(t *testing.T) {
	play(t, &pollertest.Script{Value: report{1}}, func(s *stage) {
		called := false
		s.opts.Client.CheckRedirect = func(*http.Request, []*http.Request) error { called = true; return nil }
		before := *s.opts.Client
		s.opts.Header = header("X-A", "1")
		s.opts.Authorize = func(r *http.Request, _ bool) error { r.Header.Add("X-A", "2"); return nil }
		s.succeeds()
		if after := *s.opts.Client; after.Transport != before.Transport || after.Jar != before.Jar || after.CheckRedirect == nil || called {
			t.Error("the client was changed")
		}
		if len(s.opts.Header) != 1 || len(s.opts.Header["X-A"]) != 1 {
			t.Errorf("the header was changed: %v", s.opts.Header)
		}
		resp, err := s.opts.Client.Get(s.net.URL + "/operations/1") // which was not closed
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	})
}

func TestNewPointersAreFollowed(t *testing.T) {
	play(t, &pollertest.Script{Value: report{1}, Monitor: []pollertest.Step{{State: antiphon.StateRunning, Header: header("Operation-Location", "/moved")}},
		Other: map[string][]pollertest.Step{"/moved": {{Body: `{"status":"Running"}`}, {Body: `{"status":"DONE","result":{"pages":1}}`}}},
	}, func(s *stage) {
		s.succeeds()
		s.asked("monitor", 1)
		s.asked("/moved", 2)
	})
	play(t, &pollertest.Script{Style: pollertest.Location, Value: report{1}, Monitor: []pollertest.Step{{State: antiphon.StateRunning, Header: header("Location", "/moved")}},
		Other: map[string][]pollertest.Step{"/moved": {{Status: 202}, {}}},
	}, func(s *stage) {
		s.succeeds()
		s.asked("monitor", 1)
		s.asked("/moved", 2)
	})
}

func TestRedirects(t *testing.T) {
	for _, status := range []int{301, 302, 307, 308} { // for this poll
		play(t, &pollertest.Script{Value: report{1}, Monitor: []pollertest.Step{{Status: status, Header: header("Location", "/proxy")}, goesOn, {}},
			Other: map[string][]pollertest.Step{"/proxy": {{Body: `{"status":"Running"}`}}},
		}, func(s *stage) {
			r := s.begin("POST", "/r")
			s.answers(r)
			s.asked("monitor", 3)
			s.asked("/proxy", 1)
			if !strings.HasSuffix(r.URL(), "/operations/1") {
				t.Error(r.URL())
			}
		})
	}
	for name, style := range styles { // the result is elsewhere
		t.Run(name, func(t *testing.T) {
			play(t, &pollertest.Script{Style: style, Value: report{1}, Monitor: []pollertest.Step{goesOn, {Status: 303, Header: header("Location", "/elsewhere")}},
				Other: map[string][]pollertest.Step{"/elsewhere": {{}}},
			}, func(s *stage) { s.succeeds() })
		})
	}
	hop := func(to string) []pollertest.Step {
		return []pollertest.Step{{Status: 303, Header: header("Location", to)}}
	}
	hops := map[string][]pollertest.Step{"/hop/10": {{}}}
	for i := 1; i < 10; i++ {
		hops[fmt.Sprintf("/hop/%d", i)] = hop(fmt.Sprintf("/hop/%d", i+1))
	}
	play(t, &pollertest.Script{Style: pollertest.Location, Value: report{1}, Monitor: hop("/hop/1"), Other: hops}, func(s *stage) { s.succeeds() })
	play(t, &pollertest.Script{Monitor: hop("/operations/1")}, func(s *stage) {
		s.opts.Poll.MaxErrors = 1
		if e := s.gaveUp(s.fails()); !strings.Contains(e.Error(), "redirected") {
			t.Error(e)
		}
		s.asked("monitor", 11)
	})
}

func TestP5_UnknownStates(t *testing.T) {
	var steps []pollertest.Step
	for _, word := range []string{"Validating", "running", "42", "SUCCESS", "Deleting"} {
		steps = append(steps, pollertest.Step{Body: `{"status":"` + word + `"}`})
	}
	for _, end := range []string{"Succeeded", "succeeded", "COMPLETED", "Done"} {
		play(t, &pollertest.Script{Value: report{1}, Monitor: append(steps[:len(steps):len(steps)], pollertest.Step{Body: `{"STATUS":"` + end + `","result":{"pages":1}}`})}, func(s *stage) {
			s.succeeds()
			s.asked("monitor", len(steps)+1)
		})
	}
	for _, end := range []string{"Failed", "FAILED", "Canceled", "cancelled"} {
		play(t, &pollertest.Script{Monitor: []pollertest.Step{{Body: `{"status":"` + end + `"}`}}}, func(s *stage) {
			var e *antiphon.Error
			if err := s.fails(); !errors.As(err, &e) || antiphon.ClassOf(err) != antiphon.ClassFailed {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestLocationStyleGoesByTheCode(t *testing.T) {
	odd := `{"status":"Running","pages":5}`
	play(t, &pollertest.Script{Style: pollertest.Location, Value: report{5}, Monitor: []pollertest.Step{
		{Status: 202, Body: `{"status":"Succeeded"}`}, {Body: odd},
	}}, func(s *stage) {
		s.succeeds()
		s.asked("monitor", 2)
	})
	play(t, &pollertest.Script{Style: pollertest.Location, Value: report{}, Monitor: []pollertest.Step{goesOn, {Status: 204}}}, func(s *stage) { s.succeeds() })
	play(t, &pollertest.Script{Style: pollertest.Location, Monitor: []pollertest.Step{goesOn, {Status: 400, Body: `{"error":{"code":"BadThing","message":"no","details":[{"code":"x"}],"innererror":{"a":"b"}}}`}}}, func(s *stage) {
		err := s.fails()
		var e *antiphon.Error
		if !errors.As(err, &e) || e.Code != "BadThing" || e.Message != "no" || e.Details["a"] != "b" || antiphon.ClassOf(err) != antiphon.ClassFailed {
			t.Errorf("%+v", err)
		}
	})
}

func TestTransientTrouble(t *testing.T) {
	for name, step := range map[string]pollertest.Step{
		"408": {Status: 408}, "425": {Status: 425}, "429": {Status: 429}, "500": {Status: 500}, "502": {Status: 502, Body: "<html>"}, "503": {Status: 503}, "504": {Status: 504},
		"cut": {Cut: true}, "cut in the middle": {Cut: true, Body: `{"sta`},
		"a page":             {Body: "<html>sign in</html>", Header: header("Content-Type", "text/html")},
		"an array":           {Body: `[1]`},
		"no status":          {Body: `{"hello":1}`},
		"nothing":            {Status: 204},
		"broken JSON":        {Body: `{"status":"Succeeded"`},
		"not waited for":     {Delay: time.Minute},
		"an unknown code":    {Header: header("Content-Encoding", "br")},
		"permanent, it says": {Status: 500, Body: `{"error":{"code":"invalid_argument","message":"x","permanent":true}}`},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, &pollertest.Script{Value: report{1}, Monitor: []pollertest.Step{step, step, goesOn, step, step, {}}}, func(s *stage) {
				s.opts.Poll.MaxErrors = 3
				s.succeeds()
				s.asked("monitor", 6)
			})
			play(t, &pollertest.Script{Monitor: []pollertest.Step{goesOn, step}}, func(s *stage) {
				s.opts.Poll.MaxErrors = 3
				if e := s.gaveUp(s.fails()); !errors.Is(e, poller.ErrErrors) || e.State != antiphon.StateRunning || e.Last == nil {
					t.Errorf("%+v", e)
				}
				s.asked("monitor", 4)
			})
		})
	}
	// Another code is one that will not pass, and says nothing about the operation.
	play(t, &pollertest.Script{Monitor: []pollertest.Step{{Status: 400, Body: `{"title":"Bad","detail":"worse"}`}}}, func(s *stage) {
		if e := s.gaveUp(s.fails()); e.Cause != nil || !strings.Contains(e.Error(), "worse") {
			t.Errorf("%v", e)
		}
		s.asked("monitor", 1)
	})
	// A page in place of a result is a proxy's.
	play(t, &pollertest.Script{Style: pollertest.Location, Value: report{1}, Monitor: []pollertest.Step{{Body: "<html>", Header: header("Content-Type", "text/html; charset=utf-8")}, {}}}, func(s *stage) {
		s.succeeds()
	})
}

func TestCredentialsAreAskedForOnceMore(t *testing.T) {
	for _, status := range []int{401, 403} {
		play(t, &pollertest.Script{Value: report{1}, Start: []pollertest.Step{{Status: status}, {}}, Monitor: []pollertest.Step{{Status: status}, goesOn, {}}}, func(s *stage) {
			var calls []bool
			s.opts.Authorize = func(r *http.Request, again bool) error {
				calls = append(calls, again)
				r.Header.Set("Authorization", fmt.Sprint(again))
				return nil
			}
			s.succeeds()
			if got := fmt.Sprint(calls); got != "[false true false true false]" {
				t.Errorf("%d: %s", status, got)
			}
		})
		play(t, &pollertest.Script{Monitor: []pollertest.Step{goesOn, {Status: status}}}, func(s *stage) {
			s.opts.Authorize = func(*http.Request, bool) error { return nil }
			e := s.gaveUp(s.fails())
			if want := map[int]antiphon.Code{401: antiphon.CodeUnauthenticated, 403: antiphon.CodePermissionDenied}[status]; antiphon.CodeOf(e) != want {
				t.Errorf("%v: code %s", e, antiphon.CodeOf(e))
			}
			s.asked("monitor", 3)
		})
	}
	play(t, &pollertest.Script{}, func(s *stage) {
		no := errors.New("no ticket")
		s.opts.Authorize = func(*http.Request, bool) error { return antiphon.Permanent(no) }
		if _, err := s.try("POST", "/r"); !errors.Is(err, no) || antiphon.ClassOf(err) != antiphon.ClassNotAccepted {
			t.Errorf("%v, class %s", err, antiphon.ClassOf(err))
		}
	})
}

func TestGone(t *testing.T) {
	play(t, &pollertest.Script{Value: report{1}, Monitor: []pollertest.Step{{Status: 404}, {Status: 404}, {}}}, func(s *stage) { s.succeeds() })
	play(t, &pollertest.Script{Monitor: []pollertest.Step{{Status: 404}}}, func(s *stage) {
		s.opts.Grace = 4 * time.Second
		begun := time.Now()
		if e := s.gaveUp(s.fails()); !errors.Is(e, poller.ErrGone) || time.Since(begun) < 4*time.Second || time.Since(begun) > 7*time.Second {
			t.Errorf("%v after %v", e, time.Since(begun))
		}
	})
	for _, status := range []int{404, 410} {
		for name, style := range styles {
			play(t, &pollertest.Script{Style: style, Monitor: []pollertest.Step{goesOn, {Status: status}}}, func(s *stage) {
				e := s.gaveUp(s.fails())
				if !errors.Is(e, poller.ErrGone) || antiphon.CodeOf(e) != antiphon.CodeNotFound || e.State != antiphon.StateRunning {
					t.Errorf("%s: %v", name, e)
				}
				s.asked("monitor", 2)
			})
		}
	}
	play(t, &pollertest.Script{Monitor: []pollertest.Step{{Status: 410}}}, func(s *stage) {
		if e := s.gaveUp(s.fails()); !errors.Is(e, poller.ErrGone) {
			t.Errorf("%v", e)
		}
	})
	play(t, &pollertest.Script{Monitor: []pollertest.Step{{Status: 404}}}, func(s *stage) {
		s.opts.Grace = -1
		s.gaveUp(s.fails())
		s.asked("monitor", 1)
	})
}

func TestTheFirstEndWins(t *testing.T) {
	for _, late := range []pollertest.Step{goesOn, {State: antiphon.StateFailed}} {
		play(t, &pollertest.Script{Value: report{1}, Monitor: []pollertest.Step{goesOn, {}, late, {}}}, func(s *stage) {
			s.opts.Poll.Confirm = 2
			s.succeeds()
			if s.told("poller.flapped") == 0 {
				t.Error("nobody was told")
			}
		})
	}
}

func TestOnlyTheResultIsRetried(t *testing.T) {
	for _, style := range []pollertest.Style{pollertest.Azure, pollertest.ContentLocation} {
		play(t, &pollertest.Script{Style: style, Value: report{1}, Monitor: []pollertest.Step{goesOn, {}, {State: antiphon.StateFailed}},
			Result: []pollertest.Step{{Status: 503, Header: hinted("3")}, {Cut: true}, {State: antiphon.StateRunning}, {Status: 401}, {}},
		}, func(s *stage) {
			s.opts.Authorize = func(*http.Request, bool) error { return nil }
			r := s.begin("POST", "/r")
			for len(s.script.Requests("result")) == 0 {
				time.Sleep(100 * time.Millisecond)
			}
			time.Sleep(100 * time.Millisecond)
			token := r.Token()
			s.answers(r)
			s.asked("monitor", 2)
			s.asked("result", 5)
			again, err := poller.Resume[report](s.ctx, token, &s.opts) // which knows that it has succeeded
			if err != nil {
				t.Fatal(err)
			}
			s.answers(again)
			s.asked("result", 6)
		})
	}
	play(t, &pollertest.Script{Style: pollertest.Azure, Monitor: []pollertest.Step{{}}, Result: []pollertest.Step{{Status: 422}}}, func(s *stage) {
		if e := s.gaveUp(s.fails()); e.Cause != nil {
			t.Errorf("%v", e)
		}
	})
	play(t, &pollertest.Script{Style: pollertest.Azure, Monitor: []pollertest.Step{{}}, Result: []pollertest.Step{{Status: 410}}}, func(s *stage) {
		if e := s.gaveUp(s.fails()); !errors.Is(e, poller.ErrGone) {
			t.Errorf("%v", e)
		}
	})
}

func TestSizes(t *testing.T) {
	big := `{"status":"Running","message":"` + strings.Repeat("x", 2000) + `"}`
	bomb := func(w http.ResponseWriter, r *http.Request) {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write([]byte(`{"status":"Running","message":"`))
		for range 1 << 10 {
			_, _ = z.Write(make([]byte, 1<<10))
		}
		_ = z.Close()
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(b.Bytes())
	}
	endless := func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write([]byte(strings.Repeat(" ", 1000))); err != nil {
				return
			}
		}
	}
	for name, step := range map[string]pollertest.Step{
		"large": {Body: big}, "a bomb": {Answer: bomb}, "endless": {Answer: endless},
		"never ends": {Body: `{"status":`, Hold: time.Hour, Header: header("Content-Length", "500")},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, &pollertest.Script{Value: report{1}, Monitor: []pollertest.Step{step, {}}}, func(s *stage) {
				s.opts.MaxStatus = 1000
				s.succeeds()
			})
			play(t, &pollertest.Script{Style: pollertest.Location, Value: report{1}, Monitor: []pollertest.Step{step, {}}}, func(s *stage) {
				s.opts.MaxResult = 1000
				s.succeeds()
			})
		})
	}
	play(t, &pollertest.Script{Value: report{1}, Start: []pollertest.Step{{Body: big}}}, func(s *stage) {
		s.opts.MaxStatus = 1000
		s.succeeds() // the pointer is enough
	})
}

func TestNotModified(t *testing.T) {
	tag := header("ETag", `"5"`, "Retry-After", "2")
	play(t, &pollertest.Script{Value: report{1}, Monitor: []pollertest.Step{
		{State: antiphon.StateRunning, Percent: 40, Header: tag}, {Status: 304, Header: hinted("3")}, {Status: 304}, {},
	}}, func(s *stage) {
		s.opts.Poll.Poll = antiphon.Constant(4 * time.Second)
		s.succeeds()
		for i, want := range []string{"", `"5"`, `"5"`, `"5"`} {
			if got := s.script.Requests("monitor")[i].Header.Get("If-None-Match"); got != want {
				t.Errorf("poll %d: %q", i, got)
			}
		}
		s.gap(0, 2*time.Second)
		s.gap(1, 3*time.Second)
		s.gap(2, 4*time.Second)
	})
}

func TestRequestsAreHeld(t *testing.T) {
	applied := header("Preference-Applied", "wait=25", "Retry-After", "5")
	held := pollertest.Step{State: antiphon.StateRunning, Delay: 25 * time.Second, Header: applied}
	play(t, &pollertest.Script{Value: report{1}, Start: []pollertest.Step{{Header: applied}}, Monitor: []pollertest.Step{
		held, held, {Delay: 3 * time.Second},
	}}, func(s *stage) {
		s.opts.LongPoll = 0
		s.succeeds()
		polls := s.script.Requests("monitor")
		if wait := polls[0].Begun.Sub(s.script.Requests("start")[0].Ended); wait > 0 {
			t.Errorf("the first poll came after %v", wait)
		}
		s.gap(0, 100*time.Millisecond) // notwithstanding Retry-After
		s.gap(1, 100*time.Millisecond)
		if got := polls[1].Header.Get("Prefer"); got != "wait=25" {
			t.Errorf("Prefer: %q", got)
		}
	})
	// Not applied, or only said to be: back to the interval at once.
	liar := pollertest.Step{State: antiphon.StateRunning, Header: applied}
	plain := pollertest.Step{State: antiphon.StateRunning, Header: hinted("5")}
	play(t, &pollertest.Script{Value: report{1}, Monitor: []pollertest.Step{goesOn, liar, plain, {}}}, func(s *stage) {
		s.opts.LongPoll = 0
		s.succeeds()
		s.gap(1, 5*time.Second)
		s.gap(2, 5*time.Second)
	})
	for _, tt := range []struct {
		set  func(*poller.HTTPOptions)
		want string
	}{
		{func(o *poller.HTTPOptions) { o.LongPoll = 7500 * time.Millisecond }, "wait=7"},
		{func(o *poller.HTTPOptions) { o.LongPoll = 0; o.Poll.PerPoll = 12 * time.Second }, "wait=10"},
		{func(o *poller.HTTPOptions) { o.LongPoll = 0; o.Client.Timeout = 6 * time.Second }, "wait=5"},
		{func(o *poller.HTTPOptions) { o.LongPoll = 500 * time.Millisecond }, ""},
		{func(o *poller.HTTPOptions) { o.LongPoll = -1 }, ""},
		{func(o *poller.HTTPOptions) { o.LongPoll = 0; o.Poll.Elapsed = 5 * time.Second }, "wait=3"},
	} {
		play(t, &pollertest.Script{Value: report{1}, Monitor: []pollertest.Step{{State: antiphon.StateRunning, Header: hinted("1")}, {}}}, func(s *stage) {
			tt.set(&s.opts)
			s.opts.Poll.First = -1
			s.succeeds()
			if got := s.script.Requests("monitor")[1].Header.Get("Prefer"); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestP4_TheEndOfTheContext(t *testing.T) {
	play(t, &pollertest.Script{Monitor: []pollertest.Step{{State: antiphon.StateRunning, Percent: 30}, {Delay: time.Hour}}}, func(s *stage) {
		s.opts.Poll.PerPoll = -1
		why := errors.New("the user has left")
		ctx, cancel := context.WithCancelCause(s.ctx)
		r, err := poller.Begin[report](s.request("POST", "/r").WithContext(ctx), &s.opts)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		cancel(why)
		_, err = r.Future().Await(s.ctx)
		if e := s.gaveUp(err); !errors.Is(e, why) || !errors.Is(e, context.Canceled) || e.State != antiphon.StateRunning {
			t.Errorf("%+v", e)
		}
	})
	// A request that is held does not outlive the time.
	play(t, &pollertest.Script{Monitor: []pollertest.Step{goesOn, {Delay: time.Hour}}}, func(s *stage) {
		s.opts.LongPoll, s.opts.Poll.PerPoll, s.opts.Poll.Elapsed = 0, -1, time.Minute
		begun := time.Now()
		e := s.gaveUp(s.fails())
		if !errors.Is(e, poller.ErrElapsed) || time.Since(begun) > 61*time.Second {
			t.Errorf("%v after %v", e, time.Since(begun))
		}
	})
}

func TestWhereTheResultIs(t *testing.T) {
	done := pollertest.Step{Body: `{"status":"Succeeded"}`}
	at := func(h ...string) []pollertest.Step { return []pollertest.Step{{Header: header(h...)}} }
	azure := at("Azure-AsyncOperation", "/operations/1")
	both := at("Azure-AsyncOperation", "/operations/1", "Location", "/located")
	for name, tt := range map[string]struct {
		method, final string
		start         []pollertest.Step
		monitor       pollertest.Step
		asked         string // where
	}{
		"PUT":                        {"PUT", "", azure, done, "/v1/thing"},
		"PATCH":                      {"PATCH", "", azure, done, "/v1/thing"},
		"PUT, Location":              {"PUT", "", both, done, "/located"},
		"POST, Location":             {"POST", "", both, done, "/located"},
		"POST, none":                 {"POST", "", azure, done, ""},
		"DELETE":                     {"DELETE", "", both, done, ""},
		"POST, in the status":        {"POST", "", both, pollertest.Step{Body: `{"status":"Succeeded","result":{"pages":2}}`}, ""},
		"POST, resourceLocation":     {"POST", "", both, pollertest.Step{Body: `{"status":"Succeeded","resourceLocation":"/named"}`}, "/named"},
		"POST, original-uri":         {"POST", "original-uri", both, done, "/v1/thing"},
		"PUT, location":              {"PUT", "location", both, done, "/located"},
		"PUT, location, none":        {"PUT", "location", azure, done, ""},
		"PUT, azure-async-operation": {"PUT", "azure-async-operation", both, pollertest.Step{Body: `{"status":"Succeeded","pages":2}`}, ""},
		"PUT, operation-location":    {"PUT", "operation-location", both, pollertest.Step{Body: `{"status":"Succeeded","result":{"pages":2}}`}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			value := report{2}
			if tt.asked == "" && !strings.Contains(tt.monitor.Body, "pages") {
				value = report{}
			}
			played := map[string][]pollertest.Step{"/located": {{}}, "/named": {{}}}
			play(t, &pollertest.Script{Style: pollertest.Azure, Value: value, Monitor: []pollertest.Step{goesOn, tt.monitor}, Other: played}, func(s *stage) {
				s.script.Other["/v1/thing"] = []pollertest.Step{{Status: 202, Header: tt.start[0].Header}, {}}
				s.opts.Final = tt.final
				s.answers(s.begin(tt.method, "/v1/thing"))
				for path := range s.script.Other {
					want := 0
					if path == tt.asked {
						want++
					}
					if path == "/v1/thing" {
						want++
					}
					s.asked(path, want)
				}
			})
		})
	}
}

func TestAIPNames(t *testing.T) {
	for _, tt := range []struct{ start, name, want string }{
		{"/v1/reports", "operations/1", "/v1/operations/1"},
		{"/v1beta2/a/b", "projects/x/operations/1", "/v1beta2/projects/x/operations/1"},
		{"/reports", "operations/1", "/operations/1"},
		{"/reports", "/operations/1?x=#y", "/operations/1%3Fx=%23y"},
	} {
		play(t, &pollertest.Script{Start: []pollertest.Step{{Status: 200, Body: `{"name":"` + tt.name + `","metadata":{}}`}}}, func(s *stage) {
			if r := s.begin("POST", tt.start); r.URL() != s.net.URL+tt.want || r.ID() != tt.name {
				t.Errorf("%s: %s is at %s", tt.start, r.ID(), r.URL())
			}
		})
	}
	for _, name := range []string{"operations/../../admin", "operations//1", "operations/."} {
		play(t, &pollertest.Script{Start: []pollertest.Step{{Status: 200, Body: `{"name":"` + name + `","done":false}`}}}, func(s *stage) {
			if _, err := s.try("POST", "/v1/r"); antiphon.ClassOf(err) != antiphon.ClassUnknown {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	for _, body := range []string{`{"name":"buy milk","done":false}`, `{"name":"operations","done":false}`, `{"name":"operations/1","more":4}`} { // a result
		play(t, &pollertest.Script{Value: report{}, Start: []pollertest.Step{{Status: 200, Body: body}}}, func(s *stage) { s.succeeds() })
	}
	play(t, &pollertest.Script{Value: report{4}, Start: []pollertest.Step{{Status: 200, Body: `{"name":"job 7"}`}}, Other: map[string][]pollertest.Step{
		"/jobs/7": {{Body: `{"name":"job 7"}`}, {Body: `{"name":"job 7","done":true,"response":{"@type":"x","pages":4}}`}},
	}}, func(s *stage) {
		s.opts.OperationURL = func(start *url.URL, name string) (*url.URL, error) {
			return start.Parse("/jobs/" + strings.TrimPrefix(name, "job "))
		}
		s.succeeds()
	})
	play(t, &pollertest.Script{Start: []pollertest.Step{{Status: 200, Body: `{"name":"operations/7","done":true,"error":{"code":1,"message":"no"}}`}}}, func(s *stage) {
		if err := s.fails(); antiphon.CodeOf(err) != antiphon.CodeCanceled || err.Error() != "no" {
			t.Errorf("%v", err)
		}
		s.asked("monitor", 0)
	})
	for _, u := range []string{"http://other.example/x", ""} {
		play(t, &pollertest.Script{Style: pollertest.AIP}, func(s *stage) {
			s.opts.OperationURL = func(start *url.URL, name string) (*url.URL, error) {
				if u == "" {
					return nil, errors.New("no such name")
				}
				return url.Parse(u)
			}
			if _, err := s.try("POST", "/v1/r"); antiphon.ClassOf(err) != antiphon.ClassUnknown {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestALenientStatus(t *testing.T) {
	for body, want := range map[string]float64{
		`{"status":"Running","percentComplete":"42"}`:                 42,
		`{"status":"Running","percentComplete":"42 %"}`:               42,
		`{"status":"Running","PercentComplete":142.5}`:                100,
		`{"status":"Running","percentComplete":-3}`:                   0,
		`{"status":"Running","percentComplete":{"a":1}}`:              0,
		`{"status":"Running","percentComplete":"NaN"}`:                0,
		`{"status":"Failed","status":"Running","percentComplete":12}`: 12, // the last counts
		`{"status":"Running","id":7,"createdAt":"yesterday","data":"no base64","error":"x","metadata":{"a":1},"version":"9","percentComplete":7}`: 7,
	} {
		play(t, &pollertest.Script{Value: report{1}, Monitor: []pollertest.Step{{Body: body, Header: hinted("10")}, {}}}, func(s *stage) {
			r := s.begin("POST", "/r")
			time.Sleep(2 * time.Second)
			for op, err := range r.Updates(s.ctx) {
				if err != nil || op.Percent != want || op.State != antiphon.StateRunning {
					t.Errorf("%s: %+v, %v", body, op, err)
				}
				break
			}
			s.answers(r)
		})
	}
}
