package ways

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/antiphon-go/antiphon/future"
)

// pendings is how many asks are pending at once when their cost is taken.
const pendings = 1000

// A Cost is that of one ask that is pending, at both ends, and of what is between them if
// that is in this process.
type Cost struct {
	Bytes      int64 // of heap and stacks
	Goroutines float64
}

func (c Cost) String() string { return fmt.Sprintf("%5d B, %.2f goroutines", c.Bytes, c.Goroutines) }

// pending asks for antiques, and takes the cost while the shop has no opinion on them.
// Then all of them are answered.
func pending(ctx context.Context, w Way) (Cost, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	s := newStage(ctx, true) // a wire costs, too
	defer s.end()
	shop := &shop{opinion: make(chan struct{})}
	ask := w.Open(s, shop.Price)
	if _, err := ask(ctx, itemNo(1)).Await(ctx); err != nil {
		return Cost{}, err // now there are connections
	}

	was := usage()
	asks := make([]*future.Future[Price], pendings)
	for i := range asks {
		asks[i] = ask(ctx, Item{i, "antique"})
	}
	s.settle(shop)
	is := usage()
	for i, f := range asks {
		if _, ended := f.Peek(); ended {
			_, err := f.Await(ctx)
			return Cost{}, fmt.Errorf("ask %d is not pending: %w", i, err)
		}
	}

	close(shop.opinion)
	if _, err := future.All(asks...).Await(ctx); err != nil {
		return Cost{}, err
	}
	return Cost{(is.memory - was.memory) / pendings, float64(is.goroutines-was.goroutines) / pendings}, nil
}

// settle waits until nothing has changed for a while.
func (s *Stage) settle(shop *shop) {
	type state struct{ came, requests, goroutines int64 }
	var last state
	for same := 0; same < 10 && s.ctx.Err() == nil; same++ {
		now := state{shop.came.Load(), s.requests.Load(), int64(runtime.NumGoroutine())}
		if now != last {
			last, same = now, 0
		}
		time.Sleep(10 * time.Millisecond)
	}
}

type used struct {
	memory     int64
	goroutines int
}

// usage is what is in use.
func usage() used {
	runtime.GC()
	runtime.GC() // what was freed by finalizers and pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return used{int64(m.HeapAlloc + m.StackInuse), runtime.NumGoroutine()}
}
