// Observed asks one question over every way, and what answers it asks further over the
// next. Whatever is between them, all of it is one trace, which a collector in this
// process receives over OTLP and prints as a tree; what observers were told is a page for
// Prometheus.
//
//	go run ./examples/observed
//
// Its packages otelantiphon and promantiphon are to be copied.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/examples/observed/otelantiphon"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := demonstrate(ctx, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func demonstrate(ctx context.Context, w io.Writer) error {
	h, err := open(ctx, nil)
	if err != nil {
		_ = h.close()
		return err
	}
	if err := ask(ctx, h); err != nil {
		_ = h.close()
		return err
	}
	if err := h.flush(ctx); err != nil {
		_ = h.close()
		return err
	}
	h.show(w)
	return h.close()
}

// ask asks what tea costs, over every way. The first attempt of each fails.
func ask(ctx context.Context, h *house) error {
	stocks := make([]question, len(ways))
	for i, way := range ways {
		stock, err := way.open(h, "stock."+way.name, otelantiphon.Serve(h.otel, "stock", stock))
		if err != nil {
			return err
		}
		stocks[i] = otelantiphon.Ask(h.otel, "stock by "+way.name, stock)
	}
	var prices []question
	for i, way := range ways {
		price, err := way.open(h, "price."+way.name, otelantiphon.Serve(h.otel, "price", priceOf(stocks[(i+1)%len(ways)])))
		if err != nil {
			return err
		}
		prices = append(prices, otelantiphon.Ask(h.otel, "price by "+way.name, price))
	}
	everyPrice := otelantiphon.Serve(h.otel, "every price", func(ctx context.Context, item string) (n int, err error) {
		for _, price := range prices {
			if n, err = price(ctx, item).Await(ctx); err != nil {
				return 0, err
			}
		}
		return n, nil
	})
	_, err := everyPrice(ctx, "tea")
	return err
}

// stock is how many there are of an item.
func stock(_ context.Context, item string) (int, error) { return 10 * len(item), nil }

// priceOf is work that asks further, and fails the first time.
func priceOf(stock question) work {
	var calls atomic.Int32
	return func(ctx context.Context, item string) (int, error) {
		if calls.Add(1) == 1 {
			return 0, antiphon.Errorf(antiphon.CodeUnavailable, "the shop is not open yet")
		}
		n, err := stock(ctx, item).Await(ctx)
		return 1000 / max(n, 1), err
	}
}

// show prints what has arrived at the collector, and the page for Prometheus.
func (h *house) show(w io.Writer) {
	h.collector.mu.Lock()
	printTree(w, h.collector.spans)
	fmt.Fprintln(w, "\nmetrics that came over OTLP:")
	var names []string
	for name := range h.collector.metrics {
		names = append(names, name)
	}
	h.collector.mu.Unlock()
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintln(w, " ", name)
	}
	fmt.Fprintln(w, "\nthe page for Prometheus, without the buckets of its histograms:")
	page := httptest.NewRecorder()
	promhttp.HandlerFor(h.page, promhttp.HandlerOpts{}).ServeHTTP(page, httptest.NewRequest("GET", "/metrics", nil))
	for line := range strings.Lines(page.Body.String()) {
		if !strings.Contains(line, "_bucket{") {
			fmt.Fprint(w, line)
		}
	}
}
