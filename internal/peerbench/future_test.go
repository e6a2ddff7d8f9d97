package peerbench

import (
	"context"
	"sync"
	"testing"

	"github.com/alitto/pond/v2"
	"github.com/failsafe-go/failsafe-go"
	"github.com/samber/mo"
	"github.com/sourcegraph/conc/pool"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"

	"github.com/antiphon-go/antiphon/future"
)

// The bodies under measurement are functions of their own, so that testing.B's
// Loop, which keeps the variables of a loop body alive, adds nothing to them.

func answer(context.Context) (int, error) { return 42, nil }

type result struct {
	v   int
	err error
}

func rawSpawn(ctx context.Context) <-chan result {
	ch := make(chan result, 1)
	go func() {
		v, err := answer(ctx)
		ch <- result{v, err}
	}()
	return ch
}

func rawSelect(ctx context.Context) (r result) {
	select {
	case r = <-rawSpawn(ctx):
	case <-ctx.Done():
	}
	return r
}

// run is one row of a table.
func run(b *testing.B, name string, body func()) {
	b.Run(name, func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			body()
		}
	})
}

func BenchmarkSpawnAwait(b *testing.B) {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	workers := pond.NewResultPool[int](2)
	defer workers.StopAndWait()
	run(b, "raw", func() { <-rawSpawn(ctx) })
	run(b, "raw with select", func() { rawSelect(ctx) })
	run(b, "antiphon", func() { _, _ = future.Go(ctx, answer).Await(ctx) })
	run(b, "antiphon, ctx that cannot end", func() {
		_, _ = future.Go(context.Background(), answer).Await(context.Background())
	})
	run(b, "samber/mo", func() {
		_, _ = mo.NewFuture(func(resolve func(int), reject func(error)) {
			if v, err := answer(ctx); err != nil {
				reject(err)
			} else {
				resolve(v)
			}
		}).Collect()
	})
	run(b, "sourcegraph/conc", func() {
		p := pool.NewWithResults[int]().WithContext(ctx)
		p.Go(answer)
		_, _ = p.Wait()
	})
	run(b, "failsafe-go", func() {
		_, _ = failsafe.With[int]().WithContext(ctx).GetAsyncWithExecution(func(e failsafe.Execution[int]) (int, error) {
			return answer(e.Context())
		}).Get()
	})
	run(b, "alitto/pond", func() {
		_, _ = workers.SubmitErr(func() (int, error) { return answer(ctx) }).Wait()
	})
	run(b, "errgroup", func() {
		g, ctx := errgroup.WithContext(ctx)
		var v int
		g.Go(func() (err error) { v, err = answer(ctx); return err })
		_ = g.Wait()
		_ = v
	})
}

// One goroutine settles what others wait for.
func BenchmarkSettle(b *testing.B) {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	raw := make(chan chan<- result)
	defer close(raw)
	go func() {
		for ch := range raw {
			ch <- result{v: 42}
		}
	}()
	ours := make(chan *future.Promise[int])
	defer close(ours)
	go func() {
		for p := range ours {
			p.Resolve(42)
		}
	}()
	theirs := make(chan func(int))
	defer close(theirs)
	go func() {
		for resolve := range theirs {
			resolve(42)
		}
	}()
	run(b, "raw", func() {
		ch := make(chan result, 1)
		raw <- ch
		<-ch
	})
	run(b, "raw with select", func() {
		ch := make(chan result, 1)
		raw <- ch
		select {
		case <-ch:
		case <-ctx.Done():
		}
	})
	run(b, "antiphon", func() { promise(ctx, ours) })
	run(b, "antiphon, ctx that cannot end", func() { promise(context.Background(), ours) })
	run(b, "samber/mo", func() {
		_, _ = mo.NewFuture(func(resolve func(int), _ func(error)) { theirs <- resolve }).Collect()
	})
}

func promise(ctx context.Context, to chan<- *future.Promise[int]) {
	p := new(future.Promise[int])
	to <- p
	_, _ = p.Future().Await(ctx)
}

func BenchmarkAwaitSettled(b *testing.B) {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	closed := make(chan struct{})
	close(closed)
	ours := future.Of(42)
	theirs := mo.NewFuture(func(resolve func(int), _ func(error)) { resolve(42) })
	_, _ = theirs.Collect()
	// Calling a function for each would cost as much as what is measured.
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
			_, _ = theirs.Collect()
		}
	})
}

