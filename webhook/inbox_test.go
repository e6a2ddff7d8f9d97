package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/webhook"
)

const answers = "https://shop.example/answers"

type receipt struct {
	No int `json:"no"`
}

// answered pushes body to url.
func answered(h http.Handler, url, contentType, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", url, strings.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	return push(h, r)
}

func expect[R any](t *testing.T, in *webhook.Inbox, ttl time.Duration) (string, *future.Future[R]) {
	t.Helper()
	url, f, err := webhook.Expect[R](in, ttl)
	if err != nil {
		t.Fatal(err)
	}
	return url, f
}

func TestInboxSettles(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var w witness
		in := webhook.NewInbox(answers+"/", &webhook.InboxOptions{Name: "answers", Observer: w.observe})
		url, f := expect[receipt](t, in, 0)
		if !strings.HasPrefix(url, answers+"/") || len(url) != len(answers)+1+38 || in.Pending() != 1 {
			t.Errorf("the URL is %s", url)
		}
		if a := answered(in, url, "application/json", `{"no":7}`); a.Code != 204 || a.Body.Len() != 0 {
			t.Errorf("answered %d", a.Code)
		}
		if v, err := f.Await(t.Context()); v.No != 7 || err != nil {
			t.Errorf("settled with %v %v", v, err)
		}
		for range 1000 { // more than a registry remembers
			u, _ := expect[receipt](t, in, 0)
			answered(in, u, "", `{}`)
		}
		if a := answered(in, url, "", `{"no":8}`); a.Code != 204 {
			t.Errorf("W5: a duplicate is answered with %d", a.Code)
		}
		if e := w.named("webhook.orphan"); len(e) != 1 || e[0].Kind != "answers" || e[0].Err == nil || e[0].ID == "" {
			t.Errorf("observed %+v", e)
		}
		for _, e := range w.events {
			if token := url[len(answers)+1:]; strings.Contains(fmt.Sprintf("%+v", e), token[:22]) {
				t.Errorf("W8: %v holds the token", e)
			}
		}
		if len(w.named("webhook.received")) != 1001 || in.Pending() != 0 {
			t.Errorf("%d are waited for", in.Pending())
		}
	})
}

func TestInboxEndings(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var w witness
		in := webhook.NewInbox(answers, &webhook.InboxOptions{Observer: w.observe})
		url, f := expect[receipt](t, in, time.Minute)
		began := time.Now()
		if _, err := f.Await(t.Context()); !errors.Is(err, callback.ErrExpired) || time.Since(began) != time.Minute {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		if a := answered(in, url, "", `{}`); a.Code != 204 || len(w.named("webhook.orphan")) != 1 {
			t.Errorf("after it expired: %d", a.Code)
		}
		url, f = expect[receipt](t, in, 0)
		_, kept := expect[receipt](t, in, 0)
		time.Sleep(59 * time.Minute)
		if a := answered(in, url, "", `{`); a.Code != 204 {
			t.Errorf("malformed: %d", a.Code)
		}
		if _, err := f.Await(t.Context()); antiphon.CodeOf(err) != antiphon.CodeDataLoss || antiphon.ClassOf(err) != antiphon.ClassUnknown {
			t.Errorf("malformed: %v", err)
		}
		why := errors.New("over")
		in.Close(why)
		in.Close(nil)
		if _, err := kept.Await(t.Context()); !errors.Is(err, callback.ErrClosed) || !errors.Is(err, why) {
			t.Errorf("closed: %v", err)
		}
		if _, _, err := webhook.Expect[receipt](in, 0); !errors.Is(err, callback.ErrClosed) {
			t.Errorf("closed: %v", err)
		}
		if a := answered(in, url, "", `{}`); a.Code != 204 {
			t.Errorf("closed: %d", a.Code)
		}
	})
}

