package callback_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/future"
)

// What everybody writes first: a map, a channel and a timer for each.
type handmade struct {
	mu   sync.Mutex
	next uint64
	m    map[uint64]*waiting
}

type waiting struct {
	c chan int
	t *time.Timer
}

func (h *handmade) expect(ttl time.Duration) (uint64, *waiting) {
	w := &waiting{c: make(chan int, 1)}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.next++
	id := h.next
	h.m[id] = w
	w.t = time.AfterFunc(ttl, func() { h.resolve(id, -1) })
	return id, w
}

func (h *handmade) resolve(id uint64, v int) bool {
	h.mu.Lock()
	w, ok := h.m[id]
	delete(h.m, id)
	h.mu.Unlock()
	if ok {
		w.t.Stop()
		w.c <- v
	}
	return ok
}

func BenchmarkExpectResolve(b *testing.B) {
	ctx := context.Background()
	b.Run("alone/raw", func(b *testing.B) {
		h := &handmade{m: map[uint64]*waiting{}}
		b.ReportAllocs()
		for b.Loop() {
			id, w := h.expect(time.Minute)
			h.resolve(id, 1)
			<-w.c
		}
	})
	b.Run("alone/antiphon", func(b *testing.B) {
		r := callback.NewRegistry[int](nil)
		defer r.Close(nil)
		b.ReportAllocs()
		for b.Loop() {
			id, f, _ := r.Expect(ctx, time.Minute)
			_ = r.Resolve(id, 1)
			_, _ = f.Await(ctx)
		}
	})
	b.Run("goroutines=64/raw", func(b *testing.B) {
		h := &handmade{m: map[uint64]*waiting{}}
		b.SetParallelism(64 / runtime.GOMAXPROCS(0))
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				id, w := h.expect(time.Minute)
				h.resolve(id, 1)
				<-w.c
			}
		})
	})
	b.Run("goroutines=64/antiphon", func(b *testing.B) {
		r := callback.NewRegistry[int](nil)
		defer r.Close(nil)
		b.SetParallelism(64 / runtime.GOMAXPROCS(0))
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				id, f, _ := r.Expect(ctx, time.Minute)
				_ = r.Resolve(id, 1)
				_, _ = f.Await(ctx)
			}
		})
	})
}

// A million pending: what each weighs, what a collection takes meanwhile, and
// what it costs that all expire at once.
func BenchmarkMillionPending(b *testing.B) {
	const n = 1_000_000
	ctx := context.Background()
	for b.Loop() {
		before := heap()
		clk := clock.NewMock()
		r := callback.NewRegistry[int](&callback.RegistryOptions{MaxPending: n, Clock: clk})
		fs := make([]*future.Future[int], n)
		start := time.Now()
		for i := range fs {
			_, fs[i], _ = r.Expect(ctx, time.Second)
		}
		b.ReportMetric(float64(time.Since(start).Nanoseconds())/n, "ns/expect")
		b.ReportMetric(float64(heap()-before)/n-8, "B/pending")
		gc := time.Now()
		runtime.GC()
		b.ReportMetric(float64(time.Since(gc).Milliseconds()), "ms/gc")
		due := time.Now()
		clk.Add(time.Second) // they expire on a goroutine of their own
		for i := range fs {
			_, _ = fs[i].Await(ctx)
		}
		b.ReportMetric(float64(time.Since(due).Nanoseconds())/n, "ns/expiry")
		if r.Len() != 0 {
			b.Fatal(r.Len(), "left")
		}
		r.Close(nil)
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

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
