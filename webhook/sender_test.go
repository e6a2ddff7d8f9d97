package webhook_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/webhook"
	"github.com/antiphon-go/antiphon/webhook/webhooktest"
)

func TestSendDelivers(t *testing.T) {
	inTown(t, webhook.SenderOptions{}, func(b *town) {
		to := &webhooktest.Target{}
		b.at("m1", to, func(e *webhook.Endpoint) { e.Header = http.Header{"X-Shop": {"7"}} })
		b.send(webhook.Message{ID: "order-1", Type: "order.paid", Body: []byte(`{"n":1}`), Header: http.Header{"x-trace": {"a"}, "Content-Length": {"99"}, "Webhook-Id": {"forged"}, "Host": {"evil.example"}}})
		after(time.Second)
		got := to.Pushed()
		if len(got) != 1 {
			t.Fatal("it came", len(got), "times")
		}
		p := got[0]
		if string(p.Body) != `{"n":1}` || p.Path != "/hook" || p.Header.Get("Webhook-Id") != "order-1" || !stamp("secret").holds(p) {
			t.Errorf("%+v", p)
		}
		if p.Header.Get("X-Shop") != "7" || p.Header.Get("X-Trace") != "a" || p.Header.Get("Content-Type") != "application/json" || p.Header.Get("User-Agent") == "" {
			t.Error(p.Header)
		}
		if e := b.told("webhook.delivered"); len(e) != 1 || e[0].Kind != "m1" || e[0].ID != "order-1" || e[0].Attempt != 1 {
			t.Error(e)
		}
		a := b.log.Attempts("order-1", "m1")
		if len(a) != 1 || a[0].Status != 204 || a[0].Err != nil || a[0].Peer == "" || a[0].Number != 1 || !a[0].Next.IsZero() || a[0].Type != "order.paid" {
			t.Errorf("%+v", a)
		}
	})
}

func TestFanOut(t *testing.T) {
	inTown(t, webhook.SenderOptions{}, func(b *town) {
		all := map[string]*webhooktest.Target{}
		for id, types := range map[string][]string{"all": nil, "star": {"*"}, "orders": {"order.*"}, "paid": {"a", "order.paid"}, "invoices": {"invoice.*"}, "or": {"order"}} {
			all[id] = &webhooktest.Target{}
			b.at(id, all[id], func(e *webhook.Endpoint) { e.Types = types })
		}
		b.send(body("x"))
		b.send(webhook.Message{ID: "m2", Type: "order.sent"})
		b.send(webhook.Message{Type: "nobody.cares", Endpoint: "or"}) // wanted or not
		after(time.Second)
		for id, want := range map[string]int{"all": 2, "star": 2, "orders": 2, "paid": 1, "invoices": 0, "or": 1} {
			if n := len(all[id].Pushed()); n != want {
				t.Errorf("%s got %d, not %d", id, n, want)
			}
		}
		if id := all["or"].Pushed()[0].Header.Get("Webhook-Id"); !strings.HasPrefix(id, "msg_") || len(id) < 20 {
			t.Error("it got no ID:", id)
		}
		if err := b.Send(noContext, webhook.Message{Endpoint: "who"}); !errors.Is(err, webhook.ErrNoEndpoint) {
			t.Error(err)
		}
	})
}

// S4: what changes from attempt to attempt is the time and the signature alone.
func TestS4_EveryAttemptIsTheSameMessage(t *testing.T) {
	inTown(t, webhook.SenderOptions{}, func(b *town) {
		to := steps(500, 503, 302, 404, 204)
		b.at("m1", to)
		b.send(body("the body"))
		after(24 * time.Hour)
		got := to.Pushed()
		if len(got) != 5 {
			t.Fatal(len(got))
		}
		seen := map[string]bool{}
		for _, p := range got {
			if p.Header.Get("Webhook-Id") != "m1" || string(p.Body) != "the body" || !stamp("secret").holds(p) {
				t.Errorf("%+v", p)
			}
			if p.Header.Get("Webhook-Timestamp") != itoa64(p.At.UnixNano()) {
				t.Error("the timestamp is not that of the attempt")
			}
			seen[p.Header.Get("Webhook-Signature")] = true
		}
		if len(seen) != 5 {
			t.Error("a signature came again")
		}
		if len(b.dead()) != 0 || len(b.told("webhook.delivered")) != 1 {
			t.Error("it was not delivered in the end")
		}
	})
}

