package queue_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// A worker that has waited for longer than a lease gets a whole one all the same.
func TestQ4_LeaseCountsFromItsHandOut(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := meddled(t)
		var extended, refused, calls atomic.Int64
		b.extend = func(_ context.Context, _ []driver.Extension, do func() []error) []error { extended.Add(1); return do() }
		b.settle = func(_ context.Context, s []driver.Settlement, do func() []error) []error {
			if refused.Add(1) == 1 {
				return all(len(s), errAway)
			}
			return do()
		}
		q := on(t, b, &queue.Options{Lease: 30 * time.Second})
		stop := work(q, func(_ context.Context, n int) (int, error) { calls.Add(1); return n, nil }, nil)
		time.Sleep(50 * time.Second)
		j := submit(t, on(t, b, nil), 1, nil) // not claimed: it wakes the Take that waits
		if v, err := j.Await(t.Context()); v != 1 || err != nil {
			t.Error(v, err)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		if extended.Load() != 0 || calls.Load() != 1 || refused.Load() != 2 {
			t.Errorf("%d extensions, %d calls, %d settlements", extended.Load(), calls.Load(), refused.Load())
		}
	})
}

// A store that does not answer delays no timeout, is asked by one at a time, and work
// does not outlive its lease without being told.
func TestSilentStoreEndsTheLease(t *testing.T) {
	for name, obeys := range map[string]bool{"ends with the context": true, "ignores the context": false} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b := meddled(t)
				b.remote = true
				var asking, most atomic.Int64
				let := make(chan struct{})
				b.extend = func(ctx context.Context, x []driver.Extension, _ func() []error) []error {
					most.Store(max(most.Load(), asking.Add(1)))
					defer asking.Add(-1)
					if obeys {
						<-ctx.Done()
					} else {
						<-let
					}
					return all(len(x), errAway)
				}
				var seen counts
				q := on(t, b, &queue.Options{Lease: 30 * time.Second, Attempts: 1, Observer: seen.observe})
				start := time.Now()
				ended := make(chan struct{})
				stop := work(q, func(ctx context.Context, n int) (int, error) {
					defer close(ended)
					for ctx.Err() == nil {
						antiphon.Report(ctx, 1, "on it", nil)
						time.Sleep(10 * time.Millisecond)
					}
					if d := time.Since(start); d < 30*time.Second || d > 45*time.Second || !errors.Is(context.Cause(ctx), queue.ErrLeaseLost) {
						t.Errorf("%v: %v", d, context.Cause(ctx))
					}
					return 0, ctx.Err()
				}, nil)
				submit(t, q, 1, nil)
				<-ended
				synctest.Wait()
				if most.Load() != 1 || seen.of("queue.lease_lost") != 1 || seen.of("queue.late") != 1 {
					t.Errorf("%d calls at once, %v", most.Load(), seen.n)
				}
				close(let)
				if err := stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestSilentStoreDelaysNoTimeout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := meddled(t)
		b.remote = true
		let := make(chan struct{})
		b.extend = func(_ context.Context, x []driver.Extension, do func() []error) []error { <-let; return do() }
		q := on(t, b, &queue.Options{Lease: 30 * time.Second, Timeout: 15 * time.Second, Attempts: 1})
		start := time.Now()
		stop := work(q, func(ctx context.Context, n int) (int, error) { <-ctx.Done(); return 0, ctx.Err() }, nil)
		_, err := submit(t, q, 1, nil).Await(t.Context())
		if !errors.Is(err, queue.ErrTimeout) || time.Since(start) != 15*time.Second {
			t.Error(err, time.Since(start))
		}
		close(let)
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// A store that is away for less than the lease takes nothing away.
func TestQ4_OutageShorterThanTheLease(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := meddled(t)
		start := time.Now()
		b.extend = func(_ context.Context, x []driver.Extension, do func() []error) []error {
			if d := time.Since(start); d > 5*time.Second && d < 15*time.Second {
				return all(len(x), errAway)
			}
			return do()
		}
		var seen counts
		q := on(t, b, &queue.Options{Lease: 30 * time.Second, Attempts: 1, Observer: seen.observe})
		stop := work(q, func(ctx context.Context, n int) (int, error) {
			select {
			case <-ctx.Done():
				return 0, context.Cause(ctx)
			case <-time.After(5 * time.Minute):
				return n, nil
			}
		}, nil)
		if v, err := submit(t, q, 1, nil).Await(t.Context()); v != 1 || err != nil {
			t.Error(v, err)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		if n := seen.of("queue.extend_failed"); n == 0 || n > 5 {
			t.Errorf("extend_failed %d times", n)
		}
	})
}

// The deadline is that of the job, however long it has waited here for a slot.
func TestDeadlineCountsTheWaitForASlot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		start := time.Now()
		b := meddled(t)
		q := on(t, b, &queue.Options{TTL: time.Minute, Attempts: 1})
		for i := range 2 {
			submit(t, q, i, nil)
		}
		var deadlines []time.Duration
		stop := work(q, func(ctx context.Context, n int) (int, error) {
			at, _ := ctx.Deadline()
			deadlines = append(deadlines, at.Sub(start))
			if n == 0 {
				time.Sleep(40 * time.Second)
				return n, nil
			}
			<-ctx.Done()
			if time.Since(start) != time.Minute || !errors.Is(context.Cause(ctx), queue.ErrExpired) {
				t.Error(time.Since(start), context.Cause(ctx))
			}
			return 0, ctx.Err()
		}, &queue.WorkOptions{Concurrency: 1, Prefetch: 1})
		time.Sleep(2 * time.Minute)
		if err := stop(); err != nil {
			t.Error(err)
		}
		if len(deadlines) != 2 || deadlines[0] != time.Minute || deadlines[1] != time.Minute {
			t.Error(deadlines)
		}
	})
}

