package main

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/examples/observed/otelantiphon"
)

func TestMain(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out bytes.Buffer
	if err := demonstrate(ctx, &out); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "trace "); n != 1 {
		t.Errorf("%d traces, not one:\n%s", n, &out)
	}
	for _, want := range []string{"price by nats", "stock by webhook", ", attempt 2", "antiphon.events", `antiphon_events_total{code="unavailable",event="queue.retry",kind="price.memory"} 1`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
}

// told are the IDs that observers were told.
type told struct {
	mu  sync.Mutex
	ids map[string]bool
}

func (t *told) observe(e antiphon.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(e.ID) > 8 {
		t.ids[e.ID] = true
	}
}

// One question goes over every way, through a second attempt, and from each way on over
// every other: it is one trace, whose every span is below the one that asked.
func TestOneTraceOverEveryWay(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ids := told{ids: map[string]bool{}}
	h, err := open(ctx, ids.observe)
	closed := false
	defer func() {
		if !closed {
			_ = h.close()
		}
	}()
	if err != nil {
		t.Fatal(err)
	}
	outer := questions(t, h)
	root := otelantiphon.Serve(h.otel, "root", func(ctx context.Context, item string) (n int, err error) {
		for i, ask := range outer {
			if n, err = ask(ctx, item).Await(ctx); err != nil || n != 3 {
				t.Errorf("%s: %d %v", ways[i].name, n, err)
			}
		}
		return n, nil
	})
	if _, err := root(ctx, "tea"); err != nil {
		t.Fatal(err)
	}
	if err := h.flush(ctx); err != nil {
		t.Fatal(err)
	}
	spans := h.collector.spans
	byID := map[string]spanRecord{}
	for _, s := range spans {
		byID[s.id] = s
	}
	type counts struct{ calls, failed, retried, on, bare int }
	seen := map[string]*counts{}
	for _, way := range ways {
		seen[way.name] = &counts{}
	}
	for _, s := range spans {
		if s.trace != spans[0].trace {
			t.Fatalf("%s is of another trace", s.name)
		}
		over := byID[s.parent]
		what, way, _ := strings.Cut(s.name, " ")
		parent, parentWay, _ := strings.Cut(over.name, " ")
		right := false
		switch what + " below " + parent {
		case "root below ":
			right = s.parent == ""
		case "ask below root":
			right = !s.server
		case "outer below ask":
			right = s.server && way == parentWay
			seen[way].calls++
			if s.code != "" {
				seen[way].failed++
			}
			if s.attempt == 2 {
				seen[way].retried++
			}
		case "on below outer":
			right = !s.server
			seen[parentWay].on++
		case "inner below on":
			right = s.server && way == parentWay
		case "bare below outer": // who asks has no span of their own
			right = s.server
			seen[parentWay].bare++
		}
		if !right {
			t.Errorf("%q (a server's: %v) is below %q", s.name, s.server, over.name)
		}
	}
	for name, n := range seen {
		if n.calls != 2 || n.failed != 1 || n.on != len(ways) || n.bare != len(ways) {
			t.Errorf("%s: %+v", name, *n)
		}
		if slices.Contains([]string{"future", "memory", "sqlite", "webhook"}, name) && n.retried != 1 { // who repeats it
			t.Errorf("%s: no second attempt: %+v", name, *n)
		}
	}
	for _, name := range []string{"antiphon.ask.duration", "antiphon.serve.duration", "antiphon.events", "antiphon.event.duration"} {
		if !h.collector.metrics[name] {
			t.Errorf("no %s came over OTLP", name)
		}
	}
	checkPage(t, h, &ids)
	closed = true
	if err := h.close(); err != nil {
		t.Error(err)
	}
}

// questions opens every way to work that fails once and then asks on over every way:
// with a span of its own and without.
func questions(t *testing.T, h *house) (outer []question) {
	var on []question
	for _, way := range ways {
		for _, kind := range []string{"inner", "bare"} {
			inner, err := way.open(h, kind+"."+way.name, otelantiphon.Serve(h.otel, kind+" "+way.name, stock))
			if err != nil {
				t.Fatal(way.name, err)
			}
			if kind == "inner" {
				inner = otelantiphon.Ask(h.otel, "on "+way.name, inner)
			}
			on = append(on, inner)
		}
	}
	for _, way := range ways {
		var calls atomic.Int32
		ask, err := way.open(h, "outer."+way.name, otelantiphon.Serve(h.otel, "outer "+way.name, func(ctx context.Context, item string) (int, error) {
			if calls.Add(1) == 1 {
				return 0, antiphon.Errorf(antiphon.CodeUnavailable, "not yet")
			}
			var errs []error
			for _, ask := range on {
				_, err := ask(ctx, item).Await(ctx)
				errs = append(errs, err)
			}
			return len(item), errors.Join(errs...)
		}))
		if err != nil {
			t.Fatal(way.name, err)
		}
		outer = append(outer, otelantiphon.Ask(h.otel, "ask "+way.name, ask))
	}
	return outer
}

// checkPage looks for ids on the page for Prometheus, which has to be without.
func checkPage(t *testing.T, h *house, ids *told) {
	t.Helper()
	families, err := h.page.Gather()
	if err != nil {
		t.Fatal(err)
	}
	ids.mu.Lock()
	defer ids.mu.Unlock()
	if len(ids.ids) < len(ways) {
		t.Errorf("only %d ids were told", len(ids.ids))
	}
	series := 0
	for _, f := range families {
		for _, m := range f.GetMetric() {
			series++
			for _, l := range m.GetLabel() {
				for id := range ids.ids {
					if strings.Contains(l.GetValue(), id) {
						t.Errorf("%s has an id in label %s: %q", f.GetName(), l.GetName(), l.GetValue())
					}
				}
			}
		}
	}
	if series < 100 {
		t.Errorf("%d series", series)
	}
}