// S5: the default schedule, to its end.
func TestS5_TheSchedule(t *testing.T) {
	inTown(t, webhook.SenderOptions{}, func(b *town) {
		to := steps(500)
		b.at("m1", to)
		begun := time.Now()
		b.send(body("x"))
		after(10 * 24 * time.Hour)
		got := to.Pushed()
		want := []time.Duration{0, 5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour}
		if len(got) != len(want) {
			t.Fatal("it was attempted", len(got), "times")
		}
		last := begun
		for i, p := range got {
			d := p.At.Sub(last)
			if d < want[i]*4/5 || d > want[i]*6/5+6*time.Minute { // it may have been left alone
				t.Errorf("attempt %d came after %v", i+1, d)
			}
			last = p.At
		}
		dead := b.dead()
		if len(dead) != 1 || dead[0].Message.ID != "m1" || dead[0].Attempts != 10 || dead[0].Err == nil || !dead[0].Accepted.Equal(begun) || string(dead[0].Message.Body) != "x" {
			t.Errorf("%+v", dead)
		}
		if e := b.told("webhook.dead"); len(e) != 1 || e[0].ID != "m1" || e[0].Kind != "m1" || e[0].Attempt != 10 {
			t.Error(e)
		}
		for i, a := range b.log.Attempts("m1", "") {
			if a.Next.IsZero() != (i == 9) {
				t.Errorf("attempt %d: next %v", i+1, a.Next)
			}
		}
	})
}

func TestS5_RetryAfter(t *testing.T) {
	for name, tt := range map[string]struct {
		header      string
		least, most time.Duration
	}{
		"longer":  {"60", time.Minute, time.Minute + time.Second},
		"shorter": {"1", 4 * time.Second, 6 * time.Second},
		"capped":  {"86400", time.Hour, time.Hour + time.Second},
		"endless": {strings.Repeat("9", 100), time.Hour, time.Hour + time.Second},
		"none":    {"-5", 4 * time.Second, 6 * time.Second},
		"words":   {"soon", 4 * time.Second, 6 * time.Second},
		"date":    {"Sat, 01 Jan 2000 00:02:00 GMT", 100 * time.Second, 121 * time.Second}, // bubbles begin in 2000
	} {
		t.Run(name, func(t *testing.T) {
			inTown(t, webhook.SenderOptions{}, func(b *town) {
				to := &webhooktest.Target{Steps: []webhooktest.Step{{Status: 503, Header: http.Header{"Retry-After": {tt.header}}}, {}}}
				b.at("m1", to)
				b.send(body("x"))
				after(5 * time.Hour)
				got := to.Pushed()
				if len(got) != 2 {
					t.Fatal(len(got))
				}
				if d := got[1].At.Sub(got[0].At); d < tt.least || d > tt.most {
					t.Errorf("it came again after %v", d)
				}
			})
		})
	}
}

