package webhook_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/poller"
	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/webhook"
	"github.com/antiphon-go/antiphon/webhook/webhooktest"
)

// working has jobs done whose outcomes b pushes.
func working(t *testing.T, b *town, f func(context.Context, int) (string, error)) (q *queue.Queue[int, string], end func()) {
	t.Helper()
	store := queue.Memory(nil)
	q, err := queue.New[int, string]("shrink", store, &queue.Options{Attempts: 2, Backoff: antiphon.Constant(time.Second), Ending: webhook.Push(b.Sender)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.t.Context())
	done := make(chan error, 1)
	go func() { done <- q.Work(ctx, f, nil) }()
	return q, func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		_ = q.Close()
		_ = store.Close()
	}
}

func operation(t *testing.T, p webhooktest.Pushed) (op antiphon.Operation) {
	t.Helper()
	if p.Header.Get("Content-Type") != webhook.OperationContentType {
		t.Error(p.Header)
	}
	if err := json.Unmarshal(p.Body, &op); err != nil {
		t.Error(err)
	}
	return op
}

func TestPush(t *testing.T) {
	inTown(t, webhook.SenderOptions{}, func(b *town) {
		back := &webhooktest.Target{}
		b.mu.Lock()
		b.targets["asker.example"] = back
		b.mu.Unlock()
		q, end := working(t, b, func(_ context.Context, n int) (string, error) {
			if n < 0 {
				return "", antiphon.Errorf(antiphon.CodeOutOfRange, "%d is negative", n)
			}
			if n == 0 {
				return "", errors.New("not yet")
			}
			return fmt.Sprint(n), nil
		})
		defer end()
		header := webhook.PushTo("http://asker.example/answers/token?q=1")
		header["tenant"] = "7"
		submit := func(n int, o *queue.SubmitOptions) string {
			job, err := q.Submit(b.t.Context(), n, o)
			if err != nil {
				t.Fatal(err)
			}
			after(time.Minute)
			return job.ID()
		}
		ok := submit(5, &queue.SubmitOptions{Header: header})
		refused := submit(-5, &queue.SubmitOptions{Header: header})
		dead := submit(0, &queue.SubmitOptions{Header: header})
		submit(6, nil) // nobody asked
		got := back.Pushed()
		if len(got) != 3 {
			t.Fatal(len(got))
		}
		op := operation(t, got[0])
		if op.ID != ok || op.Kind != "shrink" || op.State != antiphon.StateSucceeded || string(op.Result) != `"5"` || op.Metadata["tenant"] != "7" || op.Attempt != 1 || op.Percent != 100 {
			t.Errorf("%+v", op)
		}
		if strings.Contains(string(got[0].Body), "token") || got[0].Path != "/answers/token" {
			t.Error("who sees the operation may answer for others:", string(got[0].Body))
		}
		op = operation(t, got[1])
		if op.ID != refused || op.State != antiphon.StateFailed || op.Err == nil || op.Err.Code != antiphon.CodeOutOfRange || op.Attempt != 1 {
			t.Errorf("%+v", op)
		}
		op = operation(t, got[2]) // once, after the last attempt
		if op.ID != dead || op.State != antiphon.StateFailed || op.Attempt != 2 || !errors.Is(op.Err, queue.ErrDead) {
			t.Errorf("%+v", op)
		}
		for _, e := range b.told("webhook.delivered") {
			if e.Kind != "http://asker.example" || !strings.HasPrefix(e.ID, "op_") {
				t.Errorf("%+v", e)
			}
		}
	})
}

