package poller_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
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

// A site is a server in a bubble, at http://site.test/jobs.
type site struct {
	t      *testing.T
	server *poller.Server
	mux    *http.ServeMux
}

// serving runs do with a server of f, which is shut down afterwards.
func serving[Q, R any](t *testing.T, f future.Func[Q, R], o *poller.ServerOptions, do func(t *testing.T, s *site)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := siteOf(t, poller.ServeFunc(f, o))
		defer func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			if err := s.server.Shutdown(ctx); err != nil {
				t.Error("shutdown:", err)
			}
		}()
		do(t, s)
	})
}

func siteOf(t *testing.T, server *poller.Server) *site {
	s := &site{t: t, server: server, mux: http.NewServeMux()}
	server.Mount(s.mux, "/jobs")
	return s
}

// What was served is what came back.
type served struct {
	*http.Response
	body []byte
}

func (a served) get(name string) string { return a.Header.Get(name) }

func (a served) String() string { return fmt.Sprintf("%s %v %s", a.Status, a.Header, a.body) }

// operation is the status in the answer.
func (a served) operation(t testing.TB) (op antiphon.Operation) {
	t.Helper()
	if err := json.Unmarshal(a.body, &op); err != nil {
		t.Fatalf("%v: %s", err, a)
	}
	return op
}

// problem is what is wrong, according to the answer.
func (a served) problem(t testing.TB) (p struct {
	Type, Title, Detail, Instance string
	Status                        int
	Error                         struct {
		antiphon.Error
		Target     string
		Innererror map[string]string
	}
}) {
	t.Helper()
	if a.get("Content-Type") != "application/problem+json" {
		t.Errorf("no problem: %s", a)
	}
	var parts struct{ Error json.RawMessage }
	if err := json.Unmarshal(a.body, &parts); err != nil {
		t.Fatalf("%v: %s", err, a)
	}
	type plain struct {
		Target     string
		Innererror map[string]string
	}
	var more plain
	if json.Unmarshal(parts.Error, &p.Error.Error) != nil || json.Unmarshal(parts.Error, &more) != nil {
		t.Fatalf("no error in %s", a)
	}
	p.Error.Target, p.Error.Innererror = more.Target, more.Innererror
	var outer struct {
		Type, Title, Detail, Instance string
		Status                        int
	}
	_ = json.Unmarshal(a.body, &outer)
	p.Type, p.Title, p.Detail, p.Instance, p.Status = outer.Type, outer.Title, outer.Detail, outer.Instance, outer.Status
	if p.Status != a.StatusCode || p.Error.Code == "" || p.Error.Message == "" || p.Title == "" {
		t.Errorf("incomplete: %s", a)
	}
	return p
}

// do sends a request; header is of names and values. A url without a host is of the site.
func (s *site) do(method, url, body string, header ...string) served {
	s.t.Helper()
	return s.send(s.request(method, url, body, header...))
}

func (s *site) request(method, url, body string, header ...string) *http.Request {
	if strings.HasPrefix(url, "/") {
		url = "http://site.test" + url
	}
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req := httptest.NewRequest(method, url, r)
	req = req.WithContext(s.t.Context())
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return req
}

func (s *site) send(req *http.Request) served {
	w := httptest.NewRecorder()
	s.mux.ServeHTTP(w, req)
	return served{w.Result(), w.Body.Bytes()}
}

// start is a POST that is answered with 202, for work that has begun.
func (s *site) start(body string, header ...string) served {
	s.t.Helper()
	a := s.do("POST", "/jobs", body, append([]string{"Prefer", "respond-async"}, header...)...)
	if a.StatusCode != http.StatusAccepted {
		s.t.Fatalf("not accepted: %s", a)
	}
	synctest.Wait() // until it has begun
	return a
}

func double(_ context.Context, n int) (int, error) { return 2 * n, nil }

// slowly takes so many seconds, or less if it is canceled.
func slowly(ctx context.Context, seconds int) (string, error) {
	select {
	case <-time.After(time.Duration(seconds) * time.Second):
		return "done", nil
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

func TestInlineWhenFast(t *testing.T) {
	serving(t, double, nil, func(t *testing.T, s *site) {
		a := s.do("POST", "/jobs", "21")
		if a.StatusCode != 200 || string(a.body) != "42" || a.get("Operation-Id") == "" || a.get("Operation-Location") != "" || a.get("Content-Type") != "application/json" {
			t.Error(a)
		}
	})
}

func TestAcceptedWhenSlow(t *testing.T) {
	serving(t, slowly, nil, func(t *testing.T, s *site) {
		begun := time.Now()
		a := s.do("POST", "/jobs", "10")
		if d := time.Since(begun); a.StatusCode != 202 || d != 500*time.Millisecond {
			t.Fatal(d, a)
		}
		op := a.operation(t)
		monitor := "http://site.test/jobs/operations/" + op.ID
		if a.get("Operation-Location") != monitor || a.get("Content-Location") != monitor || a.get("Location") != monitor+"/result" || a.get("Operation-Id") != op.ID {
			t.Error(a)
		}
		if a.get("Retry-After") != "1" || a.get("Retry-After-Ms") != "500" || a.get("Cache-Control") != "no-store" {
			t.Error(a)
		}
		if a = s.do("GET", monitor, ""); a.StatusCode != 200 || a.operation(t).State != antiphon.StateRunning {
			t.Error(a)
		}
		if a = s.do("GET", monitor+"/result", ""); a.StatusCode != 202 || a.get("Location") != monitor+"/result" {
			t.Error(a)
		}
		time.Sleep(11 * time.Second)
		if a = s.do("GET", monitor, ""); a.StatusCode != 200 || a.operation(t).State != antiphon.StateSucceeded {
			t.Error(a)
		}
		if a = s.do("GET", monitor+"/result", ""); a.StatusCode != 200 || string(a.body) != `"done"` {
			t.Error(a)
		}
	})
}
