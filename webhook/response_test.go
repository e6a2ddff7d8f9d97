package webhook_test

import (
	"errors"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/poller/pollertest"
	"github.com/antiphon-go/antiphon/webhook"
	"github.com/antiphon-go/antiphon/webhook/webhooktest"
)

// S6: whatever is sent back, 16 KiB of it are read, as they came.
func TestS6_TheResponseIsReadUpToALimit(t *testing.T) {
	inTown(t, webhook.SenderOptions{Schedule: webhook.Schedule{Delays: []time.Duration{0}}}, func(b *town) {
		var before, now runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		for id, tt := range map[string]struct {
			step        webhooktest.Step
			least, most int // bytes that are kept
			within      time.Duration
		}{
			"small":    {webhooktest.Step{Body: "thanks"}, 6, 6, time.Second},
			"gigabyte": {webhooktest.Step{Bytes: 1 << 30}, 16 << 10, 16 << 10, time.Second},
			"bomb":     {webhooktest.Step{Bytes: 1 << 24, Gzip: true}, 1 << 10, 16 << 10, time.Second},
			"drip":     {webhooktest.Step{Bytes: 1 << 30, Drip: time.Second}, 0, 3, 4 * time.Second},
			"failure":  {webhooktest.Step{Status: 500, Bytes: 1 << 30}, 16 << 10, 16 << 10, time.Second},
		} {
			to := &webhooktest.Target{Steps: []webhooktest.Step{tt.step}}
			b.at(id, to)
			b.send(webhook.Message{ID: id, Endpoint: id})
			after(tt.within)
			a := b.log.Attempts(id, "")
			if len(a) != 1 {
				t.Fatalf("%s: %d attempts", id, len(a))
			}
			if n := len(a[0].Response); n < tt.least || n > tt.most || (a[0].Err == nil) != (tt.step.Status == 0) || a[0].Duration > tt.within {
				t.Errorf("%s: %d bytes of %d, %v after %v", id, n, a[0].Status, a[0].Err, a[0].Duration)
			}
			if tt.step.Gzip && !strings.HasPrefix(string(a[0].Response), "\x1f\x8b") {
				t.Error("it was decompressed")
			}
		}
		runtime.ReadMemStats(&now)
		if grown := now.TotalAlloc - before.TotalAlloc; grown > 64<<20 {
			t.Errorf("%d MiB were allocated", grown>>20)
		}
	})
}

func TestS6_TimeIsLimited(t *testing.T) {
	inTown(t, webhook.SenderOptions{Schedule: webhook.Schedule{Delays: []time.Duration{0}}}, func(b *town) {
		for id, tt := range map[string]struct {
			timeout, want time.Duration
			step          webhooktest.Step
		}{
			"header": {0, 10 * time.Second, webhooktest.Step{Hang: true}},
			"brief":  {3 * time.Second, 3 * time.Second, webhooktest.Step{Hang: true}},
			"cut":    {0, 0, webhooktest.Step{Cut: true}},
		} {
			b.at(id, &webhooktest.Target{Steps: []webhooktest.Step{tt.step}}, func(e *webhook.Endpoint) { e.Timeout = tt.timeout })
			b.send(webhook.Message{ID: id, Endpoint: id})
			after(20 * time.Second)
			a := b.log.Attempts(id, "")
			if len(a) != 1 || a[0].Duration != tt.want || a[0].Err == nil || a[0].Status != 0 {
				t.Errorf("%s: %+v", id, a)
			}
		}
		// A network that goes silent while the request is being sent.
		b.at("silent", &webhooktest.Target{})
		b.net.Fail(func(int) pollertest.Fault {
			return pollertest.Fault{Where: pollertest.Requests, After: 10, Stall: true}
		})
		b.send(webhook.Message{ID: "silent", Endpoint: "silent"})
		after(20 * time.Second)
		if a := b.log.Attempts("silent", ""); len(a) != 1 || a[0].Duration != 15*time.Second || antiphon.CodeOf(a[0].Err) != antiphon.CodeDeadlineExceeded {
			t.Errorf("%+v", a)
		}
		b.net.Fail(nil)
	})
}

// S8: nothing that is told has more of a URL than where it is.
func TestS8_NothingToldHasTheQuery(t *testing.T) {
	inTown(t, webhook.SenderOptions{Schedule: webhook.Schedule{Delays: []time.Duration{0}}}, func(b *town) {
		for id, s := range map[string]webhooktest.Step{
			"cut": {Cut: true}, "hang": {Hang: true}, "500": {Status: 500},
			"302": {Status: 302, Header: http.Header{"Location": {"http://hunter2.example/?hunter2"}}},
			"bad": {Status: 200, Header: http.Header{"Content-Length": {"-1"}}, Body: "x"},
		} {
			b.at(id, &webhooktest.Target{Steps: []webhooktest.Step{s}}, func(e *webhook.Endpoint) { e.URL += "?token=hunter2#hunter2" })
			b.send(webhook.Message{Endpoint: id})
		}
		after(time.Minute)
		if len(b.told("webhook.attempt")) != 5 {
			t.Error(b.told("webhook.attempt"))
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, e := range b.events {
			if e.Err != nil && strings.Contains(e.Err.Error(), "hunter2") || strings.Contains(e.Kind, "hunter2") {
				t.Error(e.Name, e.Kind, e.Err)
			}
		}
	})
}

// S1, over the whole sender: a name that stands for what it must not.
func TestS1_TheSenderIsGuarded(t *testing.T) {
	dns := &webhooktest.DNS{}
	dns.Set("inside.example", "8.8.8.8", "10.0.0.1", "127.0.0.1", "::ffff:169.254.169.254")
	s, err := webhook.NewSender(&webhook.SenderOptions{
		Egress:   webhook.Egress{Lookup: dns.Lookup, Deny: ranges("8.8.8.8/32")},
		Schedule: webhook.Schedule{Delays: []time.Duration{0, 0, 0, 0}},
		Log:      recordFunc(func(a webhook.Attempt) { attempts <- a }),
	})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(t.Context()) }()
	if err := s.Add(webhook.Endpoint{ID: "m1", URL: "https://inside.example/", Signer: stamp("x")}); err != nil {
		t.Fatal(err)
	}
	if err := s.Send(t.Context(), body("x")); err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		if a := <-attempts; !errors.Is(a.Err, webhook.ErrForbidden) || a.Peer != "" || a.Number != i+1 {
			t.Errorf("%+v", a)
		}
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if n := dns.Asked("inside.example"); n != 4 {
		t.Error("it was resolved", n, "times")
	}
}

var attempts = make(chan webhook.Attempt, 8)

func TestMemoryLog(t *testing.T) {
	l := &webhook.MemoryLog{Max: 3}
	if len(l.Attempts("", "")) != 0 {
		t.Error("it is not empty")
	}
	for i, m := range []string{"a", "b", "a", "c", "a"} {
		if err := l.Record(noContext, webhook.Attempt{Message: m, Endpoint: "e" + m, Number: i}); err != nil {
			t.Error(err)
		}
	}
	numbers := func(all []webhook.Attempt) (n []int) {
		for _, a := range all {
			n = append(n, a.Number)
		}
		return n
	}
	if n := numbers(l.Attempts("", "")); !slices.Equal(n, []int{2, 3, 4}) {
		t.Error(n)
	}
	if n := numbers(l.Attempts("a", "")); !slices.Equal(n, []int{2, 4}) {
		t.Error(n)
	}
	if n := numbers(l.Attempts("", "ec")); !slices.Equal(n, []int{3}) || len(l.Attempts("a", "ec")) != 0 {
		t.Error(n)
	}
}
