package callback_test

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

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

func newHandmade() *handmade { return &handmade{m: map[uint64]*waiting{}} }

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

// Expected, answered, and looked at; the time limit is not reached.
func BenchmarkExpectResolve(b *testing.B) {
	h := newHandmade()
	byHand := func() {
		id, w := h.expect(time.Minute)
		h.resolve(id, 1)
		<-w.c
	}
	var r callback.Registry[int]
	defer r.Close(nil)
	ours := func(ctx context.Context) func() {
		return func() {
			id, f, _ := r.Expect(ctx, time.Minute)
			_ = r.Resolve(id, 1)
			_, _ = f.Await(ctx)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for _, row := range []struct {
		name string
		do   func()
	}{
		{"raw", byHand},
		{"antiphon", ours(context.Background())},
		{"antiphon with a context", ours(ctx)},
	} {
		b.Run("alone/"+row.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				row.do()
			}
		})
		b.Run("goroutines=64/"+row.name, func(b *testing.B) {
			b.SetParallelism(64 / runtime.GOMAXPROCS(0))
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					row.do()
				}
			})
		})
	}
}

// A million pending: what each weighs, what a collection takes meanwhile, and
// what it costs when all expire within a millisecond.
func BenchmarkMillionPending(b *testing.B) {
	for _, row := range []struct {
		name string
		due  func(i int) time.Duration
	}{
		{"together", func(int) time.Duration { return 0 }},
		{"in order", func(i int) time.Duration { return time.Duration(i) }},
		{"in disorder", func(i int) time.Duration { return time.Duration(i * 7_919 % million) }},
	} {
		b.Run(row.name, func(b *testing.B) {
			for b.Loop() {
				for wait := 2 * time.Second; !millionPending(b, wait, row.due); wait *= 2 {
				}
			}
			b.ReportMetric(0, "ns/op") // which was spent on waiting
		})
	}
}

const million = 1_000_000

// millionPending reports false if a million could not be entered within wait.
func millionPending(b *testing.B, wait time.Duration, due func(i int) time.Duration) bool {
	ctx := context.Background()
	fs := make([]*future.Future[int], million)
	before := heap()
	r := callback.NewRegistry[int](&callback.RegistryOptions{MaxPending: million})
	defer r.Close(nil)
	start := time.Now()
	end := start.Add(wait)
	for i := range fs {
		_, f, err := r.Expect(ctx, max(time.Until(end.Add(due(i))), 1))
		if err != nil {
			b.Fatal(err)
		}
		fs[i] = f
	}
	b.ReportMetric(float64(time.Since(start).Nanoseconds())/million, "ns/expect")
	b.ReportMetric(float64(heap()-before)/million, "B/pending")
	start = time.Now()
	runtime.GC()
	b.ReportMetric(float64(time.Since(start).Microseconds())/1000, "ms/gc")
	if time.Now().After(end) {
		return false
	}
	for _, f := range fs {
		if _, err := f.Await(ctx); err != callback.ErrExpired {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(time.Since(end).Nanoseconds())/million, "ns/expiry")
	if n := r.Pending(); n != 0 {
		b.Fatal(n, "left")
	}
	clear(fs)
	b.ReportMetric(float64(heap()-before)/million, "B/ended")
	runtime.KeepAlive(fs)
	return true
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
