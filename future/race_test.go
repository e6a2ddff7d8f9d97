package future_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
)

// Everything that may be called by several goroutines is, with everything else that
// may be called at the same time. It is the race detector that looks on.
func TestX1_EverythingAtOnce(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // a bound on hanging
	defer cancel()
	var (
		promise future.Promise[int]
		shared  = promise.Future()
		events  atomic.Int64
		calls   atomic.Int64
		group   future.Group[int, int]
		lazy    = future.Lazy[int]{New: func(context.Context) (int, error) { return 7, nil }}
	)
	work := func(ctx context.Context, q int) (int, error) {
		switch n := calls.Add(1); {
		case n%7 == 0:
			return 0, errBoom
		case n%11 == 0:
			panic("now and then")
		}
		return q, ctx.Err()
	}
	ask := future.Lift(work, &future.Policy{
		Attempts: 20, Backoff: antiphon.Constant(0), Retryable: func(error) bool { return true },
		Concurrency: 3, Hedge: time.Microsecond, Timeout: time.Minute,
		Observer: func(antiphon.Event) { events.Add(1) },
	})
	uses := []func(i int) error{
		func(i int) error { return wants(ask(ctx, i), i) },
		func(i int) error { // who gives up, against who answers
			ctx, cancel := context.WithCancel(ctx)
			go cancel()
			_, err := ask(ctx, i).Await(ctx)
			if err != nil && !errors.Is(err, context.Canceled) {
				return err
			}
			return nil
		},
		func(i int) error {
			if promise.Resolve(1) && promise.Reject(errBoom) {
				return errors.New("settled twice")
			}
			return wants(shared, 1)
		},
		func(int) error {
			stop := shared.OnDone(func(future.Result[int]) {})
			_, _ = shared.Peek()
			<-shared.Done()
			stop()
			return nil
		},
		func(i int) error {
			all := future.All(shared, ask(ctx, i), future.Map(shared, inc))
			got, err := all.Await(ctx)
			if err != nil || !slices.Equal(got, []int{1, i, 2}) {
				return fmt.Errorf("%v, %w", got, err)
			}
			return wants(future.Race(future.Any(shared, future.Failed[int](errBoom)), ask(ctx, 1)), 1)
		},
		func(i int) error {
			return wants(group.Go(ctx, i%3, func(context.Context) (int, error) { return i % 3, nil }), i%3)
		},
		func(int) error {
			v, err := lazy.Get(ctx)
			if lazy.Forget(); v != 7 {
				return fmt.Errorf("%d, %w", v, err)
			}
			return err
		},
		func(i int) error {
			return future.Run(ctx, func(s *future.Scope) error {
				s.SetLimit(1 + i%3)
				for q := range 5 {
					future.Go(s, func(ctx context.Context) (int, error) {
						return future.Go(ctx, func(ctx context.Context) (int, error) { return ask(ctx, q).Await(ctx) }).Await(ctx)
					})
				}
				s.SetLimit(2)
				return nil
			})
		},
		func(int) error {
			got, err := future.Parallel(ctx, 3, numbers(10), future.Block(ask))
			if err == nil && !slices.Equal(got, numbers(10)) {
				err = fmt.Errorf("%v", got)
			}
			return err
		},
		func(int) error {
			for _, r := range future.AsCompleted(ctx, ask(ctx, 1), shared, ask(ctx, 2)) {
				if r.Err != nil {
					return r.Err
				}
			}
			return nil
		},
	}
	var all sync.WaitGroup
	for i := range 8 {
		for j := range uses {
			all.Go(func() {
				for k := range 10 {
					if err := uses[(j+k)%len(uses)](i); err != nil {
						t.Errorf("use %d: %v", (j+k)%len(uses), err)
						return
					}
				}
			})
		}
	}
	all.Wait()
	if events.Load() == 0 {
		t.Error("nothing went wrong: this test does not do what it is for")
	}
}

func wants(f *future.Future[int], want int) error {
	v, err := f.Await(context.Background())
	if err == nil && v != want {
		err = fmt.Errorf("%d, want %d", v, want)
	}
	return err
}
