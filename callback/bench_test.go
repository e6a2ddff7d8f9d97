package callback_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/future"
)

// Two goroutines, two channels: the least that a question and its answer cost.
func BenchmarkPipeAsk(b *testing.B) {
	ctx := context.Background()
	for _, flight := range []int{1, 64, 512} {
		b.Run(fmt.Sprintf("inflight=%d/raw", flight), func(b *testing.B) {
			type call struct {
				q []byte
				c chan []byte
			}
			c := make(chan call, 64)
			defer close(c)
			go func() {
				for q := range c {
					q.c <- q.q
				}
			}()
			b.ReportAllocs()
			inFlight(b, flight, func() {
				back := make(chan []byte, 1)
				c <- call{nil, back}
				<-back
			})
		})
		b.Run(fmt.Sprintf("inflight=%d/antiphon", flight), func(b *testing.B) {
			o := &callback.PeerOptions{Codec: callback.Bytes{}}
			x, y := pair(b, o, o)
			callback.Serve(y, "echo", func(_ context.Context, q []byte) ([]byte, error) { return q, nil }, &callback.ServeOptions{Queue: 4096})
			echo := callback.Dial[[]byte, []byte](x, "echo", nil)
			body := []byte("some bytes")
			b.ReportAllocs()
			inFlight(b, flight, func() {
				if _, err := echo(ctx, body).Await(ctx); err != nil {
					b.Error(err)
				}
			})
		})
	}
}

// inFlight does b.N times do with n goroutines.
func inFlight(b *testing.B, n int, do func()) {
	var left atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	b.ResetTimer()
	for range n {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				do()
			}
		})
	}
	wg.Wait()
}

// What the envelope costs, with the headers of a traced request and without.
func BenchmarkEnvelope(b *testing.B) {
	now := time.Now()
	for _, headers := range []int{0, 2, 8} {
		m := &callback.Message{Kind: callback.Request, ID: callback.ID{1}, To: "price", Deadline: now.Add(time.Second), Body: make([]byte, 100)}
		for i := range headers {
			if m.Header == nil {
				m.Header = map[string]string{}
			}
			m.Header[fmt.Sprint("header-", i)] = "some value"
		}
		buf, _ := callback.AppendMessage(nil, m, now)
		b.Run(fmt.Sprintf("headers=%d/write", headers), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				buf, _ = callback.AppendMessage(buf[:0], m, now)
			}
		})
		b.Run(fmt.Sprintf("headers=%d/read", headers), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = callback.ParseMessage(buf, now)
			}
		})
	}
}

// A million asks that nobody answers: what each weighs, its future and all.
func BenchmarkMillionAsks(b *testing.B) {
	const n = 1_000_000
	ctx := context.Background()
	for b.Loop() {
		x, _ := callback.Pipe(nil)
		p := callback.NewPeer(swallows{x}, &callback.PeerOptions{Codec: callback.Bytes{}, Timeout: time.Hour})
		run(b, p)
		ask := callback.Dial[[]byte, []byte](p, "f", nil)
		body := []byte("some bytes")
		fs := make([]*future.Future[[]byte], n)
		for p.Pending() == 0 { // until it runs
			ask(ctx, body)
		}
		before, goroutines := liveHeap(), runtime.NumGoroutine()
		for i := range fs {
			fs[i] = ask(ctx, body)
		}
		b.ReportMetric(float64(liveHeap()-before)/n, "B/pending")
		b.ReportMetric(float64(runtime.NumGoroutine()-goroutines), "goroutines")
		_ = p.Close()
		for i := range fs {
			if _, err := fs[i].Await(ctx); err == nil {
				b.Fatal("an answer")
			}
		}
	}
}

// swallows takes everything and sends nothing.
type swallows struct{ callback.Transport }

func (swallows) TrySend(*callback.Message) (bool, error) { return true, nil }
