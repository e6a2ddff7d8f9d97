package poller_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/poller"
	"github.com/antiphon-go/antiphon/queue"
)

// The client says how long it waits for the result; the server, how long at the most.
func TestPreferSteersInline(t *testing.T) {
	o := &poller.ServerOptions{MaxWait: 20 * time.Second}
	serving(t, slowly, o, func(t *testing.T, s *site) {
		for _, c := range []struct {
			prefer, applied string
			status          int
			took            time.Duration
		}{
			{"", "", 202, 500 * time.Millisecond},
			{"respond-async", "respond-async", 202, 0},
			{"wait=0", "wait=0", 202, 0},
			{"wait=3", "wait=3", 202, 3 * time.Second},
			{"respond-async, wait=3", "wait=3", 202, 3 * time.Second},
			{"wait=15", "wait=15", 200, 10 * time.Second},
			{"wait=3600", "wait=20", 200, 10 * time.Second},
			{"wait=99999999999999999999999", "wait=20", 200, 10 * time.Second},
			{"Wait = \"2\" ; x=y, wait=9", "wait=2", 202, 2 * time.Second},
			{"wait=soon, wait=2", "wait=2", 202, 2 * time.Second},
			{"wait=-1", "", 202, 500 * time.Millisecond},
			{"respond-async=no", "", 202, 500 * time.Millisecond},
			{"handling=\"a, wait=3\"", "", 202, 500 * time.Millisecond},
			{";;,,=,\"", "", 202, 500 * time.Millisecond},
		} {
			begun := time.Now()
			a := s.do("POST", "/jobs", "10", "Prefer", c.prefer)
			if took := time.Since(begun); a.StatusCode != c.status || took != c.took || a.get("Preference-Applied") != c.applied {
				t.Errorf("%q: after %v, %s", c.prefer, took, a)
			}
		}
	})
}

// What ended badly is never an error of the transport; its answer names the operation.
func TestEndedBadlyInline(t *testing.T) {
	sold := &antiphon.Error{Code: antiphon.CodeUnavailable, Reason: "shop.sold_out", Message: "sold out", Details: map[string]string{"code": "7"}, RetryAfter: time.Minute}
	serving(t, func(_ context.Context, what string) (string, error) {
		switch what {
		case "panic":
			panic("oh")
		case "exit":
			runtime.Goexit()
		case "plain":
			return "", errors.New("no luck")
		}
		return "", antiphon.Permanent(sold)
	}, nil, func(t *testing.T, s *site) {
		for what, want := range map[string]error{"panic": future.ErrPanic, "exit": future.ErrGoexit, "plain": nil, "sold": sold} {
			a := s.do("POST", "/jobs", `"`+what+`"`)
			p := a.problem(t)
			at := "http://site.test/jobs/operations/" + a.get("Operation-Id")
			if a.StatusCode != 422 || a.get("Operation-Location") != at || p.Instance != at || a.get("Retry-After") != "" {
				t.Errorf("%s: %s", what, a)
			}
			if want != nil && !errors.Is(&p.Error.Error, want) {
				t.Errorf("%s: it is not %v: %s", what, want, a)
			}
			if what == "sold" && (p.Error.Innererror["code"] != "7" || p.Error.RetryAfter != time.Minute || !p.Error.Permanent || p.Detail != "sold out") {
				t.Error(a)
			}
			again := s.do("GET", at+"/result", "")
			if q := again.problem(t); again.StatusCode != 422 || q.Error.Code != p.Error.Code || q.Error.Reason != p.Error.Reason {
				t.Errorf("%s: the result is %s", what, again)
			}
			if op := s.do("GET", at, ""); op.StatusCode != 200 || op.operation(t).State != antiphon.StateFailed || op.operation(t).Err.Code != p.Error.Code {
				t.Errorf("%s: the status is %s", what, op)
			}
		}
	})
}