func TestInboxStrays(t *testing.T) {
	bubble(t, func(t *testing.T) {
		other := webhook.NewInbox(answers, nil)
		in := webhook.NewInbox(answers, nil)
		url, f := expect[receipt](t, other, time.Hour)
		for range 2 {
			if a := answered(in, url, "", `{}`); a.Code != 503 || a.Header().Get("Retry-After") == "" {
				t.Errorf("young: %d", a.Code)
			}
			time.Sleep(59 * time.Second)
		}
		if a := answered(in, url, "", `{}`); a.Code != 410 {
			t.Errorf("not so young: %d", a.Code)
		}
		for _, bad := range []string{"", "/", "/x", url[len(answers):] + "A", "/" + strings.Repeat("A", 37) + "_", "/" + strings.Repeat("!", 38)} {
			if a := answered(in, answers+bad, "", `{}`); a.Code != 404 {
				t.Errorf("%q: %d", bad, a.Code)
			}
		}
		if a := push(in, httptest.NewRequest("GET", url, nil)); a.Code != 405 {
			t.Errorf("GET: %d", a.Code)
		}
		if _, done := f.Peek(); done {
			t.Error("settled")
		}
		other.Close(nil)
		<-f.Done()
		synctest.Wait()
	})
}

func TestInboxForwards(t *testing.T) {
	bubble(t, func(t *testing.T) {
		other := webhook.NewInbox(answers, nil)
		in := webhook.NewInbox(answers, &webhook.InboxOptions{Forward: func(ctx context.Context, m webhook.Message) error {
			if a := answered(other, answers+"/"+m.ID, m.Header.Get("Content-Type"), string(m.Body)); a.Code != 204 {
				return fmt.Errorf("status %d", a.Code)
			}
			return nil
		}})
		url, f := expect[receipt](t, other, time.Hour)
		if a := answered(in, url, "application/json", `{"no":9}`); a.Code != 204 {
			t.Errorf("answered %d", a.Code)
		}
		if v, err := f.Await(t.Context()); v.No != 9 || err != nil {
			t.Errorf("settled with %v %v", v, err)
		}
		third, _ := expect[receipt](t, webhook.NewInbox(answers, nil), time.Minute)
		if a := answered(in, third, "", `{}`); a.Code != 500 {
			t.Errorf("a third one's: %d", a.Code)
		}
		time.Sleep(time.Hour)
	})
}

func TestInboxSigned(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var w witness
		in := webhook.NewInbox(answers, &webhook.InboxOptions{Verifier: bent(func(r webhook.Request) (webhook.Message, error) {
			if !strings.HasPrefix(r.URL, answers+"/") || strings.Contains(r.URL, "evil") {
				t.Errorf("the URL to verify is %s", r.URL)
			}
			return seal{}.Verify(t.Context(), r)
		}), Observer: w.observe})
		url, f := expect[receipt](t, in, 0)
		r := httptest.NewRequest("POST", url, strings.NewReader(`{"no":1}`))
		r.Host = "evil.example"
		seal{}.sign(r.Header, "m", "another body")
		if a := push(in, r); a.Code != 401 {
			t.Errorf("forged: %d", a.Code)
		}
		if _, done := f.Peek(); done {
			t.Error("W1: a forged answer settled the future")
		}
		r = httptest.NewRequest("POST", url, strings.NewReader(`{"no":1}`))
		seal{}.sign(r.Header, "m", `{"no":1}`)
		if a := push(in, r); a.Code != 204 {
			t.Errorf("genuine: %d", a.Code)
		}
		if v, err := f.Await(t.Context()); v.No != 1 || err != nil {
			t.Errorf("settled with %v %v", v, err)
		}
	})
}

var errSoldOut = &antiphon.Error{Code: antiphon.CodeFailedPrecondition, Class: antiphon.ClassNotAccepted, Reason: "shop.sold_out", Message: "sold out", Details: map[string]string{"item": "x"}}

