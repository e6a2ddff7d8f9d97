package future_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
)

type way = func(context.Context) *future.Future[int]

// until is a way that works until its context ends, and reports the cause.
func until(lost chan<- error) way {
	return func(ctx context.Context) *future.Future[int] {
		return future.Go(ctx, func(ctx context.Context) (int, error) {
			<-ctx.Done()
			lost <- context.Cause(ctx)
			return 0, ctx.Err()
		})
	}
}

func TestFirstStartsInOrderUntilOneHasItsValue(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var order []int
		var ctxs []context.Context
		ways := make([]way, 5)
		for i := range ways {
			ways[i] = func(ctx context.Context) *future.Future[int] {
				order = append(order, i)
				ctxs = append(ctxs, ctx)
				switch i {
				case 1:
					return future.Failed[int](errBoom) // a failure starts the next
				case 3:
					return future.Of(3)
				}
				return new(future.Promise[int]).Future()
			}
		}
		mustBe(t, future.First(t.Context(), ways...), 3, nil)
		if !slices.Equal(order, []int{0, 1, 2, 3}) {
			t.Errorf("started %v", order)
		}
		for _, ctx := range ctxs {
			is(t, context.Cause(ctx), future.ErrLost)
		}
	})
}

// Both sides of the decision, a value and the last failure, cancel the ways.
func TestFirstCancelsOnceItHasDecided(t *testing.T) {
	bubble(t, func(t *testing.T) {
		lost := make(chan error, 3)
		f := future.First(t.Context(), until(lost), until(lost), func(context.Context) *future.Future[int] { return after(time.Second, 7, nil) })
		time.Sleep(time.Second - 1)
		if len(lost) != 0 {
			t.Error("cancelled before it has decided")
		}
		mustBe(t, f, 7, nil)
		is(t, <-lost, future.ErrLost)
		is(t, <-lost, future.ErrLost)

		var ctx context.Context
		err := errOf(future.First(t.Context(), func(c context.Context) *future.Future[int] { ctx = c; return after(time.Second, 0, errBoom) },
			nil, func(context.Context) *future.Future[int] { panic(errCause) }, func(context.Context) *future.Future[int] { return nil }))
		for _, target := range []error{errBoom, errCause, future.ErrPanic} {
			is(t, err, target)
		}
		is(t, context.Cause(ctx), future.ErrLost)
		joined, ok := err.(interface{ Unwrap() []error })
		if !ok || len(joined.Unwrap()) != 4 {
			t.Fatalf("%v is not all four joined", err)
		}
		for i, target := range []error{errBoom, nil, errCause, nil} {
			if got := joined.Unwrap()[i]; target != nil && !errors.Is(got, target) || target == nil && antiphon.CodeOf(got) != antiphon.CodeInvalidArgument {
				t.Errorf("way %d: %v", i, got)
			}
		}
		synctest.Wait()
	})
}

func TestFirstEndsWithItsContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		lost := make(chan error, 2)
		ctx, cancel := context.WithTimeoutCause(context.Background(), time.Second, errCause)
		defer cancel()
		start := time.Now()
		is(t, errOf(future.First(ctx, until(lost), until(lost))), context.DeadlineExceeded)
		at(t, start, time.Second)
		is(t, <-lost, errCause)
		is(t, <-lost, errCause)
		mustBe(t, future.First(noContext, func(ctx context.Context) *future.Future[int] {
			return future.Of(len(ctx.Err().Error()))
		}, func(context.Context) *future.Future[int] { return future.Of(2) }), 2, nil) // the first panics: ctx has not ended
	})
}

// A way that ends the caller's goroutine takes the ways before it along.
func TestF6_GoexitInAWayLeavesNothingRunning(t *testing.T) {
	bubble(t, func(t *testing.T) {
		lost := make(chan error, 1)
		go future.First(context.Background(), until(lost), func(context.Context) *future.Future[int] { runtime.Goexit(); return nil })
		is(t, <-lost, future.ErrLost)
	})
}

