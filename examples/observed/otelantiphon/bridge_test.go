package otelantiphon_test

import (
	"context"
	"errors"
	"maps"
	"testing"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/examples/observed/otelantiphon"
	"github.com/antiphon-go/antiphon/future"
)

var came = map[string]string{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "a=b"}

func bridge(t *testing.T) (*otelantiphon.Bridge, *tracetest.SpanRecorder, *metric.ManualReader) {
	t.Helper()
	spans, reader := tracetest.NewSpanRecorder(), metric.NewManualReader()
	b, err := otelantiphon.New(trace.NewTracerProvider(trace.WithSpanProcessor(spans)), metric.NewMeterProvider(metric.WithReader(reader)))
	if err != nil {
		t.Fatal(err)
	}
	return b, spans, reader
}

// Work that was not given to Serve asks on in the trace that it is asked in, and the
// state of that goes on.
func TestAskWithoutServe(t *testing.T) {
	b, spans, _ := bridge(t)
	var got map[string]string
	ask := otelantiphon.Ask(b, "f", future.Lift(func(ctx context.Context, n int) (int, error) {
		got = antiphon.TraceFrom(ctx)
		return n, nil
	}, nil))
	if _, err := ask(antiphon.WithTrace(t.Context(), came), 1).Await(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := spans.Ended()[0]
	if s.Parent().SpanID().String() != "b7ad6b7169203331" || s.SpanContext().TraceID().String() != "0af7651916cd43dd8448eb211c80319c" {
		t.Errorf("%v below %v", s.SpanContext(), s.Parent())
	}
	if want := "00-0af7651916cd43dd8448eb211c80319c-" + s.SpanContext().SpanID().String() + "-01"; got["traceparent"] != want || got["tracestate"] != "a=b" {
		t.Errorf("%v, not %s", got, want)
	}
}

// Who has no SDK is not in the way.
func TestNoProvider(t *testing.T) {
	b, err := otelantiphon.New(noop.NewTracerProvider(), metric.NewMeterProvider())
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]map[string]string{"a trace": came, "none": nil} {
		var got map[string]string
		ask := otelantiphon.Ask(b, "f", future.Lift(otelantiphon.Serve(b, "f", func(ctx context.Context, n int) (int, error) {
			got = antiphon.TraceFrom(ctx)
			return n, nil
		}), nil))
		ctx := t.Context()
		if want != nil {
			ctx = antiphon.WithTrace(ctx, want)
		}
		if _, err := ask(ctx, 1).Await(t.Context()); err != nil || !maps.Equal(got, want) {
			t.Errorf("%s: %v %v", name, got, err)
		}
	}
}

func TestErrors(t *testing.T) {
	b, spans, reader := bridge(t)
	var none context.Context
	sad := otelantiphon.Serve(b, "sad", func(context.Context, int) (int, error) {
		return 0, antiphon.Errorf(antiphon.CodeNotFound, "no such thing")
	})
	if _, err := otelantiphon.Ask(b, "asks", future.Lift(sad, nil))(none, 1).Await(t.Context()); antiphon.CodeOf(err) != antiphon.CodeNotFound {
		t.Error(err)
	}
	mad := otelantiphon.Serve(b, "mad", func(context.Context, int) (int, error) { panic("oh") })
	if _, err := future.Lift(mad, nil)(t.Context(), 1).Await(t.Context()); !errors.Is(err, future.ErrPanic) {
		t.Error(err)
	}
	ended := map[string]trace.ReadOnlySpan{}
	for _, s := range spans.Ended() {
		ended[s.Name()] = s
		if s.Status().Code != codes.Error {
			t.Errorf("%s ended with %v", s.Name(), s.Status())
		}
	}
	if len(ended) != 3 {
		t.Fatalf("%v", ended)
	}
	for _, name := range []string{"sad", "asks"} {
		attributes := map[string]string{}
		for _, a := range ended[name].Attributes() {
			attributes[string(a.Key)] = a.Value.AsString()
		}
		if attributes["antiphon.code"] != "not_found" || attributes["antiphon.class"] != "failed" {
			t.Errorf("%s: %v", name, attributes)
		}
	}
	b.Observe(antiphon.Event{Name: "queue.dead", Kind: "jobs", ID: "secret", Count: 3, Duration: 1, Err: errors.New("x")})
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	seen := map[string]int64{}
	for _, m := range all.ScopeMetrics[0].Metrics {
		switch data := m.Data.(type) {
		case metricdata.Sum[int64]:
			seen[m.Name] = data.DataPoints[0].Value
			for _, a := range data.DataPoints[0].Attributes.ToSlice() {
				if a.Value.AsString() == "secret" {
					t.Error("an id is an attribute")
				}
			}
		case metricdata.Histogram[float64]:
			for _, p := range data.DataPoints {
				seen[m.Name] += int64(p.Count)
			}
		}
	}
	want := map[string]int64{"antiphon.events": 3, "antiphon.event.duration": 1, "antiphon.serve.duration": 2, "antiphon.ask.duration": 1}
	if !maps.Equal(seen, want) {
		t.Errorf("%v, not %v", seen, want)
	}
}