func TestInboxErrors(t *testing.T) {
	const op, problem = "application/vnd.antiphon.operation+json", "application/problem+json; charset=utf-8"
	for name, tt := range map[string]struct {
		contentType, body string
		code              antiphon.Code
		is                error
	}{
		"problem of a poller.Server": {problem, `{"type":"about:blank","status":409,"error":{"code":"failed_precondition","message":"sold out","reason":"shop.sold_out"}}`, antiphon.CodeFailedPrecondition, errSoldOut},
		"problem":                    {problem, `{"title":"No","status":403,"detail":"not you"}`, antiphon.CodePermissionDenied, nil},
		"problem without anything":   {problem, `{}`, antiphon.CodeUnknown, nil},
		"problem that is none":       {problem, `[`, antiphon.CodeUnknown, nil},
		"operation that failed":      {op, `{"id":"","status":"Failed","error":{"code":"failed_precondition","message":"sold out","reason":"shop.sold_out"}}`, antiphon.CodeFailedPrecondition, errSoldOut},
		"without a reason":           {op, `{"id":"","status":"Failed"}`, antiphon.CodeUnknown, nil},
		"operation that expired":     {op, `{"id":"","status":"Expired"}`, antiphon.CodeDeadlineExceeded, context.DeadlineExceeded},
		"operation that was ended":   {op, `{"id":"","status":"Canceled"}`, antiphon.CodeCanceled, context.Canceled},
		"operation that is none":     {op, `[]`, antiphon.CodeDataLoss, nil},
		"no result":                  {op, `{"id":"","status":"Succeeded","result":"text"}`, antiphon.CodeDataLoss, nil},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				in := webhook.NewInbox(answers, nil)
				url, f := expect[receipt](t, in, 0)
				if a := answered(in, url, tt.contentType, tt.body); a.Code != 204 {
					t.Errorf("answered %d", a.Code)
				}
				_, err := f.Await(t.Context())
				if err == nil || antiphon.CodeOf(err) != tt.code || tt.is != nil && !errors.Is(err, tt.is) {
					t.Errorf("failed with %v, of code %s", err, antiphon.CodeOf(err))
				}
			})
		})
	}
	for status, code := range map[int]antiphon.Code{400: "invalid_argument", 401: "unauthenticated", 404: "not_found", 409: "aborted", 429: "resource_exhausted", 500: "internal", 501: "unimplemented", 503: "unavailable", 504: "unavailable", 418: "invalid_argument", 200: "unknown"} {
		bubble(t, func(t *testing.T) {
			in := webhook.NewInbox(answers, nil)
			url, f := expect[receipt](t, in, 0)
			answered(in, url, problem, fmt.Sprintf(`{"status":%d}`, status))
			if _, err := f.Await(t.Context()); antiphon.CodeOf(err) != code {
				t.Errorf("%d: %v", status, err)
			}
		})
	}
}

func TestInboxOperations(t *testing.T) {
	bubble(t, func(t *testing.T) {
		in := webhook.NewInbox(answers, nil)
		url, f := expect[receipt](t, in, 0)
		const op = "application/vnd.antiphon.operation+json"
		if a := answered(in, url, op, `{"id":"x","status":"Running","percentComplete":50}`); a.Code != 204 {
			t.Errorf("answered %d", a.Code)
		}
		synctest.Wait()
		if _, done := f.Peek(); done {
			t.Error("an operation that is running settled the future")
		}
		m := webhook.Answer(receipt{3}, nil)
		answered(in, url, m.Header.Get("Content-Type"), string(m.Body))
		if v, err := f.Await(t.Context()); v.No != 3 || err != nil {
			t.Errorf("settled with %v %v", v, err)
		}
		url, f = expect[receipt](t, in, 0)
		m = webhook.Answer(receipt{}, fmt.Errorf("no more: %w", errSoldOut))
		answered(in, url, m.Header.Get("Content-Type"), string(m.Body))
		if _, err := f.Await(t.Context()); !errors.Is(err, errSoldOut) || antiphon.ClassOf(err) != antiphon.ClassNotAccepted {
			t.Errorf("settled with %v", err)
		}
		url, f = expect[receipt](t, in, 0)
		m = webhook.Answer(make(chan int), nil)
		answered(in, url, m.Header.Get("Content-Type"), string(m.Body))
		if _, err := f.Await(t.Context()); antiphon.CodeOf(err) != antiphon.CodeInvalidArgument {
			t.Errorf("settled with %v", err)
		}
		url, empty := expect[struct{}](t, in, 0)
		answered(in, url, op, `{"id":"","status":"Succeeded"}`)
		if _, err := empty.Await(t.Context()); err != nil {
			t.Errorf("settled with %v", err)
		}
	})
}

