package future_test

import (
	"context"
	"runtime"
	"testing"

	"github.com/antiphon-go/antiphon/future"
)

func answer(context.Context) (int, error) { return 42, nil }

type rawResult struct {
	v   int
	err error
}

// The bodies under measurement are functions of their own, so that testing.B's
// Loop, which keeps the variables of a loop body alive, adds nothing to them.

func rawSpawn(ctx context.Context) <-chan rawResult {
	ch := make(chan rawResult, 1)
	go func() {
		v, err := answer(ctx)
		ch <- rawResult{v, err}
	}()
	return ch
}

func rawSpawnSelect(ctx context.Context) (r rawResult) {
	select {
	case r = <-rawSpawn(ctx):
	case <-ctx.Done():
	}
	return r
}

func rawAsk(next chan<- chan rawResult) rawResult {
	ch := make(chan rawResult, 1)
	next <- ch
	return <-ch
}

func rawAskSelect(ctx context.Context, next chan<- chan rawResult) (r rawResult) {
	ch := make(chan rawResult, 1)
	next <- ch
	select {
	case r = <-ch:
	case <-ctx.Done():
	}
	return r
}

func promiseAsk(ctx context.Context, next chan<- *future.Promise[int]) (int, error) {
	p := new(future.Promise[int])
	next <- p
	return p.Future().Await(ctx)
}

func BenchmarkSpawnAwait(b *testing.B) {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	b.Run("raw", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			<-rawSpawn(ctx)
		}
	})
	b.Run("raw-select", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			rawSpawnSelect(ctx)
		}
	})
	b.Run("future-ctx", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = future.Go(ctx, answer).Await(ctx)
		}
	})
	b.Run("future", func(b *testing.B) {
		b.ReportAllocs()
		ctx := context.Background()
		for b.Loop() {
			_, _ = future.Go(ctx, answer).Await(ctx)
		}
	})
}

func BenchmarkSettle(b *testing.B) {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	b.Run("raw", func(b *testing.B) {
		next := make(chan chan rawResult)
		go func() {
			for ch := range next {
				ch <- rawResult{v: 42}
			}
		}()
		b.ReportAllocs()
		for b.Loop() {
			rawAsk(next)
		}
		close(next)
	})
	b.Run("raw-select", func(b *testing.B) {
		next := make(chan chan rawResult)
		go func() {
			for ch := range next {
				ch <- rawResult{v: 42}
			}
		}()
		b.ReportAllocs()
		for b.Loop() {
			rawAskSelect(ctx, next)
		}
		close(next)
	})
	for _, c := range []struct {
		name string
		ctx  context.Context
	}{{"future-ctx", ctx}, {"future", context.Background()}} {
		b.Run(c.name, func(b *testing.B) {
			next := make(chan *future.Promise[int])
			go func() {
				for p := range next {
					p.Resolve(42)
				}
			}()
			b.ReportAllocs()
			for b.Loop() {
				_, _ = promiseAsk(c.ctx, next)
			}
			close(next)
		})
	}
}

func BenchmarkAwaitSettled(b *testing.B) {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	closed := make(chan struct{})
	close(closed)
	f := future.Of(42)
	b.Run("raw", func(b *testing.B) {
		for b.Loop() {
			<-closed
		}
	})
	b.Run("future", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = f.Await(ctx)
		}
	})
	b.Run("parallel/raw", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				<-closed
			}
		})
	})
	b.Run("parallel/future", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				_, _ = f.Await(ctx)
			}
		})
	})
}

func BenchmarkChainOfThree(b *testing.B) {
	inc := func(i int) (int, error) { return i + 1, nil }
	b.Run("raw", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r := <-rawSpawn(context.Background())
			for range 3 {
				if r.err == nil {
					r.v, r.err = inc(r.v)
				}
			}
		}
	})
	b.Run("future", func(b *testing.B) {
		b.ReportAllocs()
		ctx := context.Background()
		for b.Loop() {
			f := future.Map(future.Map(future.Map(future.Go(ctx, answer), inc), inc), inc)
			_, _ = f.Await(ctx)
		}
	})
	b.Run("goroutine-a-stage", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ch := rawSpawn(context.Background())
			for range 3 {
				in, out := ch, make(chan rawResult, 1)
				go func() {
					r := <-in
					if r.err == nil {
						r.v, r.err = inc(r.v)
					}
					out <- r
				}()
				ch = out
			}
			<-ch
		}
	})
}

