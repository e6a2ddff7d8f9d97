package webhook_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/webhook"
)

// jobs is a queue of messages in memory that ends with the test.
func jobs(t *testing.T, o *queue.Options) *queue.Queue[webhook.Message, struct{}] {
	t.Helper()
	b := queue.Memory(nil)
	q, err := queue.New[webhook.Message, struct{}]("hooks", b, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close(); _ = b.Close() })
	return q
}

func TestEnqueue(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := jobs(t, &queue.Options{Capacity: 2, Overflow: queue.Reject})
		r := webhook.NewReceiver(seal{}, webhook.Enqueue(q, nil), &webhook.ReceiverOptions{Name: "shop"})
		for id, want := range map[string]int{"m1": 204, "m2": 204} {
			if a := push(r, seal{}.sealed("/", id, `{"no":1}`)); a.Code != want {
				t.Errorf("answered %d", a.Code)
			}
		}
		if a := push(r, seal{}.sealed("/", "m3", "x")); a.Code != 500 && a.Code != 503 {
			t.Errorf("full: answered %d", a.Code)
		}
		// Another process that has not seen m1 does not store it again.
		again := webhook.NewReceiver(seal{}, webhook.Enqueue(q, nil), &webhook.ReceiverOptions{Name: "shop"})
		if a := push(again, seal{}.sealed("/", "m1", `{"no":1}`)); a.Code != 204 && a.Code != 500 {
			t.Errorf("again: answered %d", a.Code)
		}
		if st, err := q.Stats(t.Context()); err != nil || st.Ready != 2 {
			t.Errorf("%+v %v", st, err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var got []webhook.Message
		ended := make(chan error, 1)
		go func() {
			ended <- q.Work(ctx, webhook.Work(func(_ context.Context, m webhook.Message) error {
				got = append(got, m)
				return nil
			}), &queue.WorkOptions{Concurrency: 1})
		}()
		time.Sleep(time.Second)
		stop()
		<-ended
		if len(got) != 2 || got[0].Endpoint != "shop" || string(got[0].Body) != `{"no":1}` || !got[0].IDSigned || got[0].Header.Get("X-Seal") == "" || got[0].Time.IsZero() {
			t.Errorf("%+v", got)
		}
	})
}

func TestEnqueueMistake(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := webhook.NewReceiver(seal{}, webhook.Enqueue(nil, nil), nil)
		if a := push(r, seal{}.sealed("/", "m1", "x")); a.Code != 500 {
			t.Errorf("answered %d", a.Code)
		}
	})
}

// What the handler says decides about the job.
func TestWorkVerdicts(t *testing.T) {
	sad := errors.New("sad")
	for name, tt := range map[string]struct {
		err   error
		calls int
		dead  int
	}{
		"nil":       {nil, 1, 0},
		"error":     {sad, 3, 1},
		"discard":   {webhook.Discard(sad), 1, 1},
		"gone":      {webhook.Gone(sad), 1, 1},
		"permanent": {antiphon.Permanent(sad), 1, 1},
		"unhandled": {webhook.ErrUnhandled, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				q := jobs(t, &queue.Options{Attempts: 3})
				if err := webhook.Enqueue(q, nil)(t.Context(), webhook.Message{ID: "m"}); err != nil {
					t.Fatal(err)
				}
				ctx, stop := context.WithCancel(t.Context())
				calls := 0
				ended := make(chan error, 1)
				go func() {
					ended <- q.Work(ctx, webhook.Work(func(context.Context, webhook.Message) error { calls++; return tt.err }), nil)
				}()
				time.Sleep(time.Hour)
				stop()
				<-ended
				st, err := q.Stats(t.Context())
				if calls != tt.calls || st.Dead != tt.dead || err != nil {
					t.Errorf("%d calls, %+v %v", calls, st, err)
				}
			})
		})
	}
}

// FuzzReceiver: whatever comes as a request, nothing reaches the handler, and the answer
// is one that there is, without a body.
func FuzzReceiver(f *testing.F) {
	f.Add("POST", "X-Seal", "00", "X-Time", "946684800", []byte("body"), int64(4))
	f.Add("GET", "Webhook-Request-Origin", "a", "Content-Type", "x", []byte(""), int64(-1))
	f.Add("OPTIONS", "Webhook-Request-Origin", "a.example", "Webhook-Request-Rate", "0", []byte(""), int64(1<<40))
	r := webhook.NewReceiver(webhook.CloudEvents(seal{}), func(context.Context, webhook.Message) error {
		panic("W1")
	}, &webhook.ReceiverOptions{MaxBody: 1000, Origins: []string{"a.example"}, Challenge: webhook.SlackChallenge})
	f.Fuzz(func(t *testing.T, method, name1, value1, name2, value2 string, body []byte, declared int64) {
		req := httptest.NewRequest("POST", "/", strings.NewReader(string(body)))
		req.Method = method
		req.Header[name1] = append(req.Header[name1], value1)
		req.Header[name2] = append(req.Header[name2], value2)
		req.ContentLength = declared
		switch a := push(r, req); a.Code {
		case 400, 401, 405, 413:
			if a.Body.Len() != 0 {
				t.Errorf("the answer has a body: %q", a.Body)
			}
		case 200:
			if method != "OPTIONS" || a.Body.Len() != 0 {
				t.Errorf("%s is answered with 200", method)
			}
		default:
			t.Errorf("answered %d", a.Code)
		}
	})
}

// FuzzInbox: whatever the path is, nothing settles what is not meant.
func FuzzInbox(f *testing.F) {
	f.Add("x", "application/json", []byte("{}"))
	f.Add(strings.Repeat("A", 38), "application/vnd.antiphon.operation+json", []byte("{}"))
	in := webhook.NewInbox(answers, nil)
	_, waiting, err := webhook.Expect[receipt](in, 1000*time.Hour)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, path, contentType string, body []byte) {
		req := httptest.NewRequest("POST", answers, strings.NewReader(string(body)))
		req.URL.Path = "/answers/" + path
		req.Header["Content-Type"] = []string{contentType}
		switch a := push(in, req); a.Code {
		case 404, 410, 503:
		case 204: // it has been acknowledged as an operation that goes on
			if !strings.Contains(contentType, "operation+json") {
				t.Errorf("answered 204")
			}
		default:
			t.Errorf("answered %d", a.Code)
		}
		if _, done := waiting.Peek(); done {
			t.Fatal("settled")
		}
		url, f, err := webhook.Expect[receipt](in, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if a := answered(in, url, contentType, string(body)); a.Code != 204 {
			t.Errorf("to the right URL: answered %d", a.Code)
		}
		if !strings.Contains(contentType, "operation+json") {
			<-f.Done()
		}
	})
}
