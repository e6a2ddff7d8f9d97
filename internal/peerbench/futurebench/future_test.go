package futurebench

import (
	"context"
	"runtime"
	"sync"
	"testing"

	"github.com/alitto/pond/v2"
	"github.com/samber/mo"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"

	"github.com/antiphon-go/antiphon/future"
)

// The rows of the table; what each measures is in the file of its library. The
// bodies are functions of their own, so that testing.B's Loop, which keeps the
// variables of a loop body alive, adds nothing to them.

func run(b *testing.B, name string, body func()) {
	b.Run(name, func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			body()
		}
	})
}

// cancellable returns a context that can end, as those of requests can.
func cancellable(b *testing.B) context.Context {
	ctx, cancel := context.WithCancel(b.Context())
	b.Cleanup(cancel)
	return ctx
}

func workers(b *testing.B) pond.ResultPool[int] {
	p := pond.NewResultPool[int](2)
	b.Cleanup(p.StopAndWait)
	return p
}

func BenchmarkSpawnAwait(b *testing.B) {
	ctx, pool, flights := cancellable(b), workers(b), new(singleflight.Group)
	run(b, "raw", func() { <-rawSpawn(ctx) })
	run(b, "raw with select", func() { rawSpawnSelect(ctx) })
	run(b, "antiphon", func() { _, _ = ourSpawn(ctx) })
	run(b, "antiphon, ctx that cannot end", func() { _, _ = ourSpawn(context.Background()) })
	run(b, "samber/mo", func() { _, _ = moSpawn(ctx) })
	run(b, "sourcegraph/conc", func() { _, _ = concSpawn(ctx) })
	run(b, "failsafe-go", func() { _, _ = failsafeSpawn(ctx) })
	run(b, "alitto/pond", func() { _, _ = pondSpawn(ctx, pool) })
	run(b, "errgroup", func() { _, _ = errgroupSpawn(ctx) })
	run(b, "singleflight", func() { singleflightSpawn(ctx, flights) })
}

// One goroutine settles what others wait for.
func BenchmarkSettle(b *testing.B) {
	ctx := cancellable(b)
	raw := settler(b, func(ch chan result) { ch <- result{v: 42} })
	ours := settler(b, func(p *future.Promise[int]) { p.Resolve(42) })
	theirs := settler(b, func(resolve func(int)) { resolve(42) })
	run(b, "raw", func() { rawAsk(raw) })
	run(b, "raw with select", func() { rawAskSelect(ctx, raw) })
	run(b, "antiphon", func() { _, _ = ourAsk(ctx, ours) })
	run(b, "antiphon, ctx that cannot end", func() { _, _ = ourAsk(context.Background(), ours) })
	run(b, "samber/mo", func() { _, _ = moAsk(theirs) })
}

func settler[T any](b *testing.B, settle func(T)) chan<- T {
	next := make(chan T)
	b.Cleanup(func() { close(next) })
	go func() {
		for p := range next {
			settle(p)
		}
	}()
	return next
}

// Calling a function for each would cost as much as what is measured: these
// loops stand for themselves.
func BenchmarkAwaitSettled(b *testing.B) {
	ctx := cancellable(b)
	closed := make(chan struct{})
	close(closed)
	ours := future.Of(42)
	theirs := settledPeers(b, ctx)
	b.Run("raw", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			<-closed
		}
	})
	b.Run("antiphon", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = ours.Await(ctx)
		}
	})
	b.Run("samber/mo", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = theirs.mo.Collect()
		}
	})
	b.Run("failsafe-go", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = theirs.failsafe.Get()
		}
	})
	b.Run("alitto/pond", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = theirs.pond.Wait()
		}
	})
	b.Run("errgroup", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = theirs.errgroup.Wait()
		}
	})
}

func BenchmarkAwaitSettledParallel(b *testing.B) {
	ctx := cancellable(b)
	closed := make(chan struct{})
	close(closed)
	ours := future.Of(42)
	theirs := settledPeers(b, ctx)
	both := func(name string, loop func(pb *testing.PB)) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(loop)
		})
	}
	both("raw", func(pb *testing.PB) {
		for pb.Next() {
			<-closed
		}
	})
	both("antiphon", func(pb *testing.PB) {
		for pb.Next() {
			_, _ = ours.Await(ctx)
		}
	})
	both("samber/mo", func(pb *testing.PB) {
		for pb.Next() {
			_, _ = theirs.mo.Collect()
		}
	})
	both("failsafe-go", func(pb *testing.PB) {
		for pb.Next() {
			_, _ = theirs.failsafe.Get()
		}
	})
	both("alitto/pond", func(pb *testing.PB) {
		for pb.Next() {
			_, _ = theirs.pond.Wait()
		}
	})
	both("errgroup", func(pb *testing.PB) {
		for pb.Next() {
			_ = theirs.errgroup.Wait()
		}
	})
}

// peers are what of each library has settled.
type peers struct {
	mo       *mo.Future[int]
	failsafe interface{ Get() (int, error) }
	pond     pond.ResultTask[int]
	errgroup *errgroup.Group
}

