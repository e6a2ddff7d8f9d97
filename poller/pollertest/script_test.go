package pollertest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/poller/pollertest"
)

// A reply is what a client sees.
type reply struct {
	status int
	header http.Header
	body   string
	err    error
}

// ask makes a request on n.
func ask(t *testing.T, c *http.Client, method, url string) reply {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(r)
	if err != nil {
		return reply{err: err}
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return reply{res.StatusCode, res.Header, string(b), err}
}

// play serves s in a bubble.
func play(t *testing.T, s *pollertest.Script, do func(t *testing.T, n *pollertest.Network, c *http.Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := pollertest.Serve(s)
		defer n.Close()
		do(t, n, n.Client())
	})
}

// In every style there is a way from the start to the result, and to a failure.
func TestScriptStyles(t *testing.T) {
	steps := []pollertest.Step{{State: antiphon.StateRunning, Percent: 50}, {}}
	failing := []pollertest.Step{{State: antiphon.StateFailed}}
	for _, c := range []struct {
		style   pollertest.Style
		pointer string // header of the start
		monitor string // where that leads
		running int    // the status of a poll, and its body
		body    string
		done    string
		failed  int
		error   string
	}{
		{pollertest.Monitor, "Operation-Location", "/operations/1", 200, `{"id":"1","percentComplete":50,"status":"Running"}`,
			`{"id":"1","result":{"a":1},"status":"Succeeded"}`, 200, `{"error":{"code":"not_found","message":"gone fishing"},"id":"1","status":"Failed"}`},
		{pollertest.Azure, "Azure-AsyncOperation", "/operations/1", 200, `{"id":"1","percentComplete":50,"status":"Running"}`,
			`{"id":"1","status":"Succeeded"}`, 200, `{"error":{"code":"not_found","message":"gone fishing"},"id":"1","status":"Failed"}`},
		{pollertest.Location, "Location", "/operations/1/result", 202, ``,
			`{"a":1}`, 422, `{"error":{"code":"not_found","message":"gone fishing"}}`},
		{pollertest.ContentLocation, "Content-Location", "/operations/1", 200, `{"id":"1","percentComplete":50,"status":"Running"}`,
			`{"id":"1","resourceLocation":"http://server.example/operations/1/result","status":"Succeeded"}`, 200, `{"error":{"code":"not_found","message":"gone fishing"},"id":"1","status":"Failed"}`},
		{pollertest.AIP, "", "/v1/operations/1", 200, `{"done":false,"metadata":{"progressPercent":50},"name":"operations/1"}`,
			`{"done":true,"name":"operations/1","response":{"a":1}}`, 200, `{"done":true,"error":{"code":5,"message":"gone fishing"},"name":"operations/1"}`},
	} {
		t.Run(c.pointer, func(t *testing.T) {
			s := &pollertest.Script{Style: c.style, Monitor: steps, Value: map[string]int{"a": 1}}
			play(t, s, func(t *testing.T, n *pollertest.Network, client *http.Client) {
				start := ask(t, client, "POST", n.URL+"/reports")
				want := http.StatusAccepted
				if c.pointer == "" {
					want = http.StatusOK
				}
				if start.status != want || c.pointer != "" && start.header.Get(c.pointer) != n.URL+c.monitor {
					t.Fatalf("the start is answered with %+v", start)
				}
				if p := ask(t, client, "GET", n.URL+c.monitor); p.status != c.running || p.body != c.body {
					t.Errorf("a poll is answered with %+v", p)
				}
				for range 2 { // the last step stays
					if p := ask(t, client, "GET", n.URL+c.monitor); p.status != http.StatusOK || p.body != c.done {
						t.Errorf("the last poll is answered with %+v", p)
					}
				}
				if c.style == pollertest.AIP {
					return
				}
				if r := ask(t, client, "GET", n.URL+"/operations/1/result"); r.status != http.StatusOK || r.body != `{"a":1}` {
					t.Errorf("the result is %+v", r)
				}
			})
			s = &pollertest.Script{Style: c.style, Monitor: failing, Err: &antiphon.Error{Code: antiphon.CodeNotFound, Message: "gone fishing"}}
			play(t, s, func(t *testing.T, n *pollertest.Network, client *http.Client) {
				if p := ask(t, client, "GET", n.URL+c.monitor); p.status != c.failed || p.body != c.error {
					t.Errorf("the poll of what failed is answered with %+v", p)
				}
			})
		})
	}
}