func TestInboxRaw(t *testing.T) {
	bubble(t, func(t *testing.T) {
		in := webhook.NewInbox(answers, &webhook.InboxOptions{Name: "raw"})
		url, raw := expect[[]byte](t, in, 0)
		answered(in, url, "text/plain", "\x00as it is")
		if v, err := raw.Await(t.Context()); string(v) != "\x00as it is" || err != nil {
			t.Errorf("%q %v", v, err)
		}
		url, all := expect[webhook.Message](t, in, 0)
		answered(in, url, "text/plain", "all")
		if m, err := all.Await(t.Context()); string(m.Body) != "all" || m.Endpoint != "raw" || m.Header.Get("Content-Type") != "text/plain" || err != nil {
			t.Errorf("%+v %v", m, err)
		}
	})
}

// wildJSON panics, and slowJSON takes its time.
type (
	wildJSON struct{}
	slowJSON struct{}
)

func (*wildJSON) UnmarshalJSON([]byte) error { panic("oh") }
func (*slowJSON) UnmarshalJSON([]byte) error { time.Sleep(time.Hour); return nil }

type goneJSON struct{}

func (*goneJSON) UnmarshalJSON([]byte) error { runtime.Goexit(); return nil }

func TestX7_InboxUserCode(t *testing.T) {
	bubble(t, func(t *testing.T) {
		in := webhook.NewInbox(answers, nil)
		url, wild := expect[wildJSON](t, in, 0)
		answered(in, url, "", `{}`)
		if _, err := wild.Await(t.Context()); !errors.Is(err, future.ErrPanic) {
			t.Errorf("settled with %v", err)
		}
		url, gone := expect[goneJSON](t, in, 0)
		answered(in, url, "", `{}`)
		if _, err := gone.Await(t.Context()); !errors.Is(err, future.ErrGoexit) {
			t.Errorf("settled with %v", err)
		}
		url, slow := expect[slowJSON](t, in, 0)
		hung := future.Map(slow, func(slowJSON) (int, error) { time.Sleep(time.Hour); return 0, nil })
		began := time.Now()
		if a := answered(in, url, "", `{}`); a.Code != 204 || time.Since(began) != 0 {
			t.Errorf("user code held up the answer: %d after %v", a.Code, time.Since(began))
		}
		if _, err := hung.Await(t.Context()); err != nil || time.Since(began) != 2*time.Hour {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

func TestX6_InboxIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		in := webhook.NewInbox(answers, &webhook.InboxOptions{MaxPending: 2, MaxBody: 10})
		expect[receipt](t, in, time.Minute)
		url, f := expect[receipt](t, in, time.Minute)
		if _, _, err := webhook.Expect[receipt](in, 0); !errors.Is(err, callback.ErrFull) {
			t.Errorf("%v", err)
		}
		if a := answered(in, url, "", `{"no":1234567}`); a.Code != 413 {
			t.Errorf("answered %d", a.Code)
		}
		<-f.Done()
		synctest.Wait()
	})
}

func TestX5_InboxMistakes(t *testing.T) {
	for name, in := range map[string]*webhook.Inbox{
		"no URL":      webhook.NewInbox("", nil),
		"a path":      webhook.NewInbox("/answers", nil),
		"a scheme":    webhook.NewInbox("ftp://shop.example/", nil),
		"a query":     webhook.NewInbox(answers+"?x", nil),
		"a user":      webhook.NewInbox("https://me@shop.example/", nil),
		"TTL":         webhook.NewInbox(answers, &webhook.InboxOptions{TTL: -1}),
		"MaxBody":     webhook.NewInbox(answers, &webhook.InboxOptions{MaxBody: -1}),
		"MaxPending":  webhook.NewInbox(answers, &webhook.InboxOptions{MaxPending: -1}),
		"Grace":       webhook.NewInbox(answers, &webhook.InboxOptions{Grace: -1}),
		"ReadTimeout": webhook.NewInbox(answers, &webhook.InboxOptions{ReadTimeout: -1}),
	} {
		if _, _, err := webhook.Expect[receipt](in, 0); antiphon.CodeOf(err) != antiphon.CodeInvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
		if a := answered(in, answers+"/x", "", `{}`); a.Code != 500 {
			t.Errorf("%s: answered %d", name, a.Code)
		}
		ask := webhook.Ask[int, int](in, func(context.Context, string, int) error { return nil })
		if _, err := ask(noContext, 1).Await(noContext); antiphon.CodeOf(err) != antiphon.CodeInvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
		in.Close(nil)
		if in.Pending() != 0 {
			t.Errorf("%s: something is waited for", name)
		}
	}
	in := webhook.NewInbox(answers, nil)
	if _, _, err := webhook.Expect[receipt](in, -1); antiphon.CodeOf(err) != antiphon.CodeInvalidArgument {
		t.Error(err)
	}
	if _, err := webhook.Ask[int, int](in, nil)(noContext, 1).Await(noContext); antiphon.CodeOf(err) != antiphon.CodeInvalidArgument || in.Pending() != 0 {
		t.Error(err)
	}
}

func TestAskFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		in := webhook.NewInbox(answers, &webhook.InboxOptions{TTL: time.Minute})
		down := errors.New("down")
		ask := func(send func(ctx context.Context) error) error {
			f := webhook.Ask[int, int](in, func(ctx context.Context, _ string, _ int) error { return send(ctx) })(t.Context(), 1)
			_, err := f.Await(noContext)
			return err
		}
		if err := ask(func(context.Context) error { return down }); err != down {
			t.Errorf("send failed: %v", err)
		}
		if err := ask(func(context.Context) error { panic("oh") }); !errors.Is(err, future.ErrPanic) {
			t.Errorf("send panicked: %v", err)
		}
		if err := ask(func(context.Context) error { runtime.Goexit(); return nil }); !errors.Is(err, future.ErrGoexit) {
			t.Errorf("send ended its goroutine: %v", err)
		}
		began := time.Now()
		if err := ask(func(ctx context.Context) error { <-ctx.Done(); time.Sleep(time.Nanosecond); return nil }); !errors.Is(err, callback.ErrExpired) || time.Since(began) != time.Minute {
			t.Errorf("nothing came: %v after %v", err, time.Since(began))
		}
		synctest.Wait()
		time.Sleep(time.Nanosecond)
	})
}

