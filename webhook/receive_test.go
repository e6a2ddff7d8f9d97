package webhook_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/webhook"
)

// A seal is a scheme as small as can be: X-Seal is a MAC of X-Id, X-Time and the body,
// or of the body alone where loose. It does not keep the promises of a real one.
type seal struct {
	loose bool // the id is not signed
	timed bool // the time is, all the same
}

var sealKey = []byte("the key of all seals in these tests")

func (s seal) mac(id, at string, body []byte) string {
	h := hmac.New(sha256.New, sealKey)
	if !s.loose {
		io.WriteString(h, id+"\x00")
	}
	if !s.loose || s.timed {
		io.WriteString(h, at+"\x00")
	}
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil))
}

func (s seal) Precheck(r webhook.Request) error {
	at, err := strconv.ParseInt(r.Header.Get("X-Time"), 10, 64)
	switch {
	case len(r.Header["X-Seal"]) != 1 || err != nil:
		return &webhook.RejectError{Reason: webhook.ReasonHeader}
	case r.At.Sub(time.Unix(at, 0)).Abs() > 5*time.Minute:
		return &webhook.RejectError{Reason: webhook.ReasonTimestamp}
	}
	return nil
}

func (s seal) Verify(_ context.Context, r webhook.Request) (webhook.Message, error) {
	if err := s.Precheck(r); err != nil {
		return webhook.Message{}, err
	}
	id, at := r.Header.Get("X-Id"), r.Header.Get("X-Time")
	if !hmac.Equal([]byte(s.mac(id, at, r.Body)), []byte(r.Header.Get("X-Seal"))) {
		return webhook.Message{}, &webhook.RejectError{Reason: webhook.ReasonSignature}
	}
	m := webhook.Message{ID: id, Type: r.Header.Get("X-Type"), IDSigned: !s.loose, Body: r.Body}
	if !s.loose || s.timed {
		sec, _ := strconv.ParseInt(at, 10, 64)
		m.Time = time.Unix(sec, 0)
	}
	return m, nil
}

// sealed is a push of body under id, signed now.
func (s seal) sealed(url, id, body string) *http.Request {
	r := httptest.NewRequest("POST", url, strings.NewReader(body))
	s.sign(r.Header, id, body)
	return r
}

func (s seal) sign(h http.Header, id, body string) {
	at := strconv.FormatInt(time.Now().Unix(), 10)
	h.Set("X-Id", id)
	h.Set("X-Time", at)
	h.Set("X-Seal", s.mac(id, at, []byte(body)))
}

// deadlined is a ResponseRecorder that takes deadlines, as a connection does.
type deadlined struct{ *httptest.ResponseRecorder }

func (deadlined) SetReadDeadline(time.Time) error { return nil }

// push serves one request, and returns the answer.
func push(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(deadlined{w}, r)
	return w
}

// A witness is an observer that remembers.
type witness struct {
	mu     sync.Mutex
	events []antiphon.Event
}

func (w *witness) observe(e antiphon.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, e)
}

func (w *witness) named(name string) (found []antiphon.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		if e.Name == name {
			found = append(found, e)
		}
	}
	return found
}

func (w *witness) names() (names []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		names = append(names, strings.TrimPrefix(e.Name, "webhook."))
	}
	return names
}

// bubble runs test in virtual time.
func bubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, test)
}

// noContext counts as context.Background.
var noContext context.Context

func nothing(context.Context, webhook.Message) error { return nil }

func TestHandlersOutcomes(t *testing.T) {
	sad := errors.New("sad")
	for name, tt := range map[string]struct {
		err   error
		does  func()
		want  int
		retry string
		event string
		again bool // another delivery is handled
	}{
		"nil":         {want: 204, event: "received"},
		"error":       {err: sad, want: 500, event: "received", again: true},
		"retry after": {err: antiphon.RetryAfter(sad, 90*time.Second+1), want: 503, retry: "91", event: "received", again: true},
		"soon":        {err: antiphon.RetryAfter(sad, 0), want: 503, retry: "1", event: "received", again: true},
		"gone":        {err: webhook.Gone(sad), want: 410, event: "received", again: true},
		"discard":     {err: webhook.Discard(sad), want: 204, event: "discarded"},
		"permanent":   {err: antiphon.Permanent(sad), want: 204, event: "discarded"},
		"unhandled":   {err: webhook.ErrUnhandled, want: 204, event: "unhandled"},
		"mad error":   {err: mad{}, want: 500, event: "received", again: true},
		"panic":       {does: func() { panic("oh") }, want: 500, event: "received", again: true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var w witness
				calls := 0
				r := webhook.NewReceiver(seal{}, func(ctx context.Context, m webhook.Message) error {
					calls++
					if info := antiphon.InfoFrom(ctx); info.ID != "m1" || info.Kind != "shop" || info.Key != m.Key() {
						t.Errorf("info is %+v", info)
					}
					if tt.does != nil {
						tt.does()
					}
					return tt.err
				}, &webhook.ReceiverOptions{Name: "shop", Observer: w.observe})
				a := push(r, seal{}.sealed("/", "m1", "body"))
				if a.Code != tt.want || a.Header().Get("Retry-After") != tt.retry || a.Body.Len() != 0 {
					t.Errorf("answered %d, Retry-After %q", a.Code, a.Header().Get("Retry-After"))
				}
				if e := w.named("webhook." + tt.event); len(e) != 1 || e[0].ID != "m1" || e[0].Kind != "shop" || (e[0].Err == nil) != (tt.want == 204 && tt.event == "received") {
					t.Errorf("observed %+v", w.events)
				}
				push(r, seal{}.sealed("/", "m1", "body"))
				if again := calls == 2; again != tt.again {
					t.Errorf("W9: handled again: %v", again)
				}
			})
		})
	}
}

// mad is an error whose methods panic.
type mad struct{}

func (mad) Error() string        { return "mad" }
func (mad) Is(target error) bool { panic("mad") }
