package queueweb_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/queue/driver"
	"github.com/antiphon-go/antiphon/queue/queueweb"
)

// A world is a queue with something in it, and its pages, mounted under /q/.
type world struct {
	t       testing.TB
	backend driver.Backend
	queue   *queue.Queue[string, string]
	mux     http.Handler
	done    *queue.Job[string]
	dead    *queue.Job[string]
	waiting *queue.Job[string]
}

func newWorld(t testing.TB, o *queueweb.Options) *world {
	w := &world{t: t, backend: queue.Memory(nil)}
	q, err := queue.New[string, string]("mails", w.backend, &queue.Options{Attempts: 1})
	if err != nil {
		t.Fatal(err)
	}
	w.queue = q
	mux := http.NewServeMux()
	mux.Handle("/q/", http.StripPrefix("/q", queueweb.Handler(w.backend, []string{"mails", "odd/name"}, o)))
	w.mux = mux
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- q.Work(ctx, func(_ context.Context, s string) (string, error) {
			if s == "<bad>" {
				return "", errors.New("no such <mailbox>")
			}
			return strings.ToUpper(s), nil
		}, nil)
	}()
	submit := func(s string, o *queue.SubmitOptions) *queue.Job[string] {
		j, err := q.Submit(t.Context(), s, o)
		if err != nil {
			t.Fatal(err)
		}
		return j
	}
	w.done = submit("hello", &queue.SubmitOptions{Key: "k1", Header: map[string]string{"traceparent": "00-1"}})
	w.dead = submit("<bad>", nil)
	w.waiting = submit("later", &queue.SubmitOptions{Delay: time.Hour})
	_, _ = w.done.Await(t.Context())
	_, _ = w.dead.Await(t.Context())
	t.Cleanup(func() {
		cancel()
		<-ended
		_ = q.Close()
		_ = w.backend.Close()
	})
	return w
}

func (w *world) do(method, path, accept string, form url.Values, header ...string) *http.Response {
	w.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r := httptest.NewRequest(method, "http://site.test"+path, body)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	w.mux.ServeHTTP(rec, r)
	return rec.Result()
}

func (w *world) html(path string) string {
	w.t.Helper()
	res := w.do("GET", path, "text/html,application/xhtml+xml", nil)
	b, _ := io.ReadAll(res.Body)
	if res.StatusCode != 200 || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") {
		w.t.Errorf("%s: %s, %s", path, res.Status, b)
	}
	return string(b)
}

func (w *world) json(method, path string, form url.Values, into any) int {
	w.t.Helper()
	res := w.do(method, path, "application/json", form)
	if got := res.Header.Get("Content-Type"); got != "application/json" {
		w.t.Errorf("%s: %s", path, got)
	}
	if err := json.NewDecoder(res.Body).Decode(into); err != nil {
		w.t.Errorf("%s: %v", path, err)
	}
	return res.StatusCode
}

func bubble(t *testing.T, o *queueweb.Options, f func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) { f(t, newWorld(t, o)) })
}

func writable(*http.Request) error { return nil }

func TestPagesShowWhatThereIs(t *testing.T) {
	bubble(t, nil, func(t *testing.T, w *world) {
		for path, wants := range map[string][]string{
			"/q/":                     {`href="./mails"`, `href="./odd%2Fname"`, "<svg", "dead letters"},
			"/q/mails":                {w.done.ID(), w.dead.ID(), w.waiting.ID(), "no such &lt;mailbox&gt;", "Dead letters"},
			"/q/mails?state=queued":   {w.waiting.ID()},
			"/q/mails/" + w.done.ID(): {"HELLO", "traceparent", "k1", "succeeded", "hello"},
			"/q/mails/" + w.dead.ID(): {"&lt;mailbox&gt;", "u003cbad", "failed"},
			"/q/odd%2Fname":           {"odd/name"},
		} {
			page := w.html(path)
			for _, want := range wants {
				if !strings.Contains(page, want) {
					t.Errorf("%s lacks %s:\n%s", path, want, page)
				}
			}
			if strings.Contains(page, "<script") || strings.Contains(page, "<mailbox>") || strings.Contains(page, "<form method=\"post\"") {
				t.Errorf("%s: %s", path, page)
			}
		}
		if page := w.html("/q/mails?state=queued"); strings.Contains(page, `<code>`+w.done.ID()[:10]+`</code></a></td>
<td><span class="state succeeded">`) {
			t.Error("the list is not narrowed")
		}
	})
}