func TestS2_ARedirectIsAFailure(t *testing.T) {
	inTown(t, webhook.SenderOptions{Schedule: webhook.Schedule{Delays: []time.Duration{0}}}, func(b *town) {
		elsewhere := &webhooktest.Target{}
		b.at("elsewhere", elsewhere)
		for _, status := range []int{301, 302, 303, 307, 308, 304, 300} {
			from := &webhooktest.Target{Steps: []webhooktest.Step{{Status: status, Header: http.Header{"Location": {"http://elsewhere.example/"}}}}}
			id := "r" + itoa(uint16(status))
			b.at(id, from)
			b.send(webhook.Message{ID: id, Endpoint: id})
			after(time.Second)
			if a := b.log.Attempts(id, ""); len(a) != 1 || a[0].Status != status || a[0].Err == nil || len(from.Pushed()) != 1 {
				t.Errorf("%d: %+v", status, a)
			}
		}
		if len(elsewhere.Pushed()) > 0 {
			t.Error("it was followed")
		}
	})
}

func TestGoneDisablesAtOnce(t *testing.T) {
	inTown(t, webhook.SenderOptions{}, func(b *town) {
		to, other := steps(410), &webhooktest.Target{}
		b.at("m1", to)
		b.at("m2", other)
		b.send(body("x"))
		after(time.Minute)
		e := b.told("webhook.disabled")
		if len(to.Pushed()) != 1 || len(e) != 1 || e[0].Kind != "m1" || e[0].Err == nil || len(b.dead()) != 1 {
			t.Error(len(to.Pushed()), e, b.dead())
		}
		if err := b.Send(noContext, webhook.Message{Endpoint: "m1"}); !errors.Is(err, webhook.ErrDisabled) {
			t.Error(err)
		}
		b.send(webhook.Message{ID: "m3", Type: "order.paid"}) // goes to the other alone
		after(time.Minute)
		if len(to.Pushed()) != 1 || len(other.Pushed()) != 2 {
			t.Error(len(to.Pushed()), len(other.Pushed()))
		}
		if n, err := b.Redeliver(noContext, "m1"); n != 0 || err != nil {
			t.Error("to one that is disabled:", n, err)
		}
		// Adding it again begins anew.
		b.Remove("m1")
		now := &webhooktest.Target{}
		b.at("m1", now)
		if n, err := b.Redeliver(noContext, "m1", "m1"); n != 1 || err != nil {
			t.Error(n, err)
		}
		after(time.Minute)
		if len(now.Pushed()) != 1 || len(b.dead()) != 0 {
			t.Error(len(now.Pushed()), b.dead())
		}
	})
}

func TestDisabledAfterFailingLongEnough(t *testing.T) {
	inTown(t, webhook.SenderOptions{DisableAfter: 24 * time.Hour}, func(b *town) {
		to := steps(500)
		b.at("m1", to)
		b.send(body("x"))
		b.send(webhook.Message{ID: "m2"})
		after(5 * 24 * time.Hour)
		e := b.told("webhook.disabled")
		if len(e) != 1 || e[0].Duration < 24*time.Hour || e[0].Duration > 36*time.Hour {
			t.Fatal(e)
		}
		for _, p := range to.Pushed() {
			if p.At.After(to.Pushed()[0].At.Add(e[0].Duration + time.Second)) {
				t.Error("it got something after that")
			}
		}
		for _, d := range b.dead() { // what waited is given up, and kept
			if !errors.Is(d.Err, webhook.ErrDisabled) && d.Attempts < 2 {
				t.Errorf("%+v", d)
			}
		}
		if len(b.dead()) != 2 {
			t.Error(b.dead())
		}
	})
}

