package future_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
)

// Who sets Concurrency alone has a bounded queue too.
func TestX6_QueueIsBoundedByDefault(t *testing.T) {
	const bound = 65536
	bubble(t, func(t *testing.T) {
		gate := make(chan struct{})
		ask := future.Lift(func(_ context.Context, q int) (int, error) { <-gate; return q, nil }, &future.Policy{Concurrency: 1})
		var last *future.Future[int]
		for i := range bound + 1 { // one at work, the others in the queue
			last = ask(noContext, i)
			if r, ok := last.Peek(); ok {
				t.Fatalf("%d within the bound: %v", i, r.Err)
			}
		}
		r, ok := ask(noContext, -1).Peek()
		if !ok || !errors.Is(r.Err, future.ErrFull) || antiphon.ClassOf(r.Err) != antiphon.ClassNotAccepted {
			t.Errorf("one over the bound: %v, %t", r.Err, ok)
		}
		gate <- struct{}{} // the first of the queue is now at work
		synctest.Wait()
		if r, ok := ask(noContext, -2).Peek(); ok {
			t.Errorf("there is room again: %v", r.Err)
		}
		close(gate)
		mustBe(t, last, bound, nil)
	})
}

// An attempt that finds the queue full ends the ask, with what ended the one before.
func TestQueueIsFullForTheNextAttempt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ask := future.Lift(func(ctx context.Context, q int) (int, error) {
			if q == 0 {
				return 0, errBoom
			}
			return q, sleep(ctx, time.Hour)
		}, &future.Policy{Concurrency: 1, Queue: 1, Attempts: 2, Backoff: antiphon.Constant(time.Minute)})
		start := time.Now()
		first := ask(t.Context(), 0)
		synctest.Wait() // it rests
		working, queued := ask(t.Context(), 1), ask(t.Context(), 2)
		_, err := first.Await(t.Context())
		at(t, start, time.Minute)
		is(t, err, future.ErrFull)
		is(t, err, errBoom)
		same(t, antiphon.ClassFailed, antiphon.ClassOf(err)) // it was tried: asking again is not safe
		mustBe(t, working, 1, nil)
		mustBe(t, queued, 2, nil)
	})
}

// The rest before an attempt: negative is none, and one that lasts to the deadline
// is too long.
func TestRestsAtTheirBounds(t *testing.T) {
	for name, c := range map[string]struct {
		rest  time.Duration
		calls int
		took  time.Duration
	}{
		"negative":            {-time.Hour, 3, 0},
		"none":                {0, 3, 0},
		"before the deadline": {time.Minute - 1, 2, time.Minute - 1},
		"at the deadline":     {time.Minute, 1, 0},
		"after the deadline":  {time.Hour, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				calls, start := 0, time.Now()
				ask := future.Lift(func(context.Context, int) (int, error) { calls++; return 0, errBoom },
					&future.Policy{Attempts: 3, Backoff: func(int) time.Duration { return c.rest }})
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				_, err := ask(ctx, 1).Await(noContext)
				at(t, start, c.took)
				is(t, err, errBoom)
				same(t, c.calls, calls)
			})
		})
	}
}

func TestX5_NilCallbackIsNeverCalled(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(before)
	bubble(t, func(t *testing.T) {
		var p future.Promise[int]
		for _, f := range []*future.Future[int]{future.Of(1), p.Future()} {
			if stop := f.OnDone(nil); stop() {
				t.Error("stopped what there is not")
			}
		}
		p.Resolve(1)
		synctest.Wait()
	})
	if log.Len() > 0 {
		t.Errorf("logged: %s", &log)
	}
}

// What fails once its time is up has timed out, whoever is told of it first.
func TestFailureAtTheTimeoutIsATimeout(t *testing.T) {
	for range 500 {
		bubble(t, func(t *testing.T) {
			_, err := future.Lift(func(ctx context.Context, _ int) (int, error) {
				<-ctx.Done()
				return 0, errBoom
			}, &future.Policy{Timeout: time.Second})(noContext, 1).Await(noContext)
			is(t, err, future.ErrTimeout)
			is(t, err, context.DeadlineExceeded)
			same(t, antiphon.ClassUnknown, antiphon.ClassOf(err))
			same(t, antiphon.CodeDeadlineExceeded, antiphon.CodeOf(err))
		})
	}
}

// A scope that has ended starts nothing, also for who comes with a context that
// has not.
func TestScopeThatHasEndedWithAContextThatHasNot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := func(context.Context, int) (int, error) { t.Error("called"); return 0, nil }
		asks := func(s *future.Scope) {
			ctx := context.WithoutCancel(s)
			for name, err := range map[string]error{
				"Go":     errOf(future.Call(ctx, f, 1)),
				"Lift":   errOf(future.Lift(f, nil)(ctx, 1)),
				"Policy": errOf(future.Lift(f, &future.Policy{Attempts: 2, Concurrency: 1})(ctx, 1)),
				"Hedge":  errOf(future.Hedge(ctx, time.Second, 2, func(ctx context.Context) (int, error) { return f(ctx, 1) })),
			} {
				t.Log(name)
				is(t, err, future.ErrNotStarted)
				is(t, err, context.Canceled)
				same(t, antiphon.ClassNotAccepted, antiphon.ClassOf(err))
			}
		}
		var after *future.Scope
		err := future.Run(noContext, func(s *future.Scope) error {
			after = s
			s.Cancel(errBoom)
			asks(s)
			return nil
		})
		is(t, err, errBoom)
		asks(after)
		after.SetLimit(3)
		after.Cancel(errCause)
		is(t, after.Err(), context.Canceled)
	})
}