// The winner may come while later ways are still being started.
func TestFirstDecidedWhileStarting(t *testing.T) {
	for range 1000 {
		bubble(t, func(t *testing.T) {
			var p, q future.Promise[int]
			var started atomic.Int32
			var cause atomic.Value
			f := future.First(t.Context(),
				func(context.Context) *future.Future[int] { go p.Resolve(1); return p.Future() },
				func(ctx context.Context) *future.Future[int] {
					started.Add(1)
					context.AfterFunc(ctx, func() { cause.Store(context.Cause(ctx)); q.Reject(errCause) })
					return q.Future()
				})
			mustBe(t, f, 1, nil)
			synctest.Wait()
			if err, _ := cause.Load().(error); started.Load() == 1 && !errors.Is(err, future.ErrLost) {
				t.Fatalf("the loser's cause: %v", err)
			}
		})
	}
}

func TestFirst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		lost := make(chan error, 1)
		slow := func(ctx context.Context) *future.Future[int] {
			return future.Go(ctx, func(ctx context.Context) (int, error) {
				<-ctx.Done()
				lost <- context.Cause(ctx)
				return 0, ctx.Err()
			})
		}
		start := time.Now()
		mustBe(t, future.First(t.Context(), slow, func(context.Context) *future.Future[int] { return after(time.Second, 2, nil) }), 2, nil)
		at(t, start, time.Second)
		if err := <-lost; !errors.Is(err, future.ErrLost) {
			t.Errorf("the loser's cause is %v", err)
		}
		started := 0
		way := func(f *future.Future[int]) func(context.Context) *future.Future[int] {
			return func(context.Context) *future.Future[int] { started++; return f }
		}
		mustBe(t, future.First(t.Context(), way(future.Failed[int](errBoom)), way(future.Of(7)), way(future.Of(8))), 7, nil)
		if started != 2 {
			t.Errorf("%d ways were started", started)
		}
		_, err := future.First(t.Context(), way(future.Failed[int](errBoom)), func(context.Context) *future.Future[int] { panic(errCause) }).Await(t.Context())
		if !errors.Is(err, errBoom) || !errors.Is(err, errCause) || !errors.Is(err, future.ErrPanic) {
			t.Errorf("all failed: %v", err)
		}
		if _, err := future.First[int](t.Context()).Await(t.Context()); !errors.Is(err, future.ErrNone) {
			t.Errorf("of nothing: %v", err)
		}
		ctx, cancel := context.WithCancelCause(context.Background())
		f := future.First(ctx, slow)
		cancel(errCause)
		if _, err := f.Await(context.Background()); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		if err := <-lost; err != errCause {
			t.Errorf("the cause is %v", err)
		}
	})
}

// What First starts in a scope are members, but it is First that deals with their
// failures: a mirror that is down, or lost the race, does not end the scope.
func TestFirstInAScopeDealsWithFailures(t *testing.T) {
	bubble(t, func(t *testing.T) {
		quick := func(err error, after time.Duration) func(context.Context) *future.Future[int] {
			return func(ctx context.Context) *future.Future[int] {
				return future.Go(ctx, func(ctx context.Context) (int, error) {
					select {
					case <-time.After(after):
						return 1, err
					case <-ctx.Done():
						time.Sleep(time.Second)
						return 0, ctx.Err()
					}
				})
			}
		}
		start := time.Now()
		err := future.Run(noContext, func(s *future.Scope) error {
			v, err := future.First(s, quick(errBoom, 1), quick(nil, time.Second), quick(nil, time.Hour)).Await(s)
			if v != 1 || err != nil {
				t.Errorf("%v, %v", v, err)
			}
			lifted := future.Lift(func(context.Context, int) (int, error) { return 0, errBoom }, &future.Policy{Attempts: 2})
			_, err = future.First(s, func(ctx context.Context) *future.Future[int] { return lifted(ctx, 0) }, quick(nil, time.Second)).Await(s)
			return err
		})
		if err != nil {
			t.Errorf("the scope failed: %v", err)
		}
		if time.Since(start) < 2*time.Second {
			t.Error("the scope did not wait for the loser")
		}
		// A scope of its own inside of a way fails as any other.
		err = future.Run(noContext, func(s *future.Scope) error {
			_, err := future.First(s, func(ctx context.Context) *future.Future[int] {
				return future.Go(ctx, func(ctx context.Context) (int, error) {
					return 0, future.Run(ctx, func(s *future.Scope) error {
						future.Go(s, func(context.Context) (int, error) { return 0, errBoom })
						<-s.Done()
						return nil
					})
				})
			}).Await(s)
			is(t, err, errBoom)
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}