func TestAddSaysWhatToChange(t *testing.T) {
	s, err := webhook.NewSender(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown(noContext)
	good := webhook.Endpoint{ID: "m1", URL: "https://shop.example/hooks", Signer: stamp("x")}
	for want, change := range map[string]func(*webhook.Endpoint){
		"Signer":         func(e *webhook.Endpoint) { e.Signer = nil },
		"Endpoint.ID":    func(e *webhook.Endpoint) { e.ID = "" },
		"PlainHTTP":      func(e *webhook.Endpoint) { e.URL = "http://shop.example/" },
		"user":           func(e *webhook.Endpoint) { e.URL = "https://u:p@shop.example/" },
		"Egress.Allow":   func(e *webhook.Endpoint) { e.URL = "https://10.0.0.1/" },
		"Egress.Ports":   func(e *webhook.Endpoint) { e.URL = "https://shop.example:8443/" },
		"no URL":         func(e *webhook.Endpoint) { e.URL = "https://%zz/" },
		"https://":       func(e *webhook.Endpoint) { e.URL = "" },
		"Concurrency":    func(e *webhook.Endpoint) { e.Concurrency = -1 },
		"Rate":           func(e *webhook.Endpoint) { e.Rate = -1 },
		"Timeout":        func(e *webhook.Endpoint) { e.Timeout = -1 },
		"Content-Length": func(e *webhook.Endpoint) { e.Header = http.Header{"content-length": {"1"}} },
		"control":        func(e *webhook.Endpoint) { e.Header = http.Header{"A": {"1\r\nB: 2"}} },
		"name":           func(e *webhook.Endpoint) { e.Header = http.Header{"a b": {"1"}} },
		"a.*":            func(e *webhook.Endpoint) { e.Types = []string{"ab*"} },
	} {
		e := good
		change(&e)
		err := s.Add(e)
		if antiphon.CodeOf(err) != antiphon.CodeInvalidArgument || antiphon.ClassOf(err) != antiphon.ClassNotAccepted || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if err := s.Add(good); err != nil {
		t.Fatal(err)
	}
	if err := s.Add(good); antiphon.CodeOf(err) != antiphon.CodeAlreadyExists || !strings.Contains(err.Error(), "Remove") {
		t.Error(err)
	}
	all := s.Endpoints()
	if len(all) != 1 || all[0].Concurrency != 4 || all[0].Timeout != 15*time.Second {
		t.Errorf("%+v", all)
	}
	if !s.Remove("m1") || s.Remove("m1") || len(s.Endpoints()) != 0 {
		t.Error("Remove")
	}
}

func TestX5_OptionsThatCannotBeMeant(t *testing.T) {
	for _, o := range []webhook.SenderOptions{
		{Capacity: -1}, {Concurrency: -1}, {BreakAfter: -1}, {DisableAfter: -1}, {Schedule: webhook.Schedule{Delays: []time.Duration{-1}}},
		{Name: strings.Repeat("x", 200)}, {Callbacks: webhook.Endpoint{Timeout: -1}},
	} {
		if s, err := webhook.NewSender(&o); antiphon.CodeOf(err) != antiphon.CodeInvalidArgument || s != nil {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func TestX6_LimitsOfSend(t *testing.T) {
	inTown(t, webhook.SenderOptions{Capacity: 2}, func(b *town) {
		b.at("m1", &webhooktest.Target{Steps: []webhooktest.Step{{Hang: true}}})
		for _, m := range []webhook.Message{
			{Body: make([]byte, 1<<20+1)}, {ID: strings.Repeat("x", 257)}, {Type: strings.Repeat("x", 257)},
			{Header: http.Header{"A": {"1\n2"}}}, {Header: http.Header{"A": {strings.Repeat("x", 17<<10)}}},
		} {
			if err := b.Send(noContext, m); antiphon.ClassOf(err) != antiphon.ClassNotAccepted {
				t.Errorf("%.40v: %v", m, err)
			}
		}
		if err := b.Send(noContext, webhook.Message{Body: make([]byte, 1<<20+1)}); !errors.Is(err, antiphon.ErrTooLarge) {
			t.Error(err)
		}
		b.send(webhook.Message{Body: make([]byte, 1<<20)})
		after(time.Millisecond) // it is under way, and does not wait
		var err error
		n := 0
		for ; err == nil && n < 10; n++ {
			err = b.Send(noContext, webhook.Message{})
			synctest.Wait() // it waits for the first
		}
		if !errors.Is(err, queue.ErrFull) || n != 3 {
			t.Error(n, err)
		}
	})
}

func TestTheSameIDIsSentOnce(t *testing.T) {
	inTown(t, webhook.SenderOptions{}, func(b *town) {
		to := &webhooktest.Target{}
		b.at("m1", to)
		b.send(body("x"))
		b.send(body("x"))
		after(time.Minute)
		b.send(body("x"))
		if err := b.Send(noContext, body("y")); !errors.Is(err, queue.ErrKeyReused) {
			t.Error(err)
		}
		after(time.Minute)
		if n := len(to.Pushed()); n != 1 {
			t.Error(n)
		}
	})
}

func TestOrdered(t *testing.T) {
	inTown(t, webhook.SenderOptions{}, func(b *town) {
		var failed atomic.Bool
		ordered := &webhooktest.Target{By: func(n int, p webhooktest.Pushed) webhooktest.Step {
			if string(p.Body) == "2" && failed.CompareAndSwap(false, true) {
				return webhooktest.Step{Status: 500}
			}
			return webhooktest.Step{Delay: time.Second}
		}}
		other := &webhooktest.Target{}
		b.at("ordered", ordered, func(e *webhook.Endpoint) { e.Ordered = true })
		b.at("other", other)
		for _, n := range []string{"0", "1", "2", "3", "4", "5"} {
			b.send(webhook.Message{ID: "m" + n, Body: []byte(n)})
		}
		after(2 * time.Second)
		if n := len(other.Pushed()); n != 6 {
			t.Error("the order of one holds up another:", n)
		}
		after(time.Hour)
		var got []string
		for _, p := range ordered.Pushed() {
			got = append(got, string(p.Body))
		}
		if !slices.Equal(got, []string{"0", "1", "2", "2", "3", "4", "5"}) || ordered.AtOnce() != 1 {
			t.Error(got, ordered.AtOnce())
		}
	})
}

// A line end in what may become a field of the header is refused at once.
func TestSendRefusesControlCharacters(t *testing.T) {
	inTown(t, webhook.SenderOptions{}, func(b *town) {
		b.at("shop", &webhooktest.Target{})
		for _, m := range []webhook.Message{{ID: "a\r\nX-Evil: 1"}, {Type: "a\nb"}} {
			if err := b.Send(t.Context(), m); antiphon.CodeOf(err) != antiphon.CodeInvalidArgument {
				t.Errorf("%q: %v", m.ID+m.Type, err)
			}
		}
	})
}

// Which endpoint a message goes to is not to be mistaken, whatever the names are.
func TestNamesWithBlanksAreToldApart(t *testing.T) {
	inTown(t, webhook.SenderOptions{}, func(b *town) {
		one, other := &webhooktest.Target{}, &webhooktest.Target{}
		b.at("a", one)
		b.at("a b", other, func(e *webhook.Endpoint) { e.URL = "http://a.example/hook" })
		b.send(webhook.Message{Endpoint: "a", ID: "b c", Body: []byte("{}")})
		if err := b.Send(t.Context(), webhook.Message{Endpoint: "a b", ID: "c", Body: []byte("{}")}); err != nil {
			t.Error(err)
		}
		after(time.Second)
		if n := len(one.Pushed()); n != 2 {
			t.Errorf("%d came", n)
		}
	})
}

// What Endpoints returns is the caller's.
func TestEndpointsAreCopies(t *testing.T) {
	inTown(t, webhook.SenderOptions{}, func(b *town) {
		b.at("shop", &webhooktest.Target{}, func(e *webhook.Endpoint) {
			e.Header, e.Types = http.Header{"X-A": {"1"}}, []string{"a"}
		})
		e := b.Endpoints()[0]
		e.Header.Set("X-A", "2")
		e.Types[0] = "b"
		if e = b.Endpoints()[0]; e.Header.Get("X-A") != "1" || e.Types[0] != "a" {
			t.Errorf("%v %v", e.Header, e.Types)
		}
	})
}
