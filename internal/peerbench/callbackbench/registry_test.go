package callbackbench

import (
	"context"
	"runtime"
	"testing"
	"time"
)

// What is expected and then answered, in one goroutine, with a time limit that is
// not reached.
func BenchmarkExpectResolve(b *testing.B) { expectResolve(b, 1) }

func BenchmarkExpectResolve64(b *testing.B) { expectResolve(b, 64) }

func expectResolve(b *testing.B, goroutines int) {
	b.Run("raw", func(b *testing.B) {
		h := newHandmade[echo]()
		spread(b, goroutines, func(_ context.Context, n int) error {
			id, c := h.expect(time.Minute)
			h.settle(id, result[echo]{v: question(n)})
			r := <-c
			return wrong(n, r.v, r.err)
		})
	})
	b.Run("raw with select", func(b *testing.B) {
		h := newHandmade[echo]()
		spread(b, goroutines, func(ctx context.Context, n int) error {
			id, c := h.expect(time.Minute)
			h.settle(id, result[echo]{v: question(n)})
			select {
			case r := <-c:
				return wrong(n, r.v, r.err)
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	})
	b.Run("antiphon", func(b *testing.B) {
		r := ourRegistry[echo](b)
		spread(b, goroutines, func(ctx context.Context, n int) error { return ourExpectResolve(r, ctx, n) })
	})
	b.Run("antiphon, ctx that cannot end", func(b *testing.B) {
		r := ourRegistry[echo](b)
		spread(b, goroutines, func(_ context.Context, n int) error { return ourExpectResolve(r, context.Background(), n) })
	})
}

func BenchmarkMillionExpected(b *testing.B) {
	weigh(b, "raw", million, rawPending)
	weigh(b, "antiphon", million, ourExpected)
}

// A million that expire at the same moment: the CPU for each.
func BenchmarkMillionExpired(b *testing.B) {
	expired(b, "raw", rawExpiring)
	expired(b, "antiphon", ourExpiring)
}

func expired(b *testing.B, name string, open func(t testing.TB, n int, due time.Time) (await func() error)) {
	b.Run(name, func(b *testing.B) {
		for b.Loop() {
			// A twentieth of them shows how long it takes this machine to expect
			// them all: they are to be due after that.
			start := time.Now()
			await := open(b, million/20, start.Add(100*time.Millisecond))
			wait := 25 * time.Since(start)
			if err := await(); err != nil {
				b.Fatal(err)
			}
			for ; ; wait *= 2 {
				due := time.Now().Add(wait + time.Second)
				await := open(b, million, due)
				runtime.GC()
				used, inTime := cpu(), time.Now().Before(due)
				if err := await(); err != nil {
					b.Fatal(err)
				}
				if inTime {
					b.ReportMetric(float64(cpu()-used)/million, "CPU-ns/each")
					break
				}
			}
		}
		b.ReportMetric(0, "ns/op") // which was spent on waiting
	})
}
