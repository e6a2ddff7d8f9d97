// Package otelantiphon bridges antiphon and OpenTelemetry: a span for every ask and for
// every call that answers one, in one trace over every way, and metrics of both and of
// what observers are told. Copy it.
//
//	o, err := otelantiphon.New(otel.GetTracerProvider(), otel.GetMeterProvider())
//	price := otelantiphon.Ask(o, "price", callback.Dial[Item, Price](peer, "price", nil))
//	callback.Serve(peer, "stock", otelantiphon.Serve(o, "stock", shelf.Stock), nil)
//	queue.New[Item, Price]("prices", backend, &queue.Options{Observer: o.Observe})
package otelantiphon

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/antiphon-go/antiphon"
)

const scope = "github.com/antiphon-go/antiphon/examples/observed/otelantiphon"

// A Bridge makes the spans and counts what there is to count.
type Bridge struct {
	tracer         trace.Tracer
	asked, served  metric.Float64Histogram // seconds
	events         metric.Int64Counter
	eventsDuration metric.Float64Histogram // seconds
}

// New returns a Bridge to these providers, which stay the caller's.
func New(spans trace.TracerProvider, metrics metric.MeterProvider) (b *Bridge, err error) {
	b = &Bridge{tracer: spans.Tracer(scope)}
	m := metrics.Meter(scope)
	histogram := func(name, what string) metric.Float64Histogram {
		h, e := m.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(what))
		if e != nil {
			err = e
		}
		return h
	}
	b.asked = histogram("antiphon.ask.duration", "from the question to its answer")
	b.served = histogram("antiphon.serve.duration", "of one call that answers")
	b.eventsDuration = histogram("antiphon.event.duration", "what the list of events says")
	events, e := m.Int64Counter("antiphon.events", metric.WithDescription("what observers are told"))
	if b.events = events; e != nil {
		err = e
	}
	return b, err
}

// Observe is an antiphon.Observer, for the Options of every package. IDs are no
// attributes: there is no end of them. Kinds are few, and where others can choose them,
// the limit of the SDK on cardinality holds.
func (b *Bridge) Observe(e antiphon.Event) {
	ctx := e.Context
	if ctx == nil {
		ctx = context.Background()
	}
	about := metric.WithAttributes(append(outcome(e.Err), attribute.String("event", e.Name), attribute.String("kind", e.Kind))...)
	b.events.Add(ctx, int64(max(e.Count, 1)), about)
	if e.Duration > 0 {
		b.eventsDuration.Record(ctx, e.Duration.Seconds(), about)
	}
}

var w3c propagation.TraceContext

// carrying returns ctx whose asks take its span along.
func carrying(ctx context.Context) context.Context {
	h := propagation.MapCarrier{}
	if w3c.Inject(ctx, h); len(h) == 0 { // there is no span: what came goes on
		return ctx
	}
	return antiphon.WithTrace(ctx, h)
}

// arrived returns ctx in the span that came with what is asked, if one did.
func arrived(ctx context.Context) context.Context {
	return w3c.Extract(ctx, propagation.MapCarrier(antiphon.TraceFrom(ctx)))
}

// outcome is what err says in two words that are few.
func outcome(err error) []attribute.KeyValue {
	if err == nil {
		return nil
	}
	return []attribute.KeyValue{
		attribute.String("antiphon.code", string(antiphon.CodeOf(err))),
		attribute.String("antiphon.class", string(antiphon.ClassOf(err))),
	}
}

// end ends a span with err.
func end(span trace.Span, err error) {
	if err != nil {
		span.SetAttributes(outcome(err)...)
		span.SetStatus(codes.Error, err.Error())
	}
	span.End()
}