// A step can be odd in every way.
func TestScriptSteps(t *testing.T) {
	s := &pollertest.Script{
		ID: "op",
		Start: []pollertest.Step{
			{Status: 503, Header: http.Header{"Retry-After": {"7"}}},
			{Status: 200},
			{Status: 204},
			{Header: http.Header{"Operation-Location": nil, "Location": {"/elsewhere"}}, Body: "<html>"},
			{},
		},
		Monitor: []pollertest.Step{
			{Delay: time.Minute, State: "strange"},
			{Cut: true},
			{Cut: true, Body: "half"},
			{Hold: time.Second, Body: "whole"},
			{Status: 304, Header: http.Header{"Etag": {`"1"`}}},
			{Answer: func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(418) }},
		},
		Other: map[string][]pollertest.Step{"/elsewhere": {{State: antiphon.StateRunning}, {Status: 303, Header: http.Header{"Location": {"/operations/op/result"}}}}},
		Value: 7,
	}
	play(t, s, func(t *testing.T, n *pollertest.Network, c *http.Client) {
		c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		look := func(what, method, path string, want reply, took time.Duration) {
			t.Helper()
			from := time.Now()
			got := ask(t, c, method, n.URL+path)
			if d := time.Since(from); d != took {
				t.Errorf("%s: it took %v, want %v", what, d, took)
			}
			if got.status != want.status || got.body != want.body || (got.err != nil) != (want.err != nil) {
				t.Errorf("%s: %+v, want %+v", what, got, want)
			}
			for name := range want.header {
				if got.header.Get(name) != want.header.Get(name) {
					t.Errorf("%s: %s is %q, want %q", what, name, got.header.Get(name), want.header.Get(name))
				}
			}
		}
		broken := io.ErrUnexpectedEOF
		look("unavailable", "POST", "/x", reply{status: 503, header: http.Header{"Retry-After": {"7"}, "Operation-Location": {""}}}, 0)
		look("done at once", "POST", "/x", reply{status: 200, body: "7", header: http.Header{"Operation-Location": {""}}}, 0)
		look("without content", "POST", "/x", reply{status: 204}, 0)
		look("another pointer", "PUT", "/x", reply{status: 202, body: "<html>", header: http.Header{"Operation-Location": {""}, "Location": {"/elsewhere"}}}, 0)
		look("proper", "PATCH", "/x", reply{status: 202, body: `{"id":"op","status":"Running"}`, header: http.Header{"Operation-Location": {n.URL + "/operations/op"}}}, 0)
		look("slow", "GET", "/operations/op", reply{status: 200, body: `{"id":"op","status":"strange"}`}, time.Minute)
		look("cut", "GET", "/operations/op", reply{err: broken}, 0)
		look("cut within", "GET", "/operations/op", reply{status: 200, body: "half", err: broken}, 0)
		look("held", "GET", "/operations/op", reply{status: 200, body: "whole"}, time.Second)
		look("unchanged", "GET", "/operations/op", reply{status: 304, header: http.Header{"Etag": {`"1"`}}}, 0)
		look("answered otherwise", "GET", "/operations/op", reply{status: 418}, 0)
		look("elsewhere", "GET", "/elsewhere", reply{status: 200, body: "7"}, 0)
		look("elsewhere", "GET", "/elsewhere", reply{status: 303}, 0)
		look("canceled", "DELETE", "/operations/op", reply{status: 202}, 0)
		look("canceled", "POST", "/operations/op:cancel", reply{status: 202}, 0)
		look("nothing", "GET", "/nothing", reply{status: 404, body: "404 page not found\n"}, 0)
	})
}

// It remembers what it was asked, and when.
func TestScriptRemembers(t *testing.T) {
	s := &pollertest.Script{Monitor: []pollertest.Step{{Delay: time.Second}, {}, {Delay: time.Second}}}
	play(t, s, func(t *testing.T, n *pollertest.Network, c *http.Client) {
		if got, err := post(t.Context(), c, "http://a.example/reports?x=1", "hello"); err != nil || !json.Valid([]byte(got)) {
			t.Fatal(got, err)
		}
		for range 2 {
			ask(t, c, "GET", n.URL+"/operations/1")
			time.Sleep(2 * time.Second)
		}
		if n := s.AtOnce(); n != 1 {
			t.Errorf("%d polls at once, there was one", n)
		}
		if got, want := s.Gaps(), []time.Duration{2 * time.Second}; !slices.Equal(got, want) {
			t.Errorf("the gaps are %v, want %v", got, want)
		}
		var two sync.WaitGroup
		for range 2 {
			two.Go(func() { ask(t, c, "GET", n.URL+"/operations/1") })
		}
		two.Wait()
		if n := s.AtOnce(); n != 2 {
			t.Errorf("%d polls at once, there were two", n)
		}
		starts := s.Requests("start")
		if len(starts) != 1 || string(starts[0].Body) != "hello" || starts[0].URL != "http://a.example/reports?x=1" || starts[0].Method != "POST" {
			t.Errorf("the starts were %+v", starts)
		}
		if all := s.Requests(); len(all) != 5 || all[1].Ended.Sub(all[1].Begun) != time.Second {
			t.Errorf("the requests were %+v", all)
		}
	})
}
