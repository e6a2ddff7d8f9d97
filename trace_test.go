package antiphon_test

import (
	"context"
	"maps"
	"testing"

	"github.com/antiphon-go/antiphon"
)

func TestTrace(t *testing.T) {
	type of = map[string]string
	came := of{"traceparent": "00-1", "tracestate": "s", "other": "o"}
	answering := antiphon.WithInfo(t.Context(), antiphon.Info{ID: "7", Kind: "k", Attempt: 2, Key: "key", Header: came})
	var none context.Context
	for name, c := range map[string]struct {
		ctx  context.Context
		want of
	}{
		"nil":                {nil, nil},
		"none":               {t.Context(), nil},
		"of what is asked":   {answering, of{"traceparent": "00-1", "tracestate": "s"}},
		"without state":      {antiphon.WithTrace(t.Context(), of{"traceparent": "00-2", "x": "y"}), of{"traceparent": "00-2"}},
		"in its place":       {antiphon.WithTrace(answering, of{"traceparent": "00-2", "tracestate": "t"}), of{"traceparent": "00-2", "tracestate": "t"}},
		"no foreign state":   {antiphon.WithTrace(answering, of{"traceparent": "00-2"}), of{"traceparent": "00-2"}},
		"ended":              {antiphon.WithTrace(answering, nil), nil},
		"state alone":        {antiphon.WithTrace(t.Context(), of{"tracestate": "s"}), nil},
		"nil context, given": {antiphon.WithTrace(none, of{"traceparent": "00-2"}), of{"traceparent": "00-2"}},
	} {
		if got := antiphon.TraceFrom(c.ctx); !maps.Equal(got, c.want) || (got == nil) != (c.want == nil) {
			t.Errorf("%s: %v, not %v", name, got, c.want)
		}
	}
	info := antiphon.InfoFrom(antiphon.WithTrace(answering, of{"traceparent": "00-2"}))
	if info.ID != "7" || info.Kind != "k" || info.Attempt != 2 || info.Key != "key" || !maps.Equal(info.Header, of{"traceparent": "00-2", "other": "o"}) {
		t.Errorf("%+v", info)
	}
	antiphon.TraceFrom(answering)["traceparent"] = "mine"
	if came["traceparent"] != "00-1" || len(came) != 3 {
		t.Errorf("what came is changed: %v", came)
	}
	if n := testing.AllocsPerRun(100, func() { antiphon.TraceFrom(t.Context()) }); n != 0 {
		t.Errorf("no trace costs %v allocations", n)
	}
}
