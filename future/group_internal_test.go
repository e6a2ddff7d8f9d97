package future

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/antiphon-go/antiphon"
)

func (g *Group[K, T]) entries() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.flights)
}

// However a flight ends, it leaves no entry behind.
func TestGroupKeepsNoEntries(t *testing.T) {
	slow := func(ctx context.Context) (int, error) {
		select {
		case <-time.After(time.Second):
			return 1, nil
		case <-ctx.Done():
			time.Sleep(time.Second)
			return 0, ctx.Err()
		}
	}
	for name, fn := range map[string]func(context.Context) (int, error){
		"value":  slow,
		"panic":  func(ctx context.Context) (int, error) { _, _ = slow(ctx); panic("x") },
		"Goexit": func(ctx context.Context) (int, error) { _, _ = slow(ctx); runtime.Goexit(); return 0, nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var g Group[float64, int]
				ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
				defer cancel()
				for _, key := range []float64{1, 2, math.Inf(1), math.NaN(), math.NaN()} {
					g.Go(ctx, key, fn)
					if key != 2 {
						g.Go(context.Background(), key, fn)
					}
					go func() { _, _ = g.Do(ctx, key, fn) }()
				}
				over, end := context.WithCancel(ctx)
				end()
				g.Go(over, 3, fn)
				g.Go(ctx, 4, nil)
				synctest.Wait()
				if n := g.entries(); n != 3 {
					t.Errorf("%d entries while three flights can be joined", n)
				}
				time.Sleep(600 * time.Millisecond)
				if n := g.entries(); n != 2 {
					t.Errorf("%d entries; one of three flights was left by all", n)
				}
				time.Sleep(time.Minute)
				if n := g.entries(); n != 0 {
					t.Errorf("%d entries are left", n)
				}
			})
		})
	}
}

// What has settled holds neither the contexts of its callers nor its function.
func TestGroupSettledFutureHoldsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g Group[int, int]
		var held []weak.Pointer[big]
		load := func() *big {
			b := new(big)
			held = append(held, weak.Make(b))
			return b
		}
		ends, end := context.WithCancel(context.Background())
		defer end()
		gone, goes := context.WithCancel(context.Background())
		ask := func(ctx context.Context, gate chan struct{}) *Future[int] {
			b := load()
			return g.Go(context.WithValue(ctx, big{}, load()), 1, func(context.Context) (int, error) {
				<-gate
				runtime.KeepAlive(b)
				return 7, nil
			})
		}
		gate := make(chan struct{})
		fs := []*Future[int]{ask(ends, gate), ask(context.Background(), gate), ask(gone, gate)}
		goes()
		synctest.Wait()
		close(gate)
		synctest.Wait()
		for i, f := range fs {
			if r, ok := f.Peek(); !ok || (r.Err == nil) != (i < 2) {
				t.Errorf("future %d: %+v, %t", i, r, ok)
			}
		}
		for i, p := range held {
			collected(t, fmt.Sprintf("what caller %d came with, %d", i/2, i%2), p)
		}
		runtime.KeepAlive(fs)
		runtime.KeepAlive(&g)
	})
}

// ends is a context that calls a function when it is first asked for Done.
type endsWhenAsked struct {
	context.Context
	asked  *int
	onDone func()
}

func (e endsWhenAsked) Done() <-chan struct{} {
	if *e.asked++; *e.asked == 1 {
		e.onDone()
	}
	return e.Context.Done()
}

// A context that ends while its owner comes aboard, so that its hook may run
// before there is anything to take off, is not overlooked.
func TestGroupContextThatEndsOnBoarding(t *testing.T) {
	gate := make(chan struct{})
	defer close(gate)
	for key := range 200 {
		var g Group[int, int]
		ctx, cancel := context.WithCancel(context.Background())
		f := g.Go(endsWhenAsked{ctx, new(int), func() {
			cancel()
			fl := g.flights[key]
			fl.f.mu.Lock() // the hook and its owner meet here, in whatever order
			go func() {
				for range 20 {
					runtime.Gosched()
				}
				fl.f.mu.Unlock()
			}()
		}}, key, func(context.Context) (int, error) { <-gate; return 0, nil })
		_, err := f.Await(context.Background())
		if antiphon.CodeOf(err) != antiphon.CodeCanceled {
			t.Fatalf("%v", err)
		}
	}
}