// What waits costs no goroutine, and about as much memory as the option says.
func TestInboxMemory(t *testing.T) {
	in := webhook.NewInbox(answers, nil)
	measure := func() (uint64, int) {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc, runtime.NumGoroutine()
	}
	const n = 20_000
	kept := make([]*future.Future[receipt], n)
	heap, goroutines := measure()
	for i := range kept {
		_, f, err := webhook.Expect[receipt](in, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		kept[i] = f
	}
	h, g := measure()
	each := (h - heap) / n
	t.Logf("%d bytes each", each)
	if each > 350 || g > goroutines+2 {
		t.Errorf("%d bytes each, %d goroutines more", each, g-goroutines)
	}
	in.Close(nil)
	for _, f := range kept {
		<-f.Done()
	}
}

// The URL of an answer is not told to observers by an inbox that passes it on.
func TestW8_TokensThatAreForwardedAreNotTold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var w witness
		other := webhook.NewInbox(answers, nil)
		url, _ := expect[receipt](t, other, 0)
		defer other.Close(nil)
		fails := errors.New("the replica is away")
		in := webhook.NewInbox(answers, &webhook.InboxOptions{Observer: w.observe,
			Forward: func(context.Context, webhook.Message) error { return fails }})
		if a := answered(in, url, "", `{}`); a.Code != 500 {
			t.Errorf("answered %d", a.Code)
		}
		token := url[len(answers)+1:]
		for _, e := range w.events {
			if strings.Contains(e.ID, token[:22]) {
				t.Errorf("%s tells the token", e.Name)
			}
		}
		if len(w.events) == 0 {
			t.Error("nothing is told")
		}
	})
}

