package callbacktest

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
)

// BenchmarkTransport measures what peers over w cost: an ask, with 1, 64 and 512 on
// their way at once, a part of a stream, and an event, each of ten bytes. It is real
// time that is measured, also of a wire with Bubble. Where more events are sent than
// the other end has room for, dropped/op says how many of them it dropped.
func BenchmarkTransport(b *testing.B, w Wire) {
	w.Bubble = false
	if w.Patience <= 0 {
		w.Patience = time.Minute
	}
	for _, flight := range []int{1, 64, 512} {
		b.Run(fmt.Sprintf("ask/inflight=%d", flight), func(b *testing.B) { w.asks(b, flight) })
	}
	b.Run("stream", w.stream)
	b.Run("notify", w.notify)
}

var tenBytes = []byte("some bytes")

// peers runs two peers on w that pass bytes as they are, and begins to measure.
func (w Wire) peers(b *testing.B, bo *callback.PeerOptions, serve func(t *trial, b *callback.Peer)) (*trial, *callback.Peer) {
	t := newTrial(b, w)
	b.Cleanup(t.End)
	bo.Codec = callback.Bytes{}
	a, _ := t.pair(&callback.PeerOptions{Codec: callback.Bytes{}, Timeout: time.Hour}, bo, func(p *callback.Peer) { serve(t, p) })
	b.ReportAllocs()
	return t, a
}

func (w Wire) asks(b *testing.B, flight int) {
	t, a := w.peers(b, new(callback.PeerOptions), func(t *trial, p *callback.Peer) {
		echo := func(_ context.Context, q []byte) ([]byte, error) { return q, nil }
		callback.Serve(p, t.name("echo"), echo, &callback.ServeOptions{Queue: 4096})
	})
	ask := callback.Dial[[]byte, []byte](a, t.name("echo"), nil)
	var left atomic.Int64
	left.Store(int64(b.N))
	var all sync.WaitGroup
	b.ResetTimer()
	for range flight {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				if _, err := ask(t.Context(), tenBytes).Await(t.Context()); err != nil {
					b.Errorf("an ask failed: %v", err)
					return
				}
			}
		})
	}
	all.Wait()
	b.StopTimer()
}

func (w Wire) stream(b *testing.B) {
	n := b.N
	t, a := w.peers(b, new(callback.PeerOptions), func(t *trial, p *callback.Peer) {
		callback.ServeStream(p, t.name("parts"), func(context.Context, []byte) iter.Seq2[[]byte, error] {
			return func(yield func([]byte, error) bool) {
				for range n {
					if !yield(tenBytes, nil) {
						return
					}
				}
			}
		}, nil)
	})
	b.ResetTimer()
	parts := 0
	for _, err := range callback.DialStream[[]byte, []byte](a, t.name("parts"), nil)(t.Context(), nil) {
		if err != nil {
			b.Fatalf("the stream failed: %v", err)
		}
		parts++
	}
	b.StopTimer()
	if parts != n {
		b.Errorf("%d parts came of %d", parts, n)
	}
}

func (w Wire) notify(b *testing.B) {
	n := int64(b.N)
	var came, dropped atomic.Int64
	done := make(chan struct{})
	count := func(by int) {
		if came.Add(int64(by)) == n {
			close(done)
		}
	}
	bo := &callback.PeerOptions{Observer: func(e antiphon.Event) {
		if e.Name == "callback.dropped" {
			by := max(e.Count, 1)
			dropped.Add(int64(by))
			count(by)
		}
	}}
	t, a := w.peers(b, bo, func(t *trial, p *callback.Peer) {
		callback.Serve(p, t.name("feed"), func(context.Context, []byte) (struct{}, error) {
			count(1)
			return struct{}{}, nil
		}, nil)
	})
	b.ResetTimer()
	for range n {
		if err := callback.Notify(t.Context(), a, t.name("feed"), tenBytes, nil); err != nil {
			b.Fatalf("Notify failed: %v", err)
		}
	}
	t.Within("events did not arrive", done)
	b.StopTimer()
	b.ReportMetric(float64(dropped.Load())/float64(n), "dropped/op")
}
