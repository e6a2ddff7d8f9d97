package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/trace"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/examples/observed/otelantiphon"
	"github.com/antiphon-go/antiphon/examples/observed/promantiphon"
	"github.com/antiphon-go/antiphon/webhook"
)

// A house is this program: the ways, those who look after them, and what ends them all.
type house struct {
	ctx  context.Context
	dir  string // for files
	otel *otelantiphon.Bridge

	prometheus *promantiphon.Collector
	page       *prometheus.Registry
	observe    antiphon.Observer // of everything

	collector receiver
	spans     *trace.TracerProvider
	metrics   *metric.MeterProvider

	stop    context.CancelFunc
	running sync.WaitGroup
	mu      sync.Mutex
	ends    []func()
	broken  error
	broker  *server.Server
}

// open opens a house in which all that is told goes to the collector in this process, to
// Prometheus, and to also, which may be nil.
func open(ctx context.Context, also antiphon.Observer) (*house, error) {
	h := &house{prometheus: promantiphon.New(), page: prometheus.NewRegistry()}
	h.ctx, h.stop = context.WithCancel(ctx)
	dir, err := os.MkdirTemp("", "observed")
	if err != nil {
		return h, err
	}
	h.dir = dir
	h.atEnd(func() { _ = os.RemoveAll(dir) })
	if err := h.page.Register(h.prometheus); err != nil {
		return h, err
	}
	at, err := h.serve(&h.collector)
	if err != nil {
		return h, err
	}
	spans, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(at+"/v1/traces"))
	if err != nil {
		return h, err
	}
	h.spans = trace.NewTracerProvider(trace.WithBatcher(spans))
	metrics, err := otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpointURL(at+"/v1/metrics"))
	if err != nil {
		return h, err
	}
	h.metrics = metric.NewMeterProvider(metric.WithReader(metric.NewPeriodicReader(metrics)))
	h.otel, err = otelantiphon.New(h.spans, h.metrics)
	h.observe = antiphon.Observers(h.otel.Observe, h.prometheus.Observe, also)
	return h, err
}

// flush has arrived at the collector what was measured up to now.
func (h *house) flush(ctx context.Context) error {
	return errors.Join(h.spans.ForceFlush(ctx), h.metrics.ForceFlush(ctx))
}

// run runs f until the house is closed.
func (h *house) run(f func(context.Context) error) {
	h.running.Go(func() {
		if err := f(h.ctx); err != nil && !errors.Is(err, context.Canceled) {
			h.mu.Lock()
			h.broken = errors.Join(h.broken, err)
			h.mu.Unlock()
		}
	})
}

// atEnd has f called when the house is closed, and before it what comes later.
func (h *house) atEnd(f func()) { h.ends = append(h.ends, f) }

// close ends everything, and returns what went wrong.
func (h *house) close() error {
	h.stop()
	h.running.Wait()
	err := h.broken
	if h.spans != nil {
		err = errors.Join(err, h.spans.Shutdown(context.Background()))
	}
	if h.metrics != nil {
		err = errors.Join(err, h.metrics.Shutdown(context.Background()))
	}
	for i := len(h.ends) - 1; i >= 0; i-- {
		h.ends[i]()
	}
	return err
}

// serve serves to this machine, and returns where.
func (h *house) serve(x http.Handler) (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	s := &http.Server{Handler: x, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = s.Serve(l) }()
	h.atEnd(func() { _ = s.Close() })
	return "http://" + l.Addr().String(), nil
}

// nats starts a server in this process, and returns where it is.
func (h *house) nats() (string, error) {
	if h.broker == nil {
		s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true})
		if err != nil {
			return "", err
		}
		h.atEnd(func() { s.Shutdown(); s.WaitForShutdown() })
		go s.Start()
		if !s.ReadyForConnections(time.Minute) {
			return "", errors.New("the NATS server did not start")
		}
		h.broker = s
	}
	return h.broker.ClientURL(), nil
}

// loopback lets pushes go to at, which is on this machine, and nowhere else.
func loopback(at string) (webhook.Egress, error) {
	u, err := url.Parse(at)
	if err != nil {
		return webhook.Egress{}, err
	}
	to, err := netip.ParseAddrPort(u.Host)
	return webhook.Egress{PlainHTTP: true, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Ports: []uint16{to.Port()}}, err
}
