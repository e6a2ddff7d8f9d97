package main

import (
	"encoding/hex"
	"io"
	"net/http"
	"sync"
	"time"

	metricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	span "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// A receiver is a collector in this process: the end of OTLP over HTTP that an exporter
// sends to, as far as this program needs it.
type receiver struct {
	mu      sync.Mutex
	spans   []spanRecord
	metrics map[string]bool
}

// A spanRecord is what has arrived of a span.
type spanRecord struct {
	trace, id, parent string
	name              string
	server            bool
	began             time.Time
	took              time.Duration
	attempt           int64
	code              string // of the error, if it ended with one
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, 16<<20))
	switch {
	case err != nil:
	case req.URL.Path == "/v1/traces":
		var in tracepb.ExportTraceServiceRequest
		if err = proto.Unmarshal(body, &in); err == nil {
			r.takeSpans(&in)
		}
	case req.URL.Path == "/v1/metrics":
		var in metricspb.ExportMetricsServiceRequest
		if err = proto.Unmarshal(body, &in); err == nil {
			r.takeMetrics(&in)
		}
	default:
		http.NotFound(w, req)
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/x-protobuf") // an empty message: all of it was taken
}

func (r *receiver) takeSpans(in *tracepb.ExportTraceServiceRequest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, resource := range in.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				r.spans = append(r.spans, record(s))
			}
		}
	}
}

func record(s *span.Span) spanRecord {
	out := spanRecord{
		trace: hex.EncodeToString(s.GetTraceId()), id: hex.EncodeToString(s.GetSpanId()), parent: hex.EncodeToString(s.GetParentSpanId()),
		name: s.GetName(), server: s.GetKind() == span.Span_SPAN_KIND_SERVER,
		began: time.Unix(0, int64(s.GetStartTimeUnixNano())),
		took:  time.Duration(s.GetEndTimeUnixNano() - s.GetStartTimeUnixNano()),
	}
	for _, a := range s.GetAttributes() {
		switch a.GetKey() {
		case "antiphon.attempt":
			out.attempt = a.GetValue().GetIntValue()
		case "antiphon.code":
			out.code = a.GetValue().GetStringValue()
		}
	}
	return out
}

func (r *receiver) takeMetrics(in *metricspb.ExportMetricsServiceRequest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.metrics == nil {
		r.metrics = map[string]bool{}
	}
	for _, resource := range in.GetResourceMetrics() {
		for _, scope := range resource.GetScopeMetrics() {
			for _, m := range scope.GetMetrics() {
				r.metrics[m.GetName()] = true
			}
		}
	}
}
