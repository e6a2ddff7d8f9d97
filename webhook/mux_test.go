package webhook_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/webhook"
)

// routes is a mux whose handlers note their pattern.
func routes(patterns ...string) (x *webhook.Mux, took func(kind string) string) {
	x = new(webhook.Mux)
	var last string
	for _, p := range patterns {
		webhook.On(x, p, func(_ context.Context, _ []byte, m webhook.Message) error { last = p; return nil })
	}
	return x, func(kind string) string {
		last = ""
		if err := x.Handle(context.Background(), webhook.Message{Type: kind}); err != nil {
			return err.Error()
		}
		return last
	}
}

func TestMuxPatterns(t *testing.T) {
	patterns := []string{"*", "invoice.*", "invoice.paid", "invoice.line.*", "inv*", "orders/create", "invoice."}
	want := map[string]string{
		"invoice.paid": "invoice.paid", "invoice.paid.twice": "invoice.*", "invoice.line.added": "invoice.line.*", "invoice.": "invoice.",
		"invoice": "inv*", "orders/create": "orders/create", "orders/delete": "*", "": "*", "Invoice.paid": "*", "x*": "*",
	}
	for range 2 {
		_, took := routes(patterns...)
		for kind, pattern := range want {
			if got := took(kind); got != pattern {
				t.Errorf("%q is handled by %q, not %q", kind, got, pattern)
			}
		}
		for i, j := 0, len(patterns)-1; i < j; i, j = i+1, j-1 { // the order does not matter
			patterns[i], patterns[j] = patterns[j], patterns[i]
		}
	}
	x, _ := routes("a", "b.*")
	for _, kind := range []string{"", "b", "c"} {
		if err := x.Handle(context.Background(), webhook.Message{Type: kind}); !errors.Is(err, webhook.ErrUnhandled) {
			t.Errorf("%q: %v", kind, err)
		}
	}
	if err := new(webhook.Mux).Handle(noContext, webhook.Message{Type: "a"}); !errors.Is(err, webhook.ErrUnhandled) {
		t.Errorf("zero value: %v", err)
	}
}

func TestX5_MuxMistakes(t *testing.T) {
	for _, patterns := range [][]string{{""}, {"a*b"}, {"**"}, {"*a"}, {"a", "a"}, {"a.*", "a.*"}, {"*", "*"}} {
		x, _ := routes(append([]string{"good"}, patterns...)...)
		err := x.Handle(context.Background(), webhook.Message{Type: "good"})
		if antiphon.CodeOf(err) != antiphon.CodeInvalidArgument {
			t.Errorf("%q: %v", patterns, err)
		}
		bubble(t, func(t *testing.T) { // nothing is lost for it
			r := webhook.NewReceiver(seal{}, x.Handle, nil)
			if a := push(r, seal{}.sealed("/", "m", "x")); a.Code != 500 {
				t.Errorf("%q: answered %d", patterns, a.Code)
			}
		})
	}
	var x webhook.Mux
	webhook.On[int](&x, "a", nil)
	if err := x.Handle(noContext, webhook.Message{Type: "a"}); antiphon.CodeOf(err) != antiphon.CodeInvalidArgument {
		t.Errorf("nil function: %v", err)
	}
}

func TestMuxDecodes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var w witness
		var x webhook.Mux
		var got receipt
		webhook.On(&x, "paid", func(_ context.Context, v receipt, m webhook.Message) error {
			if got = v; m.Type != "paid" {
				t.Errorf("the type is %q", m.Type)
			}
			return nil
		})
		r := webhook.NewReceiver(seal{}, x.Handle, &webhook.ReceiverOptions{Observer: w.observe})
		for i, tt := range []struct{ body, events string }{
			{`{"no":5,"type":"paid"}`, "[received]"},
			{`{"no":"five","type":"paid"}`, "[discarded]"},
			{`{"no":5,"type":"paid"`, "[discarded]"},
			{`{"no":5,"type":"unknown"}`, "[unhandled]"},
			{`5`, "[unhandled]"},
		} {
			w.events = nil
			if a := push(r, seal{}.sealed("/", fmt.Sprint(i), tt.body)); a.Code != 204 || fmt.Sprint(w.names()) != tt.events {
				t.Errorf("%s: %d, observed %v", tt.body, a.Code, w.names())
			}
		}
		if got.No != 5 {
			t.Errorf("decoded %+v", got)
		}
	})
}

func TestMuxTypeOf(t *testing.T) {
	x := &webhook.Mux{TypeOf: func(m webhook.Message) string { return m.Header.Get("X-Event") }, Codec: antiphon.JSON{MaxSize: 8}}
	var got any
	webhook.On(x, "a", func(_ context.Context, v json.RawMessage, _ webhook.Message) error { got = string(v); return nil })
	m := webhook.Message{Type: "b", Body: []byte(`{}`), Header: map[string][]string{"X-Event": {"a"}}}
	if err := x.Handle(context.Background(), m); err != nil || got != `{}` {
		t.Errorf("%v %v", got, err)
	}
	m.Body = []byte(`{"a":12345}`)
	if err := x.Handle(context.Background(), m); !errors.Is(err, antiphon.ErrTooLarge) {
		t.Errorf("over the codec's limit: %v", err)
	}
}

// Handlers may come while messages do.
func TestX1_MuxWhileServing(t *testing.T) {
	x, _ := routes("a")
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for j := range 200 {
				webhook.On(x, fmt.Sprintf("t%d.%d", i, j), func(context.Context, int, webhook.Message) error { return nil })
				webhook.On(x, fmt.Sprintf("t%d.%d.*", i, j), func(context.Context, int, webhook.Message) error { return nil })
				if err := x.Handle(noContext, webhook.Message{Type: fmt.Sprintf("t%d.%d.x", i, j), Body: []byte("1")}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// FuzzMuxPattern holds the mux against the sentence that says what a pattern matches.
func FuzzMuxPattern(f *testing.F) {
	f.Add("invoice.*", "invoice.paid", "invoice.paid")
	f.Add("*", "a*", "abc")
	f.Add("a*b", "", "a")
	f.Fuzz(func(t *testing.T, p, q, kind string) {
		valid := func(p string) bool {
			return p != "" && strings.Count(p, "*") <= 1 && strings.Index(p+"*", "*") >= len(p)-1
		}
		match := func(p string) int { // how well, or -1
			prefix, wild := strings.CutSuffix(p, "*")
			switch {
			case !wild && p == kind:
				return 1 << 30
			case wild && strings.HasPrefix(kind, prefix):
				return len(prefix)
			}
			return -1
		}
		_, took := routes(p, q)
		got := took(kind)
		if m := (webhook.Message{Type: kind}); kind == "" && m.Type == "" {
			return // the type is sought in the body
		}
		switch {
		case !valid(p) || !valid(q) || p == q:
			if !strings.Contains(got, "webhook: On(") {
				t.Errorf("%q and %q are no mistake: %q", p, q, got)
			}
		case match(p) < 0 && match(q) < 0:
			if got != webhook.ErrUnhandled.Error() {
				t.Errorf("%q is handled by %q", kind, got)
			}
		default:
			want := p
			if match(q) > match(p) {
				want = q
			}
			if got != want {
				t.Errorf("%q is handled by %q, not %q", kind, got, want)
			}
		}
	})
}

// Of several mistakes the first is told.
func TestX5_MuxTellsTheFirstMistake(t *testing.T) {
	x, _ := routes("", "a*b")
	if err := x.Handle(noContext, webhook.Message{Type: "a"}); err == nil || !strings.Contains(err.Error(), `""`) {
		t.Error(err)
	}
}