func TestJSONUnderTheSamePaths(t *testing.T) {
	bubble(t, nil, func(t *testing.T, w *world) {
		var index struct {
			Queues []struct {
				Name      string
				Dead      int
				Delayed   int
				Succeeded int
				PerMinute []int
			}
		}
		if code := w.json("GET", "/q/", nil, &index); code != 200 || len(index.Queues) != 2 || index.Queues[0].Name != "mails" ||
			index.Queues[0].Dead != 1 || index.Queues[0].Delayed != 1 || index.Queues[0].Succeeded != 1 || len(index.Queues[0].PerMinute) != 60 {
			t.Errorf("%d %+v", code, index)
		}
		var one struct {
			Job struct {
				ID, State, Error string
				Attempt          int
				Payload, Result  *struct {
					Text string
					Size int
				}
			}
		}
		if code := w.json("GET", "/q/mails/"+w.done.ID(), nil, &one); code != 200 || one.Job.ID != w.done.ID() || one.Job.State != "Succeeded" || one.Job.Result.Text != `"HELLO"` {
			t.Errorf("%d %+v", code, one)
		}
		var sorry struct{ Error string }
		if code := w.json("GET", "/q/mails/none", nil, &sorry); code != 404 || sorry.Error == "" {
			t.Errorf("%d %+v", code, sorry)
		}
		if code := w.json("GET", "/q/other", nil, &sorry); code != 404 {
			t.Error(code)
		}
	})
}

func TestFindByID(t *testing.T) {
	bubble(t, nil, func(t *testing.T, w *world) {
		res := w.do("GET", "/q/mails?id="+w.done.ID(), "", nil)
		if res.StatusCode != 303 || res.Header.Get("Location") != "./mails/"+w.done.ID() {
			t.Error(res.Status, res.Header)
		}
		if res := w.do("GET", "/q/mails?id=none", "", nil); res.StatusCode != 404 {
			t.Error(res.Status)
		}
	})
}

func TestReadOnlyUnlessToldOtherwise(t *testing.T) {
	posts := func(w *world) []string {
		return []string{"/q/mails/pause", "/q/mails/resume", "/q/mails/redrive", "/q/mails/drop", "/q/mails/" + w.waiting.ID() + "/cancel"}
	}
	untouched := func(t *testing.T, w *world) {
		t.Helper()
		if s, _ := w.queue.Stats(t.Context()); s.Paused || s.Dead != 1 || s.Delayed != 1 {
			t.Errorf("%+v", s)
		}
	}
	bubble(t, nil, func(t *testing.T, w *world) {
		for _, path := range posts(w) {
			if res := w.do("POST", path, "", url.Values{"id": {"*"}}); res.StatusCode != 403 {
				t.Error(path, res.Status)
			}
		}
		untouched(t, w)
	})
	bubble(t, &queueweb.Options{Write: func(*http.Request) error { return errors.New("not you: secret") }}, func(t *testing.T, w *world) {
		for _, path := range posts(w) {
			res := w.do("POST", path, "", url.Values{"id": {"*"}})
			if b, _ := io.ReadAll(res.Body); res.StatusCode != 403 || strings.Contains(string(b), "secret") {
				t.Error(path, res.Status, string(b))
			}
		}
		untouched(t, w)
	})
	bubble(t, &queueweb.Options{Write: writable}, func(t *testing.T, w *world) {
		for _, path := range posts(w) { // from a page of somebody else's
			for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "http://evil.test"}} {
				if res := w.do("POST", path, "", url.Values{"id": {"*"}}, header...); res.StatusCode != 403 {
					t.Error(path, header, res.Status)
				}
			}
			if res := w.do("GET", path, "", nil); res.StatusCode != 404 && res.StatusCode != 405 {
				t.Error(path, res.Status)
			}
		}
		untouched(t, w)
	})
}

