package natscallback_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/antiphon-go/antiphon/callback"
)

// One question and its answer, beside the same with nats.go alone. Each end has a
// connection of its own.
func BenchmarkAsk(b *testing.B) {
	body := []byte("some bytes")
	for _, flight := range []int{1, 64, 512} {
		b.Run(fmt.Sprintf("inflight=%d/nats.go", flight), func(b *testing.B) {
			url, name := run(b), nats.NewInbox()
			answering, asking := plain(b, url), plain(b, url)
			if _, err := answering.Subscribe(name, func(m *nats.Msg) { _ = m.Respond(m.Data) }); err != nil {
				b.Fatal(err)
			}
			_ = answering.Flush()
			inFlight(b, flight, func() {
				if _, err := asking.Request(name, body, patience); err != nil {
					b.Error(err)
				}
			})
		})
		b.Run(fmt.Sprintf("inflight=%d/antiphon", flight), func(b *testing.B) {
			url, name := run(b), nats.NewInbox()
			o := &callback.PeerOptions{Codec: callback.Bytes{}}
			peerOn(b, over(b, plain(b, url), nil), o, func(p *callback.Peer) {
				echo := func(_ context.Context, q []byte) ([]byte, error) { return q, nil }
				callback.Serve(p, name, echo, &callback.ServeOptions{Queue: 4096})
			})
			ask := callback.Dial[[]byte, []byte](peerOn(b, over(b, plain(b, url), nil), o, nil), name, nil)
			inFlight(b, flight, func() {
				if _, err := ask(none, body).Await(none); err != nil {
					b.Error(err)
				}
			})
		})
	}
}

func plain(b *testing.B, url string) *nats.Conn {
	nc, err := nats.Connect(url)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(nc.Close)
	return nc
}

// inFlight does b.N times do with n goroutines.
func inFlight(b *testing.B, n int, do func()) {
	var left atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for range n {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				do()
			}
		})
	}
	wg.Wait()
	b.StopTimer()
}
