package callbackbench

import (
	"context"
	"encoding/binary"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// What is asked, and answered with itself.
type echo struct {
	N    int    `json:"n"`
	Text string `json:"text"`
}

func question(n int) echo { return echo{n, "what is asked"} }

// wrong is what is wrong with the answer to question n.
func wrong(n int, a echo, err error) error {
	if err == nil && a != question(n) {
		err = fmt.Errorf("question %d was answered with %v", n, a)
	}
	return err
}

// The same as bytes, which nobody has to encode.
func questionBytes(n int) []byte {
	q := question(n)
	return append(binary.BigEndian.AppendUint64(make([]byte, 0, 32), uint64(q.N)), q.Text...)
}

func wrongBytes(n int, a []byte, err error) error {
	if len(a) < 8 {
		return wrong(n, echo{}, err)
	}
	return wrong(n, echo{int(binary.BigEndian.Uint64(a)), string(a[8:])}, err)
}

// An asker asks question n, and returns what was wrong with the answer.
type asker func(ctx context.Context, n int) error

// asks asks b.N questions, so many at once.
func asks(b *testing.B, flight int, name string, open func(testing.TB) asker) {
	b.Run(name, func(b *testing.B) { spread(b, flight, open(b)) })
}

// spread calls do with the numbers from 1 to b.N on so many goroutines, each with a
// context of its own, and returns what that took of the CPU.
func spread(b *testing.B, goroutines int, do func(ctx context.Context, n int) error) time.Duration {
	var taken atomic.Int64
	share := min(max(b.N/(8*goroutines), 1), 16) // what a goroutine takes at once
	var all sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	used := cpu()
	for range goroutines {
		all.Go(func() {
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			for {
				end := int(taken.Add(int64(share)))
				for n := end - share + 1; n <= min(end, b.N); n++ {
					if err := do(ctx, n); err != nil {
						b.Error(err)
						return
					}
				}
				if end >= b.N {
					return
				}
			}
		})
	}
	all.Wait()
	return cpu() - used
}

// cpu is what the process has used of all cores, with what the system did for it.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

const million = 1_000_000

// weigh reports what each of n things weighs that fill makes, stacks of goroutines
// included; and of a million also how long a collection takes beside them.
func weigh[T any](b *testing.B, name string, n int, open func(testing.TB) (fill func(held []T), end func())) {
	b.Run(name, func(b *testing.B) {
		for b.Loop() {
			fill, end := open(b)
			held := make([]T, n)
			before := weight()
			fill(held)
			b.ReportMetric(float64(weight()-before)/float64(n), "B/each")
			if n == million {
				start := time.Now()
				runtime.GC()
				b.ReportMetric(float64(time.Since(start).Microseconds())/1000, "GC-ms")
			}
			runtime.KeepAlive(held)
			end()
		}
		b.ReportMetric(0, "ns/op") // which was spent on collecting
	})
}

func weight() int64 {
	runtime.GC()
	runtime.GC() // what the first found dead is gone
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