// Whoever starts an operation over HTTP can have its outcome pushed, and nobody sees where.
func TestPushToHeader(t *testing.T) {
	inTown(t, webhook.SenderOptions{}, func(b *town) {
		back := &webhooktest.Target{}
		b.mu.Lock()
		b.targets["asker.example"] = back
		b.mu.Unlock()
		q, end := working(t, b, func(_ context.Context, n int) (string, error) { return fmt.Sprint(n), nil })
		defer end()
		status := poller.Serve(q.Operations(nil), &poller.ServerOptions{Headers: []string{webhook.PushToHeader}})
		r := httptest.NewRequestWithContext(b.t.Context(), "POST", "/", strings.NewReader("5"))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set(webhook.PushToHeader, "http://asker.example/answers/token")
		w := httptest.NewRecorder()
		status.ServeHTTP(w, r)
		after(time.Minute)
		got := back.Pushed()
		if w.Code != http.StatusOK || len(got) != 1 || got[0].Path != "/answers/token" || string(operation(t, got[0]).Result) != `"5"` {
			t.Errorf("answered %d %s, pushed %+v", w.Code, w.Body, got)
		}
		seen := httptest.NewRecorder()
		status.ServeHTTP(seen, httptest.NewRequestWithContext(b.t.Context(), "GET", "/operations/"+operation(t, got[0]).ID, nil))
		if seen.Code != http.StatusOK || !strings.Contains(seen.Body.String(), `"Succeeded"`) || strings.Contains(seen.Body.String(), "token") {
			t.Errorf("%d: who sees the operation may answer for others: %s", seen.Code, seen.Body)
		}
		if err := status.Shutdown(b.t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// Who asks chooses the URL: it is judged, and a bad one holds up nothing.
func TestS1_PushIsGuarded(t *testing.T) {
	inTown(t, webhook.SenderOptions{}, func(b *town) {
		q, end := working(t, b, func(_ context.Context, n int) (string, error) { return strings.Repeat("x", n), nil })
		defer end()
		for _, url := range []string{"http://169.254.169.254/", "http://u:p@asker.example/", "gopher://x", "%zz"} {
			job, err := q.Submit(b.t.Context(), 1, &queue.SubmitOptions{Header: webhook.PushTo(url)})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := job.Await(b.t.Context()); err != nil {
				t.Error(url, err)
			}
		}
		big, _ := q.Submit(b.t.Context(), 1<<20-10, &queue.SubmitOptions{Header: webhook.PushTo("http://asker.example/")})
		if _, err := big.Await(b.t.Context()); err != nil {
			t.Error(err)
		}
		if e := b.told("webhook.dead"); len(e) != 5 {
			t.Error(e)
		}
		if dialed, _, _ := b.net.Traffic(); dialed != 0 {
			t.Error("it was connected to")
		}
	})
}

// A push that is not accepted has the work done again; one that is does arrive.
func TestPushIsAcceptedBeforeTheJobEnds(t *testing.T) {
	inTown(t, webhook.SenderOptions{Capacity: 1, Schedule: webhook.Schedule{Delays: []time.Duration{0, 30 * time.Second}}}, func(b *town) {
		back := &webhooktest.Target{Steps: []webhooktest.Step{{Status: 500}, {}}}
		b.mu.Lock()
		b.targets["asker.example"] = back
		b.mu.Unlock()
		b.at("slow", &webhooktest.Target{Steps: []webhooktest.Step{{Status: 500}}})
		b.send(webhook.Message{ID: "in the way", Endpoint: "slow"})
		after(time.Second) // it waits, and there is no room for more
		var worked atomic.Int32
		q, end := working(t, b, func(context.Context, int) (string, error) { worked.Add(1); return "done", nil })
		defer end()
		job, err := q.Submit(b.t.Context(), 1, &queue.SubmitOptions{Header: webhook.PushTo("http://asker.example/")})
		if err != nil {
			t.Fatal(err)
		}
		after(2 * time.Second)
		if _, ended := job.Future().Peek(); ended || worked.Load() < 2 {
			t.Error("the job has ended, and nobody will know", worked.Load())
		}
		after(10 * time.Minute) // that is given up, and there is room
		if n := len(back.Pushed()); n != 2 {
			t.Error(n)
		}
		if _, err := job.Await(b.t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// Callbacks to one host do not disturb those to another.
func TestS7_Callbacks(t *testing.T) {
	inTown(t, webhook.SenderOptions{Concurrency: 16, Callbacks: webhook.Endpoint{Concurrency: 2}}, func(b *town) {
		hang := &webhooktest.Target{Steps: []webhooktest.Step{{Hang: true}}}
		back := &webhooktest.Target{}
		b.mu.Lock()
		b.targets["hangs.example"], b.targets["asker.example"] = hang, back
		b.mu.Unlock()
		push := webhook.Push(b.Sender)
		for i := range 100 {
			for _, host := range []string{"hangs", "asker"} {
				err := push(b.t.Context(), antiphon.Operation{ID: fmt.Sprint(host, i), State: antiphon.StateSucceeded, Metadata: webhook.PushTo("http://" + host + ".example/")})
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		after(2 * time.Second)
		if n := len(back.Pushed()); n != 100 || hang.AtOnce() > 2 {
			t.Error(n, hang.AtOnce())
		}
		if n := webhook.CallbacksKnown(b.Sender); n != 2 {
			t.Error("known:", n)
		}
	})
}

// A host that answers well gets several callbacks at once also after a pause, however
// short: it need not earn that anew.
func TestS7_ACallbackHostKeepsItsTrust(t *testing.T) {
	inTown(t, webhook.SenderOptions{Callbacks: webhook.Endpoint{Concurrency: 4}}, func(b *town) {
		back := &webhooktest.Target{Steps: []webhooktest.Step{{Delay: time.Second}}}
		b.mu.Lock()
		b.targets["asker.example"] = back
		b.mu.Unlock()
		push := webhook.Push(b.Sender)
		for i := range 4 {
			for j := range 4 {
				err := push(b.t.Context(), antiphon.Operation{ID: fmt.Sprint(i, j), State: antiphon.StateSucceeded, Metadata: webhook.PushTo("http://asker.example/")})
				if err != nil {
					t.Fatal(err)
				}
			}
			after(time.Minute)
		}
		came := back.Pushed()
		if len(came) != 16 {
			t.Fatal(len(came), "came")
		}
		if d := came[15].At.Sub(came[12].At); d != 0 {
			t.Errorf("the last came %v after the first of those that were sent at once", d)
		}
	})
}

func TestX6_CallbacksKnownAreBounded(t *testing.T) {
	inTown(t, webhook.SenderOptions{}, func(b *town) {
		push := webhook.Push(b.Sender)
		for i := range 5000 {
			if err := push(b.t.Context(), antiphon.Operation{ID: fmt.Sprint(i), Metadata: webhook.PushTo(fmt.Sprintf("http://n%d.example/", i))}); err != nil {
				t.Fatal(err)
			}
		}
		after(4 * time.Second)
		if n := webhook.CallbacksKnown(b.Sender); n > 4096 || n < 4000 {
			t.Error(n)
		}
	})
}

// 410 of one callback is about that URL, and not about all of its host.
func TestS7_AGoneCallbackIsGoneAlone(t *testing.T) {
	inTown(t, webhook.SenderOptions{}, func(b *town) {
		var came []string
		b.mu.Lock()
		b.targets["asker.example"] = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			came = append(came, r.URL.Path)
			if r.URL.Path == "/ended" {
				w.WriteHeader(http.StatusGone)
			}
		})
		b.mu.Unlock()
		q, end := working(t, b, func(context.Context, int) (string, error) { return "done", nil })
		defer end()
		for _, path := range []string{"/ended", "/waiting"} {
			if _, err := q.Submit(b.t.Context(), 1, &queue.SubmitOptions{Header: webhook.PushTo("http://asker.example" + path)}); err != nil {
				t.Fatal(err)
			}
			after(time.Minute)
		}
		if len(came) != 2 || came[1] != "/waiting" {
			t.Errorf("came: %v", came)
		}
		if n := len(b.dead()); n != 1 {
			t.Errorf("%d are dead", n)
		}
	})
}

// A host of callbacks that was disabled is tried again now and then, and gets everything
// once it answers. Nobody could add it anew.
func TestADisabledCallbackHostComesBack(t *testing.T) {
	inTown(t, webhook.SenderOptions{DisableAfter: 2 * time.Hour, Schedule: webhook.Schedule{Delays: []time.Duration{0, time.Minute}}}, func(b *town) {
		var up atomic.Bool
		back := &webhooktest.Target{By: func(int, webhooktest.Pushed) webhooktest.Step {
			if up.Load() {
				return webhooktest.Step{}
			}
			return webhooktest.Step{Status: 500, Delay: time.Second}
		}}
		b.mu.Lock()
		b.targets["asker.example"] = back
		b.mu.Unlock()
		push, sent := webhook.Push(b.Sender), 0
		spend := func(d time.Duration) {
			for ; d > 0; d -= 10 * time.Minute {
				for range 3 {
					sent++
					if err := push(b.t.Context(), antiphon.Operation{ID: fmt.Sprint(sent), State: antiphon.StateSucceeded, Metadata: webhook.PushTo("http://asker.example/")}); err != nil {
						t.Fatal(err)
					}
				}
				after(10 * time.Minute)
			}
		}
		spend(3 * time.Hour)
		if n := len(b.told("webhook.disabled")); n != 1 {
			t.Fatalf("it was disabled %d times", n)
		}
		before := len(back.Pushed())
		spend(10 * time.Hour)
		if n := len(back.Pushed()) - before; n < 7 || n > 10 || back.AtOnce() != 1 {
			t.Errorf("in ten hours it was asked %d times, %d at once", n, back.AtOnce())
		}
		up.Store(true)
		spend(2 * time.Hour)
		before = len(b.told("webhook.delivered"))
		spend(time.Hour)
		if n := len(b.told("webhook.delivered")) - before; n != 18 {
			t.Errorf("of 18 there arrived %d", n)
		}
		if n := len(b.dead()) + len(b.told("webhook.delivered")); n != sent {
			t.Errorf("%d of %d are accounted for", n, sent)
		}
		if _, err := b.Recover(noContext, time.Time{}); err != nil {
			t.Fatal(err)
		}
		after(time.Hour)
		if n := len(b.told("webhook.delivered")); n != sent || len(b.dead()) != 0 {
			t.Errorf("in the end %d of %d arrived", n, sent)
		}
	})
}