func settledPeers(b *testing.B, ctx context.Context) peers {
	p := peers{moStart(ctx), failsafeStart(ctx), pondStart(ctx, workers(b)), new(errgroup.Group)}
	_, _ = p.mo.Collect()
	_, _ = p.failsafe.Get()
	_, _ = p.pond.Wait()
	return p
}

func BenchmarkChainOfThree(b *testing.B) {
	ctx := context.Background()
	run(b, "raw", func() { rawChain(ctx) })
	run(b, "raw, a goroutine a stage", func() { rawStages(ctx) })
	run(b, "antiphon", func() { _, _ = ourChain(ctx) })
	run(b, "samber/mo", func() { _, _ = moChain(ctx) })
}

func BenchmarkAll100(b *testing.B) {
	ctx, pool, qs := cancellable(b), workers(b), make([]int, 100)
	run(b, "raw", func() { rawAll(ctx) })
	run(b, "antiphon", func() { _, _ = ourAll(ctx) })
	run(b, "antiphon Parallel(2)", func() { _, _ = ourParallel(ctx, qs) })
	run(b, "samber/mo", func() { moAll(ctx) })
	run(b, "sourcegraph/conc pool", func() { _, _ = concAll(ctx) })
	run(b, "sourcegraph/conc stream", func() { concStream(ctx) })
	run(b, "failsafe-go", func() { failsafeAll(ctx) })
	run(b, "alitto/pond", func() { _, _ = pondAll(ctx, pool) })
	run(b, "errgroup", func() { _, _ = errgroupAll(ctx) })
}

func BenchmarkFirstOf100(b *testing.B) {
	ctx := cancellable(b)
	run(b, "raw", func() { rawFirst(ctx) })
	run(b, "antiphon", func() { _, _ = ourFirst(ctx) })
}

func BenchmarkAsCompleted1000(b *testing.B) {
	ctx := cancellable(b)
	run(b, "raw", func() { rawCompleted(ctx) })
	run(b, "antiphon", func() { ourCompleted(ctx) })
}

// A call that nobody shares; singleflight makes it on the caller's goroutine,
// and so cannot leave it.
func BenchmarkGroup(b *testing.B) {
	ctx := cancellable(b)
	var theirs singleflight.Group
	var ours future.Group[string, int]
	run(b, "singleflight Do", func() { _, _ = singleflightDo(ctx, &theirs) })
	run(b, "singleflight DoChan", func() { singleflightSpawn(ctx, &theirs) })
	run(b, "antiphon", func() { _, _ = ours.Do(ctx, "key", answer) })
}

// A value that has been made.
func BenchmarkLazy(b *testing.B) {
	ctx := cancellable(b)
	once := sync.OnceValues(func() (int, error) { return answer(ctx) })
	lazy := future.Lazy[int]{New: answer}
	_, _ = once()
	_, _ = lazy.Get(ctx)
	b.Run("sync.OnceValues", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = once()
		}
	})
	b.Run("antiphon", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = lazy.Get(ctx)
		}
	})
}

// BenchmarkPending holds a hundred thousand things that wait, and reports what
// each weighs, stacks of goroutines included.
func BenchmarkPending(b *testing.B) {
	weigh(b, "raw", func(<-chan struct{}) chan result { return make(chan result, 1) })
	weigh(b, "antiphon", func(<-chan struct{}) *future.Promise[int] { return new(future.Promise[int]) })
	weigh(b, "samber/mo", func(<-chan struct{}) pending { return moPromise() })
}

// With a transform that waits for the answer: raw, that is a goroutine.
func BenchmarkPendingWithMap(b *testing.B) {
	weigh(b, "raw", func(over <-chan struct{}) <-chan result {
		in, out := make(chan result, 1), make(chan result, 1)
		go func() {
			select {
			case r := <-in:
				out <- r
			case <-over:
			}
		}()
		return out
	})
	weigh(b, "antiphon", func(<-chan struct{}) *future.Promise[int] {
		p := new(future.Promise[int])
		future.Map(p.Future(), inc)
		return p
	})
	weigh(b, "samber/mo", func(<-chan struct{}) pending {
		p := moPromise()
		p.f = p.f.Then(inc)
		return p
	})
}

// weigh reports the bytes of what hold makes, which ends with over.
func weigh[T any](b *testing.B, name string, hold func(over <-chan struct{}) T) {
	const n = 100_000
	b.Run(name, func(b *testing.B) {
		b.ReportAllocs()
		goroutines := runtime.NumGoroutine()
		var each float64
		for b.Loop() {
			over, held := make(chan struct{}), make([]T, n)
			before := weight()
			for i := range held {
				held[i] = hold(over)
			}
			each = float64(weight()-before) / n
			runtime.KeepAlive(held)
			for close(over); runtime.NumGoroutine() > goroutines; {
				runtime.Gosched()
			}
		}
		b.ReportMetric(each, "B/each")
		b.ReportMetric(0, "ns/op") // what would be reported is the collector's work
	})
}

func weight() int64 {
	runtime.GC()
	runtime.GC() // what the first found dead is gone
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