// A signature covers the URL that was given out, all of it; and what is passed on is named
// by its token, once for all its deliveries.
func TestInboxVerifiesAndForwardsTheWholeURL(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var w witness
		calls, want := 0, ""
		in := webhook.NewInbox(answers, &webhook.InboxOptions{Observer: w.observe,
			Verifier: bent(func(r webhook.Request) (webhook.Message, error) {
				if r.URL != want {
					t.Errorf("the URL to verify is %s, not %s", r.URL, want)
				}
				return webhook.Message{Body: r.Body}, nil
			}),
			Forward: func(_ context.Context, m webhook.Message) error {
				if calls++; m.ID != want[len(answers)+1:] || !m.IDSigned {
					t.Errorf("passed on as %+v", m)
				}
				return nil
			}})
		other := webhook.NewInbox(answers, nil)
		defer other.Close(nil)
		want, _ = expect[receipt](t, other, 0)
		for _, body := range []string{`1`, `2`} {
			if a := answered(in, want, "", body); a.Code != 204 {
				t.Errorf("answered %d", a.Code)
			}
		}
		if calls != 1 {
			t.Errorf("passed on %d times", calls)
		}
	})
}

// The options are those of what is behind the inbox, and strays are told.
func TestInboxReadTimeoutAndStraysAreTold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var w witness
		in := webhook.NewInbox(answers, &webhook.InboxOptions{Observer: w.observe, ReadTimeout: time.Second})
		other := webhook.NewInbox(answers, nil)
		defer other.Close(nil)
		url, _ := expect[receipt](t, other, 0)
		if a := answered(in, url, "", `{}`); a.Code != 503 || len(w.named("webhook.orphan")) != 1 {
			t.Errorf("a stray: %d, told %v", a.Code, w.names())
		}
		time.Sleep(time.Minute) // the end of the default grace is not within it
		if a := answered(in, url, "", `{}`); a.Code != 410 {
			t.Errorf("answered %d", a.Code)
		}
		body, drip := io.Pipe()
		defer drip.Close()
		req := httptest.NewRequest("POST", url, body)
		rec, began := httptest.NewRecorder(), time.Now()
		if in.ServeHTTP(rec, req); rec.Code != 408 || time.Since(began) != time.Second {
			t.Errorf("%d after %v", rec.Code, time.Since(began))
		}
	})
}

// An operation that succeeded without a result is null.
func TestInboxOperationWithoutAResult(t *testing.T) {
	bubble(t, func(t *testing.T) {
		in := webhook.NewInbox(answers, nil)
		url, f := expect[*receipt](t, in, 0)
		answered(in, url, webhook.OperationContentType, `{"id":"","status":"Succeeded"}`)
		if v, err := f.Await(t.Context()); v != nil || err != nil {
			t.Errorf("settled with %v %v", v, err)
		}
	})
}

// The text of a problem is its detail, or else its title, and not all of it if it is long;
// an error in it that has no code is none.
func TestInboxProblemTexts(t *testing.T) {
	for body, want := range map[string]string{
		`{"title":"A","detail":"B","status":403}`:                    "problem: B",
		`{"title":"A","status":403}`:                                 "problem: A",
		`{"title":"A","status":403,"error":{"message":"C"}}`:         "problem: A",
		`{"title":"` + strings.Repeat("x", 5000) + `","status":403}`: "problem: " + strings.Repeat("x", 256),
	} {
		bubble(t, func(t *testing.T) {
			in := webhook.NewInbox(answers, nil)
			url, f := expect[receipt](t, in, 0)
			answered(in, url, "application/problem+json", body)
			_, err := f.Await(t.Context())
			if antiphon.CodeOf(err) != antiphon.CodePermissionDenied || !strings.HasSuffix(err.Error(), want) {
				t.Errorf("%.60s: %v", body, err)
			}
		})
	}
}

// Who expects nothing but that an answer comes takes any.
func TestInboxOfNoValue(t *testing.T) {
	bubble(t, func(t *testing.T) {
		in := webhook.NewInbox(answers, nil)
		url, f := expect[struct{}](t, in, 0)
		answered(in, url, "text/plain", "done")
		if _, err := f.Await(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
