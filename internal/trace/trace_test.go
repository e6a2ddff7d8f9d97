package trace_test

import (
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/internal/trace"
)

type of = map[string]string

func TestOf(t *testing.T) {
	long := strings.Repeat("x", 2<<10)
	for name, c := range map[string]struct {
		h    http.Header
		want of
	}{
		"nothing":          {nil, nil},
		"both":             {http.Header{"Traceparent": {"00-1"}, "Tracestate": {"a=b"}}, of{"traceparent": "00-1", "tracestate": "a=b"}},
		"state in parts":   {http.Header{"Traceparent": {"00-1"}, "Tracestate": {"a=b", "c=d"}}, of{"traceparent": "00-1", "tracestate": "a=b,c=d"}},
		"repeated":         {http.Header{"Traceparent": {"00-1", "00-2"}}, nil},
		"empty":            {http.Header{"Traceparent": {""}, "Tracestate": {"a=b"}}, nil},
		"state alone":      {http.Header{"Tracestate": {"a=b"}}, nil},
		"too long":         {http.Header{"Traceparent": {long}}, nil},
		"state too long":   {http.Header{"Traceparent": {"00-1"}, "Tracestate": {long}}, of{"traceparent": "00-1"}},
		"nothing of other": {http.Header{"Traceparent": {"00-1"}, "Authorization": {"x"}}, of{"traceparent": "00-1"}},
	} {
		if got := trace.Of(c.h); !maps.Equal(got, c.want) || (got == nil) != (c.want == nil) {
			t.Errorf("%s: %v, not %v", name, got, c.want)
		}
		if got := antiphon.TraceFrom(trace.In(t.Context(), c.h)); !maps.Equal(got, c.want) {
			t.Errorf("%s: In gives %v", name, got)
		}
	}
}

func TestPut(t *testing.T) {
	ctx := antiphon.WithTrace(t.Context(), of{"traceparent": "00-1", "tracestate": "a=b"})
	h := http.Header{}
	if trace.Put(ctx, h); !maps.Equal(trace.Of(h), antiphon.TraceFrom(ctx)) {
		t.Errorf("%v", h)
	}
	own := http.Header{"Traceparent": {"00-2"}}
	if trace.Put(ctx, own); len(own) != 1 || own.Get("traceparent") != "00-2" {
		t.Errorf("a trace of its own became %v", own)
	}
	none := http.Header{}
	if trace.Put(t.Context(), none); len(none) != 0 {
		t.Errorf("%v from nothing", none)
	}
	for name, want := range map[string]bool{"traceparent": true, "tracestate": true, "Traceparent": false, "": false} {
		if trace.Has(name) != want {
			t.Errorf("Has(%q)", name)
		}
	}
}

// What came by a wire that carries anything breaks no request.
func TestPutsNothingThatBreaksARequest(t *testing.T) {
	for _, bad := range []string{"00-1\r\nX: y", "\x00", "é", strings.Repeat("x", 2<<10)} {
		h := http.Header{}
		trace.Put(antiphon.WithTrace(t.Context(), of{"traceparent": bad, "tracestate": "a=b"}), h)
		if len(h) != 0 {
			t.Errorf("%q: %v", bad, h)
		}
		trace.Put(antiphon.WithTrace(t.Context(), of{"traceparent": "00-1", "tracestate": bad}), h)
		if len(h) != 1 || h.Get("Traceparent") != "00-1" {
			t.Errorf("%q as state: %v", bad, h)
		}
	}
}
