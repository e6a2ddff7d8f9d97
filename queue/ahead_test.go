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

// Who waits for a job is not lost when a settlement that was to end it fails, nor told
// twice, whether or not it is asked again.
func TestWaitingOutlivesASettlementThatFails(t *testing.T) {
	for name, err := range map[string]error{"lost": driver.ErrLeaseLost, "away": errAway} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b := meddled(t)
				var calls atomic.Int32
				b.settle = func(_ context.Context, s []driver.Settlement, do func() []error) []error {
					if calls.Add(1) == 1 {
						return all(len(s), err)
					}
					return do()
				}
				q := on(t, b, &queue.Options{Lease: time.Second, Poll: time.Hour})
				stop := work(q, func(ctx context.Context, n int) (int, error) { return 10*n + antiphon.InfoFrom(ctx).Attempt, nil }, nil)
				first := submit(t, q, 1, nil)
				second := q.Attach(first.ID())
				from := time.Now()
				want := 11
				if err == driver.ErrLeaseLost {
					want = 12 // it was handed out again
				}
				soon, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				for _, j := range []*queue.Job[int]{first, second} {
					if v, err := j.Await(soon); v != want || err != nil {
						t.Error(v, err)
					}
				}
				if d := time.Since(from); d > 2*time.Second {
					t.Error("told after", d)
				}
				if err := stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// An asker who gives up while the settlement is on its way is not asked for again, and
// a queue that is closed then fails nobody who was to be told.
func TestGivingUpWhileTheSettlementIsUnderWay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := meddled(t)
		under, let := make(chan struct{}), make(chan struct{})
		var calls atomic.Int32
		b.settle = func(_ context.Context, s []driver.Settlement, do func() []error) []error {
			if calls.Add(1) == 1 {
				close(under)
				<-let
				return all(len(s), driver.ErrLeaseLost)
			}
			return do()
		}
		q := on(t, b, &queue.Options{Lease: time.Second, Poll: time.Hour})
		stop := work(q, echo, nil)
		ctx, giveUp := context.WithCancel(t.Context())
		f := q.Asker(nil)(ctx, 1)
		<-under
		giveUp()
		if _, err := f.Await(t.Context()); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		close(let)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}