func BenchmarkAwaitSettledParallel(b *testing.B) {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	closed := make(chan struct{})
	close(closed)
	ours := future.Of(42)
	b.Run("raw", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				<-closed
			}
		})
	})
	b.Run("antiphon", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				_, _ = ours.Await(ctx)
			}
		})
	})
}

func BenchmarkChainOfThree(b *testing.B) {
	inc := func(i int) (int, error) { return i + 1, nil }
	ctx := context.Background()
	run(b, "raw", func() {
		r := <-rawSpawn(ctx)
		for range 3 {
			if r.err == nil {
				r.v, r.err = inc(r.v)
			}
		}
	})
	run(b, "antiphon", func() {
		_, _ = future.Map(future.Map(future.Map(future.Go(ctx, answer), inc), inc), inc).Await(ctx)
	})
	run(b, "samber/mo", func() {
		f := mo.NewFuture(func(resolve func(int), _ func(error)) { resolve(42) })
		for range 3 {
			f = f.Then(inc)
		}
		_, _ = f.Collect()
	})
}

func BenchmarkAll100(b *testing.B) {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	const n = 100
	run(b, "raw", func() {
		var chs [n]<-chan result
		for i := range chs {
			chs[i] = rawSpawn(ctx)
		}
		vs := make([]int, n)
		for i, ch := range chs {
			vs[i] = (<-ch).v
		}
	})
	run(b, "antiphon", func() {
		var fs [n]*future.Future[int]
		for i := range fs {
			fs[i] = future.Go(ctx, answer)
		}
		_, _ = future.All(fs[:]...).Await(ctx)
	})
	qs := make([]int, n)
	run(b, "antiphon Parallel(2)", func() {
		_, _ = future.Parallel(ctx, 2, qs, func(ctx context.Context, _ int) (int, error) { return answer(ctx) })
	})
	run(b, "sourcegraph/conc", func() {
		p := pool.NewWithResults[int]().WithContext(ctx)
		for range n {
			p.Go(answer)
		}
		_, _ = p.Wait()
	})
	run(b, "errgroup", func() {
		g, ctx := errgroup.WithContext(ctx)
		vs := make([]int, n)
		for i := range n {
			g.Go(func() (err error) { vs[i], err = answer(ctx); return err })
		}
		_ = g.Wait()
	})
}

// The first of a hundred. Raw, the losers have to run to their end.
func BenchmarkFirstOf100(b *testing.B) {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	const n = 100
	run(b, "raw", func() {
		ch := make(chan result, n)
		for range n {
			go func() {
				v, err := answer(ctx)
				ch <- result{v, err}
			}()
		}
		<-ch
	})
	run(b, "antiphon", func() {
		var fs [n]*future.Future[int]
		for i := range fs {
			fs[i] = future.Go(ctx, answer)
		}
		_, _ = future.Any(fs[:]...).Await(ctx)
	})
}

func BenchmarkAsCompleted1000(b *testing.B) {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	const n = 1000
	type indexed struct {
		i int
		result
	}
	run(b, "raw", func() {
		ch := make(chan indexed, n)
		for i := range n {
			go func() {
				v, err := answer(ctx)
				ch <- indexed{i, result{v, err}}
			}()
		}
		for range n {
			select {
			case <-ch:
			case <-ctx.Done():
			}
		}
	})
	run(b, "antiphon", func() {
		var fs [n]*future.Future[int]
		for i := range fs {
			fs[i] = future.Go(ctx, answer)
		}
		for range future.AsCompleted(ctx, fs[:]...) {
		}
	})
}

func BenchmarkSameKey(b *testing.B) {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var raw singleflight.Group
	var ours future.Group[string, int]
	run(b, "singleflight", func() { _, _, _ = raw.Do("key", func() (any, error) { return answer(ctx) }) })
	run(b, "antiphon Group", func() { _, _ = ours.Do(ctx, "key", answer) })
	once := sync.OnceValues(func() (int, error) { return answer(ctx) })
	lazy := future.Lazy[int]{New: answer}
	run(b, "sync.OnceValues", func() { _, _ = once() })
	run(b, "antiphon Lazy", func() { _, _ = lazy.Get(ctx) })
}
