package antiphon

import (
	"context"
	"maps"
)

// traceFields are those of W3C Trace Context (https://www.w3.org/TR/trace-context).
const (
	traceParent = "traceparent"
	traceState  = "tracestate"
)

// TraceFrom returns the trace context that every ask made with ctx takes along, over
// every way, unless it is given another explicitly: traceparent, and tracestate if
// there is one, of the Header of InfoFrom(ctx). So what work asks for belongs to the
// trace of what it is asked. It is nil if there is none.
//
// Ownership: the map is the caller's.
func TraceFrom(ctx context.Context) map[string]string {
	h := InfoFrom(ctx).Header
	parent := h[traceParent]
	if parent == "" {
		return nil
	}
	trace := map[string]string{traceParent: parent}
	if state := h[traceState]; state != "" {
		trace[traceState] = state
	}
	return trace
}

// WithTrace returns a context whose asks take along the traceparent and tracestate of
// trace in place of what ctx has: for whoever begins a span, and so a part of the trace
// of its own. If trace has no traceparent, they take along none. Everything else that
// InfoFrom tells stays as it is.
func WithTrace(ctx context.Context, trace map[string]string) context.Context {
	info := InfoFrom(ctx)
	h := make(map[string]string, len(info.Header)+2)
	maps.Copy(h, info.Header)
	delete(h, traceParent)
	delete(h, traceState)
	if parent := trace[traceParent]; parent != "" {
		h[traceParent] = parent
		if state := trace[traceState]; state != "" {
			h[traceState] = state
		}
	}
	info.Header = h
	return WithInfo(ctx, info)
}
