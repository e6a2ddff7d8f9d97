package webhook_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/webhook"
)

// Deliveries over loopback, 256 bytes each, from Send to the answer; raw is as many
// posts by goroutines, signed alike, of a client without any of it.
func BenchmarkSender(b *testing.B) {
	body := []byte(strings.Repeat("x", 256))
	quick := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) })
	for _, n := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("endpoints=%d", n), func(b *testing.B) {
			server := httptest.NewServer(quick)
			defer server.Close()
			var arrived atomic.Int64
			s, err := webhook.NewSender(&webhook.SenderOptions{
				Capacity: 1 << 20,
				Egress:   loopback(netip.MustParseAddrPort(server.Listener.Addr().String()).Port()),
				Observer: func(e antiphon.Event) {
					if e.Name == "webhook.delivered" {
						arrived.Add(1)
					}
				},
			})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Shutdown(context.Background())
			for i := range n {
				if err := s.Add(webhook.Endpoint{ID: fmt.Sprint("m", i), URL: server.URL, Signer: stamp("x"), Concurrency: 16}); err != nil {
					b.Fatal(err)
				}
			}
			go s.Run(context.Background())
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if err := s.Send(context.Background(), webhook.Message{Endpoint: fmt.Sprint("m", i%n), Body: body}); err != nil {
					b.Fatal(err)
				}
				for int64(i)-arrived.Load() > 1024 {
					time.Sleep(50 * time.Microsecond)
				}
			}
			for arrived.Load() < int64(b.N) {
				time.Sleep(50 * time.Microsecond)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
		})
	}
	b.Run("raw", func(b *testing.B) {
		server := httptest.NewServer(quick)
		defer server.Close()
		client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
		b.ReportAllocs()
		b.SetParallelism(8)
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				r, err := http.NewRequest(http.MethodPost, server.URL, strings.NewReader(string(body)))
				if err != nil {
					b.Error(err)
					return
				}
				_ = stamp("x").Sign(context.Background(), &webhook.Request{Header: r.Header, Body: body}, webhook.Message{ID: "m"})
				response, err := client.Do(r)
				if err != nil {
					b.Error(err)
					return
				}
				response.Body.Close()
			}
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
	})
}
