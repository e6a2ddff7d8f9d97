package otelantiphon

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
)

// Ask returns an Asker whose asks are spans, from the question to the answer, whatever
// lies between them.
func Ask[Q, R any](b *Bridge, name string, ask future.Asker[Q, R]) future.Asker[Q, R] {
	return func(ctx context.Context, q Q) *future.Future[R] {
		if ctx == nil {
			ctx = context.Background()
		}
		if !trace.SpanContextFromContext(ctx).IsValid() { // in work that was not given to Serve
			ctx = arrived(ctx)
		}
		began := time.Now()
		ctx, span := b.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindClient))
		var answer future.Promise[R]
		ask(carrying(ctx), q).OnDone(func(r future.Result[R]) {
			b.asked.Record(ctx, time.Since(began).Seconds(), metric.WithAttributes(append(outcome(r.Err), attribute.String("name", name))...))
			end(span, r.Err)
			answer.Settle(r.Get()) // so who is answered finds the span ended
		})
		return answer.Future()
	}
}

// Serve returns a Func whose every call is a span, in the trace of whoever asked. What
// f asks belongs to it, with nothing done by hand.
func Serve[Q, R any](b *Bridge, name string, f future.Func[Q, R]) future.Func[Q, R] {
	return func(ctx context.Context, q Q) (r R, err error) {
		began := time.Now()
		ctx, span := b.tracer.Start(arrived(ctx), name, trace.WithSpanKind(trace.SpanKindServer))
		if n := antiphon.InfoFrom(ctx).Attempt; n > 0 {
			span.SetAttributes(attribute.Int("antiphon.attempt", n))
		}
		err = errUnfinished // unless f returns
		defer func() {
			b.served.Record(ctx, time.Since(began).Seconds(), metric.WithAttributes(append(outcome(err), attribute.String("name", name))...))
			end(span, err)
		}()
		return f(carrying(ctx), q)
	}
}

// errUnfinished stands for a panic, which goes on, and for runtime.Goexit.
var errUnfinished = errors.New("it panicked, or called runtime.Goexit")
