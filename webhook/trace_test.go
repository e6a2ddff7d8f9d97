package webhook_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/webhook"
	"github.com/antiphon-go/antiphon/webhook/webhooktest"
)

var traceOfAsker = map[string]string{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "a=b"}

// stamped accepts what a Sender has signed with stamp.
func stamped(r webhook.Request) (webhook.Message, error) {
	return webhook.Message{ID: r.Header.Get("Webhook-Id"), IDSigned: true}, nil
}

// A trace goes on from who submits a job, through its second attempt and its outcome,
// which is pushed twice, into the queue of whoever receives it, and into the work there.
func TestTraceGoesOnThroughPushes(t *testing.T) {
	var told witness
	inTown(t, webhook.SenderOptions{}, func(b *town) {
		inner := jobs(b.t.(*testing.T), &queue.Options{Backoff: antiphon.Constant(time.Second), Observer: told.observe})
		receiver := webhook.NewReceiver(bent(stamped), webhook.Enqueue(inner, nil), &webhook.ReceiverOptions{Observer: told.observe})
		var pushes atomic.Int32
		b.mu.Lock()
		b.targets["asker.example"] = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if pushes.Add(1) == 1 {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			receiver.ServeHTTP(w, r)
		})
		b.mu.Unlock()
		q, end := working(t, b, func(ctx context.Context, n int) (string, error) {
			if antiphon.InfoFrom(ctx).Attempt == 1 {
				return "", errors.New("not yet")
			}
			return "done", nil
		})
		defer end()
		var reached []map[string]string
		ctx, stop := context.WithCancel(b.t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- inner.Work(ctx, webhook.Work(func(ctx context.Context, _ webhook.Message) error {
				if reached = append(reached, antiphon.TraceFrom(ctx)); len(reached) == 1 {
					return errors.New("not yet")
				}
				return nil
			}), nil)
		}()
		job, err := q.Submit(antiphon.WithTrace(b.t.Context(), traceOfAsker), 1, &queue.SubmitOptions{Header: webhook.PushTo("http://asker.example/hook")})
		if err != nil {
			t.Fatal(err)
		}
		after(time.Hour)
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if v, err := job.Await(b.t.Context()); v != "done" || err != nil {
			t.Error(v, err)
		}
		if len(reached) != 2 {
			t.Fatalf("reached %d times, not twice", len(reached))
		}
		for _, got := range reached {
			if !maps.Equal(got, traceOfAsker) {
				t.Errorf("%v reached the work", got)
			}
		}
		events := append(b.told("webhook.attempt"), told.named("webhook.received")...)
		events = append(events, told.named("queue.retry")...)
		if len(events) != 4 {
			t.Errorf("%d events", len(events))
		}
		for _, e := range events {
			if got := antiphon.TraceFrom(e.Context); !maps.Equal(got, traceOfAsker) {
				t.Errorf("%s is told with %v", e.Name, got)
			}
		}
	})
}

// A trace that the message or the endpoint names counts, and nothing is made up.
func TestTraceOfASend(t *testing.T) {
	inTown(t, webhook.SenderOptions{}, func(b *town) {
		plain, own := &webhooktest.Target{}, &webhooktest.Target{}
		b.at("plain", plain)
		b.at("own", own, func(e *webhook.Endpoint) { e.Header = http.Header{"Traceparent": {"00-endpoint"}} })
		b.at("untraced", own, func(e *webhook.Endpoint) { e.Untraced = true })
		b.send(webhook.Message{Endpoint: "plain"})
		after(time.Second)
		traced := antiphon.WithTrace(b.t.Context(), traceOfAsker)
		for _, m := range []webhook.Message{
			{Endpoint: "plain"},
			{Endpoint: "plain", Header: http.Header{"traceparent": {"00-message"}}},
			{Endpoint: "own"},
			{Endpoint: "untraced"},
			{Endpoint: "untraced", Header: http.Header{"traceparent": {"00-message"}}},
		} {
			if err := b.Send(traced, m); err != nil {
				t.Fatal(err)
			}
			after(time.Second)
		}
		var got []string
		for _, p := range append(plain.Pushed(), own.Pushed()...) {
			got = append(got, p.Header.Get("Traceparent")+" "+p.Header.Get("Tracestate"))
		}
		want := []string{" ", traceOfAsker["traceparent"] + " a=b", "00-message ", "00-endpoint ", " ", "00-message "}
		if !slices.Equal(got, want) {
			t.Errorf("%q, not %q", got, want)
		}
	})
}

// What is delivered again is of the trace that it was sent in, whoever does that.
func TestTraceOfARedelivery(t *testing.T) {
	inTown(t, webhook.SenderOptions{}, func(b *town) {
		to := steps(410)
		b.at("m1", to)
		if err := b.Send(antiphon.WithTrace(b.t.Context(), traceOfAsker), webhook.Message{ID: "a", Endpoint: "m1"}); err != nil {
			t.Fatal(err)
		}
		after(time.Minute)
		b.Remove("m1")
		b.at("m1", to)
		b.send(webhook.Message{ID: "b", Endpoint: "m1"}) // is of none
		after(time.Minute)
		b.Remove("m1")
		now := &webhooktest.Target{}
		b.at("m1", now)
		mender := antiphon.WithTrace(b.t.Context(), map[string]string{"traceparent": "00-mender"})
		if n, err := b.Recover(mender, time.Time{}); n != 2 || err != nil {
			t.Fatal(n, err)
		}
		after(time.Minute)
		want := map[string]string{"a": traceOfAsker["traceparent"], "b": ""}
		for _, p := range now.Pushed() {
			if got := p.Header.Get("Traceparent"); got != want[p.Header.Get("Webhook-Id")] {
				t.Errorf("%s is delivered again with %q", p.Header.Get("Webhook-Id"), got)
			}
		}
		if len(now.Pushed()) != 2 {
			t.Errorf("%d pushes", len(now.Pushed()))
		}
	})
}

// An answer to an Inbox is told of with the trace it came with, once it is verified.
func TestTraceOfAnAnswer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var told witness
		in := webhook.NewInbox("https://shop.example/answers", &webhook.InboxOptions{Observer: told.observe})
		defer in.Close(nil)
		url, f := expect[int](t, in, time.Minute)
		r := httptest.NewRequest("POST", url, strings.NewReader("7"))
		r.Header.Set("traceparent", traceOfAsker["traceparent"])
		r.Header.Set("tracestate", traceOfAsker["tracestate"])
		if a := push(in, r); a.Code != 204 {
			t.Errorf("answered %d", a.Code)
		}
		if v, err := f.Await(t.Context()); v != 7 || err != nil {
			t.Error(v, err)
		}
		events := told.named("webhook.received")
		if len(events) != 1 || !maps.Equal(antiphon.TraceFrom(events[0].Context), traceOfAsker) {
			t.Errorf("%+v", events)
		}
	})
}