// The same key and body give the same operation, the same key and another body an error.
func TestIdempotencyKey(t *testing.T) {
	calls := 0
	serving(t, func(ctx context.Context, n int) (string, error) {
		calls++
		if key := antiphon.InfoFrom(ctx).Key; key != `a "b" \` {
			t.Errorf("the work has key %q", key)
		}
		return slowly(ctx, n)
	}, nil, func(t *testing.T, s *site) {
		key := `"a \"b\" \\";x=1`
		first := s.start("10", "Idempotency-Key", key)
		if second := s.start("10", "Idempotency-Key", key); second.get("Operation-Id") != first.get("Operation-Id") {
			t.Error(second)
		}
		if a := s.do("POST", "/jobs", "11", "Idempotency-Key", key); a.StatusCode != 422 || a.get("Operation-Id") != "" || a.problem(t).Error.Class != antiphon.ClassNotAccepted {
			t.Error(a)
		}
		time.Sleep(11 * time.Second)
		if a := s.do("POST", "/jobs", "10", "Idempotency-Key", key); a.StatusCode != 200 || string(a.body) != `"done"` {
			t.Error(a)
		}
		if calls != 1 {
			t.Errorf("%d calls", calls)
		}
	})
}

// The work learns of what travels with the request, and of nothing else.
func TestWhatTravels(t *testing.T) {
	var got antiphon.Info
	var deadline time.Time
	var told seenEvents
	o := &poller.ServerOptions{Name: "greet", Observer: told.observe, Headers: []string{"x-tenant", "x-none"}, Owner: func(*http.Request) (string, error) { return "me", nil }}
	serving(t, func(ctx context.Context, n int) (int, error) {
		got = antiphon.InfoFrom(ctx)
		deadline, _ = ctx.Deadline()
		return n, nil
	}, o, func(t *testing.T, s *site) {
		a := s.do("POST", "/jobs", "1", "traceparent", "00-1", "Tracestate", "a=b", "X-Tenant", "tenant!1", "Authorization", "secret", "Idempotency-Key", "bare", "Antiphon-Timeout-Ms", "1500")
		if a.StatusCode != 200 || got.ID != a.get("Operation-Id") || got.Kind != "greet" || got.Attempt != 1 || got.Key != "bare" || got.Header[poller.OwnerHeader] != "me" {
			t.Errorf("%+v %s", got, a)
		}
		if left := time.Until(deadline); left != 1500*time.Millisecond {
			t.Errorf("it has %v", left)
		}
		for name, want := range map[string]string{"traceparent": "00-1", "tracestate": "a=b", "x-tenant": "tenant!1", "authorization": "", "Authorization": ""} {
			if got.Header[name] != want {
				t.Errorf("%s is %q", name, got.Header[name])
			}
		}
		if a := s.do("GET", "/jobs/operations/"+got.ID, ""); a.operation(t).Metadata != nil || strings.Contains(string(a.body), "tenant!1") {
			t.Error(a)
		}
		events := told.named("poller.inline")
		if len(events) != 1 || !maps.Equal(antiphon.TraceFrom(events[0].Context), map[string]string{"traceparent": "00-1", "tracestate": "a=b"}) {
			t.Errorf("%+v", events)
		}
	})
}

// When the asker's patience is over, so is the operation.
func TestTimeoutTravels(t *testing.T) {
	serving(t, slowly, nil, func(t *testing.T, s *site) {
		a := s.do("POST", "/jobs", "10", "Prefer", "wait=60", "Antiphon-Timeout-Ms", "2000")
		if p := a.problem(t); a.StatusCode != 422 || p.Error.Code != antiphon.CodeDeadlineExceeded {
			t.Error(a)
		}
		for _, bad := range []string{"", "-1", "1.5", "soon"} {
			if a := s.do("POST", "/jobs", "0", "Antiphon-Timeout-Ms", bad); a.StatusCode != 400 || a.problem(t).Error.Target != "Antiphon-Timeout-Ms" {
				t.Errorf("%q: %s", bad, a)
			}
		}
		if a := s.do("POST", "/jobs", "0", "Antiphon-Timeout-Ms", "99999999999999999999"); a.StatusCode != 200 {
			t.Error(a)
		}
	})
}

// Beyond MaxRunning nothing is accepted; what is known already is.
func TestMaxRunning(t *testing.T) {
	serving(t, slowly, &poller.ServerOptions{MaxRunning: 2}, func(t *testing.T, s *site) {
		s.start("10", "Idempotency-Key", "k")
		s.start("10")
		a := s.do("POST", "/jobs", "1")
		if p := a.problem(t); a.StatusCode != 429 || a.get("Retry-After") != "1" || a.get("Retry-After-Ms") != "1000" || p.Error.Class != antiphon.ClassNotAccepted || p.Error.Reason != "queue.full" {
			t.Error(a)
		}
		s.start("10", "Idempotency-Key", "k")
		time.Sleep(11 * time.Second)
		if a := s.do("POST", "/jobs", "0"); a.StatusCode != 200 {
			t.Error(a)
		}
	})
}

func TestNothingToAnswer(t *testing.T) {
	serving(t, func(context.Context, struct{}) (struct{}, error) { return struct{}{}, nil }, nil, func(t *testing.T, s *site) {
		a := s.do("POST", "/jobs", "")
		if a.StatusCode != 204 || len(a.body) != 0 {
			t.Error(a)
		}
		if a := s.do("GET", "/jobs/operations/"+a.get("Operation-Id")+"/result", ""); a.StatusCode != 204 {
			t.Error(a)
		}
	})
}

// Server is behind whatever keeps operations: a queue, too.
func TestServeQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := queue.Memory(nil)
		q, err := queue.New[int, int]("doubles", b, &queue.Options{Capacity: 2})
		if err != nil {
			t.Fatal(err)
		}
		s := siteOf(t, poller.Serve(q.Operations(nil), nil))
		first, second := s.start("1"), s.start("2")
		if op := first.operation(t); op.State != antiphon.StateQueued || op.Kind != "doubles" {
			t.Error(first)
		}
		if a := s.do("POST", "/jobs", "3"); a.StatusCode != 429 {
			t.Error(a)
		}
		if a := s.do("DELETE", second.get("Operation-Location"), ""); a.StatusCode != 200 || a.operation(t).State != antiphon.StateCanceled {
			t.Error(a)
		}
		if a := s.do("GET", second.get("Location"), ""); a.StatusCode != 409 || a.problem(t).Error.Code != antiphon.CodeCanceled {
			t.Error(a)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- q.Work(ctx, double, nil) }()
		if a := s.do("GET", first.get("Location"), "", "Prefer", "wait=5"); a.StatusCode != 200 || string(a.body) != "2" {
			t.Error(a)
		}
		if err := s.server.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		_ = q.Close()
		_ = b.Close()
		if a := s.do("GET", first.get("Operation-Location"), ""); a.StatusCode != 503 || a.get("Retry-After") == "" {
			t.Error(a)
		}
	})
}

// An expired operation is Failed to clients that know of no other word.
func TestExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := queue.Memory(nil)
		q, err := queue.New[int, int]("doubles", b, nil)
		if err != nil {
			t.Fatal(err)
		}
		s := siteOf(t, poller.Serve(q.Operations(nil), nil))
		a := s.start("1", "Antiphon-Timeout-Ms", "1000")
		time.Sleep(2 * time.Second)
		if op := s.do("GET", a.get("Operation-Location"), "").operation(t); op.State != antiphon.StateFailed || !errors.Is(op.Err, queue.ErrExpired) {
			t.Errorf("%+v", op)
		}
		// What is shown as failed is listed as that.
		s.start("2")
		for query, want := range map[string]int{"state=failed": 1, "state=Failed&pageSize=1": 1, "state=expired": 1, "state=canceled": 0} {
			if l := s.do("GET", "/jobs/operations?"+query, "").list(t); len(l.Operations) != want || l.NextPageToken != "" && query == "state=failed" {
				t.Errorf("%s: %+v", query, l)
			}
		}
		if a := s.do("GET", a.get("Location"), ""); a.StatusCode != 422 || a.problem(t).Error.Code != antiphon.CodeDeadlineExceeded {
			t.Error(a)
		}
		_ = q.Close()
		_ = b.Close()
	})
}
