package queue_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// schedule is a function as a Schedule.
type schedule func(time.Time) time.Time

func (s schedule) Next(t time.Time) time.Time { return s(t) }

// X7: a panic of what makes the request skips a time, one of the schedule ends it all.
func TestX7_PeriodicPanics(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var seen counts
		q := open[int, int](t, &queue.Options{Observer: seen.observe})
		calls := 0
		err := q.Periodic(t.Context(), "p", schedule(func(at time.Time) time.Time {
			if calls == 3 {
				panic("no more times")
			}
			return at.Truncate(time.Minute).Add(time.Minute)
		}), func(time.Time) int {
			if calls++; calls == 2 {
				panic("not today")
			}
			return calls
		}, nil)
		if !errors.Is(err, future.ErrPanic) || calls != 3 || seen.of("queue.tick_failed") != 1 {
			t.Error(err, calls, seen.n)
		}
		if s, _ := q.Stats(t.Context()); s.Ready != 2 {
			t.Errorf("%+v", s)
		}
	})
}

func TestPeriodicEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := open[int, int](t, nil)
		one := func(time.Time) int { return 1 }
		still := schedule(func(at time.Time) time.Time { return at })
		if err := q.Periodic(t.Context(), "p", still, one, nil); antiphon.CodeOf(err) != antiphon.CodeInvalidArgument {
			t.Error("a schedule that stands still:", err)
		}
		n := 0
		ends := schedule(func(at time.Time) time.Time {
			if n++; n > 3 {
				return time.Time{}
			}
			return at.Add(time.Minute)
		})
		if err := q.Periodic(t.Context(), "p", ends, one, nil); err != nil {
			t.Error("a schedule that ends:", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := q.Periodic(ctx, "p", queue.Every(time.Minute), one, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Error("a context that ends:", err)
		}
		ended := make(chan error, 1)
		go func() { ended <- q.Periodic(t.Context(), "p", queue.Every(time.Minute), one, nil) }()
		synctest.Wait()
		_ = q.Close()
		if err := <-ended; !errors.Is(err, queue.ErrClosed) {
			t.Error("a queue that is closed:", err)
		}
	})
}

// A time at which the store is away is submitted when it is back, or skipped when the
// next has come; one that cannot be submitted at all is skipped at once.
func TestPeriodicTriesAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := meddled(t)
		epoch := time.Now()
		var from, to atomic.Int64
		from.Store(int64(50 * time.Second))
		to.Store(int64(70 * time.Second))
		b.put = func(_ context.Context, _ driver.PutRequest, do func() ([]driver.Placed, error)) ([]driver.Placed, error) {
			if d := int64(time.Since(epoch)); d > from.Load() && d < to.Load() {
				return nil, errAway
			}
			return do()
		}
		var seen counts
		q := on(t, b, &queue.Options{Observer: seen.observe})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		var made atomic.Int64
		go func() {
			ended <- q.Periodic(ctx, "p", queue.Every(time.Minute), func(at time.Time) int { made.Add(1); return int(at.Sub(epoch) / time.Minute) }, nil)
		}()
		time.Sleep(90 * time.Second)
		if s, _ := q.Stats(t.Context()); s.Ready != 1 || seen.of("queue.tick_failed") == 0 {
			t.Errorf("%+v %v", s, seen.n)
		}
		from.Store(int64(110 * time.Second))
		to.Store(int64(190 * time.Second)) // over the next
		time.Sleep(2*time.Minute + time.Second)
		if s, _ := q.Stats(t.Context()); s.Ready != 2 || made.Load() != 3 {
			t.Errorf("%+v, %d made", s, made.Load())
		}
		var got []int
		stop := work(q, func(_ context.Context, n int) (int, error) { got = append(got, n); return n, nil }, &queue.WorkOptions{Concurrency: 1})
		synctest.Wait()
		if err := stop(); err != nil || fmt.Sprint(got) != "[1 3]" {
			t.Error(err, got)
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}
