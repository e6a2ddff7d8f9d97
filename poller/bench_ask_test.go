package poller_test

import (
	"context"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/poller"
)

// inBubble has f called once in a bubble, where the time between polls passes at once:
// what is measured is what polling costs.
func inBubble(b *testing.B, f func()) {
	var once sync.Once // for -count, which RunTests heeds too
	run := func(t *testing.T) { once.Do(func() { synctest.Test(t, func(*testing.T) { f() }) }) }
	b.ReportAllocs()
	b.ResetTimer()
	if !testing.RunTests(func(_, _ string) (bool, error) { return true, nil }, []testing.InternalTest{{Name: b.Name(), F: run}}) {
		b.Fatal("the bubble failed")
	}
}

// times is a check that is over at the nth poll.
func times(n int) poller.Check[int] {
	polls := 0
	return func(context.Context) (poller.Status[int], error) {
		if polls++; polls >= n {
			return poller.Status[int]{State: antiphon.StateSucceeded, Value: polls}, nil
		}
		return poller.Status[int]{State: antiphon.StateRunning}, nil
	}
}

// byHand is what one would write: a loop with one timer.
func byHand(ctx context.Context, c poller.Check[int], backoff antiphon.Backoff) (int, error) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for n := 1; ; n++ {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
		st, err := c(ctx)
		switch {
		case err != nil:
			return 0, err
		case st.State == antiphon.StateSucceeded:
			return st.Value, nil
		}
		timer.Reset(backoff(n))
	}
}

func BenchmarkPoll(b *testing.B) {
	backoff := antiphon.EqualJitter(antiphon.Geometric(time.Second, 30*time.Second, 1.5))
	b.Run("raw", func(b *testing.B) {
		inBubble(b, func() { _, _ = byHand(context.Background(), times(b.N), backoff) })
	})
	b.Run("antiphon", func(b *testing.B) {
		inBubble(b, func() {
			_, _ = poller.Wait(context.Background(), times(b.N), &poller.Options{PerPoll: -1, Elapsed: -1})
		})
	})
	b.Run("antiphon-perpoll", func(b *testing.B) {
		inBubble(b, func() { _, _ = poller.Wait(context.Background(), times(b.N), &poller.Options{Elapsed: -1}) })
	})
	b.Run("antiphon-scheduler", func(b *testing.B) {
		inBubble(b, func() {
			var s poller.Scheduler
			_, _ = poller.Submit(context.Background(), &s, times(b.N), &poller.Options{PerPoll: -1, Elapsed: -1}).Await(context.Background())
			s.Close()
		})
	})
}

// BenchmarkWaiting says what one of 100 000 that wait weighs, its future, its goroutine
// and its timer included.
func BenchmarkWaiting(b *testing.B) {
	const n = 100_000
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	never := func(context.Context) (st poller.Status[int], err error) { return st, nil }
	later := &poller.Options{First: time.Hour}
	for name, start := range map[string]func() (stop func()){
		"goroutines": func() func() {
			ctx, cancel := context.WithCancel(ctx)
			var wg sync.WaitGroup
			for range n {
				wg.Go(func() { _, _ = poller.Wait(ctx, never, later) })
			}
			for runtime.NumGoroutine() < n {
				runtime.Gosched()
			}
			time.Sleep(100 * time.Millisecond)
			return func() { cancel(); wg.Wait() }
		},
		"antiphon": func() func() {
			var s poller.Scheduler
			fs := make([]*future.Future[int], n)
			for i := range fs {
				fs[i] = poller.Submit(ctx, &s, never, later)
			}
			return func() { s.Close(); runtime.KeepAlive(fs) }
		},
	} {
		b.Run(name, func(b *testing.B) {
			for range b.N {
				before := memory()
				stop := start()
				b.ReportMetric((memory()-before)/n, "B/waiting")
				stop()
			}
		})
	}
}

func memory() float64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc + m.StackInuse)
}

// BenchmarkLateness polls with 100 000 at random moments of ten seconds, and says how
// late the checks began.
func BenchmarkLateness(b *testing.B) {
	const n, within = 100_000, 10 * time.Second
	report := func(b *testing.B, start func(first time.Duration, c poller.Check[int])) {
		for range b.N {
			late := make([]time.Duration, n)
			var left atomic.Int64
			left.Store(n)
			done := make(chan bool)
			for i := range n {
				first := time.Second + rand.N(within)
				due := time.Now().Add(first)
				start(first, func(context.Context) (poller.Status[int], error) {
					late[i] = time.Since(due)
					if left.Add(-1) == 0 {
						close(done)
					}
					return poller.Status[int]{State: antiphon.StateSucceeded}, nil
				})
			}
			<-done
			slices.Sort(late)
			b.ReportMetric(float64(late[n*99/100].Microseconds()), "p99-µs")
			b.ReportMetric(float64(late[n/2].Microseconds()), "p50-µs")
		}
	}
	b.Run("goroutines", func(b *testing.B) {
		report(b, func(first time.Duration, c poller.Check[int]) {
			go func() {
				timer := time.NewTimer(first)
				<-timer.C
				_, _ = c(context.Background())
			}()
		})
	})
	b.Run("antiphon", func(b *testing.B) {
		var s poller.Scheduler
		defer s.Close()
		report(b, func(first time.Duration, c poller.Check[int]) {
			poller.Submit(context.Background(), &s, c, &poller.Options{First: first, PerPoll: -1})
		})
	})
}