func BenchmarkAll100(b *testing.B) {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	const n = 100
	b.Run("raw", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var chs [n]<-chan rawResult
			for i := range chs {
				chs[i] = rawSpawn(ctx)
			}
			vs := make([]int, n)
			for i, ch := range chs {
				vs[i] = (<-ch).v
			}
		}
	})
	b.Run("future", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var fs [n]*future.Future[int]
			for i := range fs {
				fs[i] = future.Go(ctx, answer)
			}
			_, _ = future.All(fs[:]...).Await(ctx)
		}
	})
	qs := make([]int, n)
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = future.Parallel(ctx, 2, qs, func(ctx context.Context, _ int) (int, error) { return answer(ctx) })
		}
	})
}

func BenchmarkFirstOf100(b *testing.B) {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	const n = 100
	b.Run("raw", func(b *testing.B) { // the losers end by themselves; nothing ends them
		b.ReportAllocs()
		for b.Loop() {
			ch := make(chan rawResult, n)
			for range n {
				go func() {
					v, err := answer(ctx)
					ch <- rawResult{v, err}
				}()
			}
			<-ch
		}
	})
	b.Run("future", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var fs [n]*future.Future[int]
			for i := range fs {
				fs[i] = future.Go(ctx, answer)
			}
			_, _ = future.Any(fs[:]...).Await(ctx)
		}
	})
}

func BenchmarkAsCompleted1000(b *testing.B) {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	const n = 1000
	b.Run("raw", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ch := make(chan struct {
				i int
				rawResult
			}, n)
			for i := range n {
				go func() {
					v, err := answer(ctx)
					ch <- struct {
						i int
						rawResult
					}{i, rawResult{v, err}}
				}()
			}
			for range n {
				select {
				case <-ch:
				case <-ctx.Done():
				}
			}
		}
	})
	b.Run("future", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var fs [n]*future.Future[int]
			for i := range fs {
				fs[i] = future.Go(ctx, answer)
			}
			for range future.AsCompleted(ctx, fs[:]...) {
			}
		}
	})
}

// BenchmarkPending holds a million things that wait, and reports what each
// weighs.
func BenchmarkPending(b *testing.B) {
	const n = 1_000_000
	weigh := func(name string, hold func() any) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				before := heap()
				held := hold()
				after := heap()
				b.ReportMetric(float64(after-before)/n, "B/each")
				runtime.KeepAlive(held)
			}
		})
	}
	weigh("raw channel", func() any {
		held := make([]chan rawResult, n)
		for i := range held {
			held[i] = make(chan rawResult, 1)
		}
		return held
	})
	weigh("promise", func() any {
		held := make([]*future.Promise[int], n)
		for i := range held {
			held[i] = new(future.Promise[int])
		}
		return held
	})
	weigh("promise with a Map", func() any {
		held := make([]*future.Promise[int], n)
		for i := range held {
			held[i] = new(future.Promise[int])
			future.Map(held[i].Future(), func(i int) (int, error) { return i, nil })
		}
		return held
	})
	weigh("ask waiting for a slot", func() any {
		gate := make(chan struct{})
		b.Cleanup(func() { close(gate) })
		ask := future.Lift(func(ctx context.Context, i int) (int, error) {
			select {
			case <-gate:
			case <-ctx.Done():
			}
			return i, nil
		}, &future.Policy{Concurrency: 1, Queue: n})
		ctx := b.Context()
		held := make([]*future.Future[int], n)
		for i := range held {
			held[i] = ask(ctx, i)
		}
		return held
	})
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