// When Work has returned, nothing of it asks the store any more.
func TestWorkWaitsForItsHeartbeat(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := meddled(t)
		var asking atomic.Int64
		b.extend = func(_ context.Context, x []driver.Extension, do func() []error) []error {
			asking.Add(1)
			defer asking.Add(-1)
			time.Sleep(5 * time.Second)
			return do()
		}
		q := on(t, b, &queue.Options{Lease: 30 * time.Second})
		stop := work(q, func(_ context.Context, n int) (int, error) { time.Sleep(11 * time.Second); return n, nil }, nil)
		if _, err := submit(t, q, 1, nil).Await(t.Context()); err != nil {
			t.Error(err)
		}
		if asking.Load() != 1 {
			t.Error("there is no heartbeat under way, and nothing to see")
		}
		if err := stop(); err != nil || asking.Load() != 0 {
			t.Error(err, asking.Load())
		}
	})
}

// Q5: a worker whose lease another has ended learns it, and its verdict counts for
// nothing; nor does its checkpoint.
func TestQ5_LeaseLostWhileRunning(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := meddled(t)
		stolen := false
		b.extend = func(_ context.Context, x []driver.Extension, do func() []error) []error {
			if stolen {
				return do()
			}
			stolen = true
			b.able.Settle(context.Background(), "test", []driver.Settlement{{Lease: x[0].Lease, State: antiphon.StateSucceeded, Result: []byte("7")}})
			return do()
		}
		var seen counts
		q := on(t, b, &queue.Options{Lease: 30 * time.Second, Observer: seen.observe})
		stop := work(q, func(ctx context.Context, n int) (int, error) {
			<-ctx.Done()
			if !errors.Is(context.Cause(ctx), queue.ErrLeaseLost) {
				t.Error(context.Cause(ctx))
			}
			if err := queue.Checkpoint(ctx, 1); !errors.Is(err, queue.ErrLeaseLost) {
				t.Error(err)
			}
			return n, nil
		}, nil)
		if v, err := submit(t, q, 1, nil).Await(t.Context()); v != 7 || err != nil {
			t.Error(v, err)
		}
		if err := stop(); err != nil || seen.of("queue.lease_lost") != 1 || seen.of("queue.late") != 1 {
			t.Error(err, seen.n)
		}
	})
}

// What is taken for a slot that was claimed meanwhile does not wait here for it: others
// have slots.
func TestPrefetchOfNoneKeepsNothingWaiting(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := meddled(t)
		let, takes := make(chan struct{}), make(chan struct{})
		b.take = func(do func() ([]driver.Leased, error)) ([]driver.Leased, error) { <-takes; return do() }
		busy, idle := on(t, b, nil), on(t, b, nil)
		stop := work(busy, func(_ context.Context, n int) (int, error) { <-let; return n, nil }, &queue.WorkOptions{Concurrency: 1})
		synctest.Wait() // it is about to take one
		long := submit(t, busy, 1, nil)
		synctest.Wait() // claimed: there is no slot left, but somebody who takes
		other := submit(t, on(t, b, nil), 2, nil)
		close(takes)
		synctest.Wait()
		stopIdle := work(idle, func(_ context.Context, n int) (int, error) { return -n, nil }, nil)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if v, err := other.Await(ctx); v != -2 || err != nil {
			t.Error(v, err)
		}
		close(let)
		if v, err := long.Await(t.Context()); v != 1 || err != nil {
			t.Error(v, err)
		}
		if stop() != nil || stopIdle() != nil {
			t.Error("Work failed")
		}
	})
}

// A heartbeat that comes to the store after the job's own settlement has lost no lease.
func TestHeartbeatAfterTheSettlement(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := meddled(t)
		b.remote = true
		settled, late := make(chan struct{}), 0
		b.settle = func(_ context.Context, _ []driver.Settlement, do func() []error) []error {
			defer close(settled)
			return do()
		}
		b.extend = func(_ context.Context, _ []driver.Extension, do func() []error) []error {
			<-settled
			errs := do()
			for _, err := range errs {
				if errors.Is(err, queue.ErrLeaseLost) {
					late++
				}
			}
			return errs
		}
		var seen counts
		q := on(t, b, &queue.Options{Observer: seen.observe})
		stop := work(q, func(ctx context.Context, n int) (int, error) {
			antiphon.Report(ctx, 1, "on it", nil)
			synctest.Wait() // the store was told, and takes its time
			return n, nil
		}, nil)
		if v, err := submit(t, q, 1, nil).Await(t.Context()); v != 1 || err != nil {
			t.Error(v, err)
		}
		if err := stop(); err != nil || late == 0 || seen.of("queue.lease_lost") != 0 {
			t.Error(err, late, seen.n)
		}
	})
}