func TestWriting(t *testing.T) {
	bubble(t, &queueweb.Options{Write: writable}, func(t *testing.T, w *world) {
		page := w.html("/q/mails")
		for _, want := range []string{"Pause", "Redrive", "Drop", `value="` + w.dead.ID() + `"`} {
			if !strings.Contains(page, want) {
				t.Errorf("the page lacks %q", want)
			}
		}
		same := []string{"Sec-Fetch-Site", "same-origin"}
		if res := w.do("POST", "/q/mails/pause", "", url.Values{}, same...); res.StatusCode != 303 || res.Header.Get("Location") != "./../mails" {
			t.Error(res.Status, res.Header)
		}
		if s, _ := w.queue.Stats(t.Context()); !s.Paused {
			t.Error("it is not paused")
		}
		w.do("POST", "/q/mails/resume", "", url.Values{}, same...)
		if res := w.do("POST", "/q/mails/redrive", "", url.Values{}, same...); res.StatusCode != 400 {
			t.Error(res.Status)
		}
		var n struct{ Count int }
		if code := w.json("POST", "/q/mails/redrive", url.Values{"id": {w.dead.ID(), "none"}}, &n); code != 200 || n.Count != 1 {
			t.Error(code, n)
		}
		synctest.Wait()
		if s, _ := w.queue.Stats(t.Context()); s.Dead != 1 || s.Failed != 2 {
			t.Errorf("%+v", s)
		}
		if code := w.json("POST", "/q/mails/drop", url.Values{"id": {"*"}}, &n); code != 200 || n.Count != 1 {
			t.Error(code, n)
		}
		if res := w.do("POST", "/q/mails/"+w.waiting.ID()+"/cancel", "", url.Values{}, same...); res.StatusCode != 303 {
			t.Error(res.Status)
		}
		if _, err := w.waiting.Await(t.Context()); !errors.Is(err, queue.ErrCanceled) {
			t.Error(err)
		}
	})
}

func TestWhatIsShownIsBoundedAndRedacted(t *testing.T) {
	o := &queueweb.Options{MaxShown: 10, Redact: func(kind string, b []byte) []byte {
		if kind != "mails" {
			panic(kind)
		}
		return []byte(strings.ReplaceAll(string(b), "secret", "******"))
	}}
	bubble(t, o, func(t *testing.T, w *world) {
		j, err := w.queue.Submit(t.Context(), "secret "+strings.Repeat("x", 1000), &queue.SubmitOptions{Delay: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		page := w.html("/q/mails/" + j.ID())
		if strings.Contains(page, "secret") || strings.Contains(page, "xxxx") || !strings.Contains(page, "****** ") || !strings.Contains(page, "1\u202f009 bytes") {
			t.Error(page)
		}
	})
}

func TestHeadersGuardThePages(t *testing.T) {
	bubble(t, nil, func(t *testing.T, w *world) {
		res := w.do("GET", "/q/mails", "", nil)
		csp := res.Header.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || res.Header.Get("X-Content-Type-Options") != "nosniff" || res.Header.Get("Cache-Control") != "no-store" {
			t.Error(res.Header)
		}
		if res := w.do("GET", "/q/queueweb.css", "", nil); res.StatusCode != 200 || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/css") {
			t.Error(res.Status, res.Header)
		}
	})
}

// Throughput is what was done in each minute, as far as it was looked at.
func TestThroughput(t *testing.T) {
	bubble(t, nil, func(t *testing.T, w *world) {
		var index struct{ Queues []struct{ PerMinute []int } }
		w.json("GET", "/q/", nil, &index)
		for range 10 {
			for range 7 {
				if _, err := w.queue.Submit(t.Context(), "x", nil); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Minute)
			w.json("GET", "/q/", nil, &index)
		}
		time.Sleep(10 * time.Minute)
		w.json("GET", "/q/", nil, &index)
		sum := 0
		for _, n := range index.Queues[0].PerMinute {
			if sum += n; n != 0 && n != 7 {
				t.Errorf("%d in a minute", n)
			}
		}
		if sum != 70 {
			t.Errorf("%d in all: %v", sum, index.Queues[0].PerMinute)
		}
	})
}

// A backend that fails is a failure of the page, told by its code alone.
func TestBackendFails(t *testing.T) {
	b := queue.Memory(nil)
	h := queueweb.Handler(b, []string{"q"}, nil)
	_ = b.Close()
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
	if rec.Code != http.StatusBadGateway || !strings.Contains(rec.Body.String(), string(antiphon.CodeUnavailable)) {
		t.Error(rec.Code, rec.Body)
	}
}
