package queue_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// slow is a backend whose Put takes long before, and whose Lookup long after.
type slow struct{ driver.Backend }

func (s slow) Put(ctx context.Context, r driver.PutRequest) ([]driver.Placed, error) {
	time.Sleep(6 * time.Second)
	return s.Backend.Put(ctx, r)
}

func (s slow) Lookup(ctx context.Context, queue string, ids []string, payload bool) ([]driver.Record, error) {
	found, err := s.Backend.(driver.Results).Lookup(ctx, queue, ids, payload)
	time.Sleep(2 * time.Second)
	return found, err
}

func (s slow) List(ctx context.Context, queue string, r driver.ListRequest) ([]driver.Record, error) {
	return s.Backend.(driver.Results).List(ctx, queue, r)
}

func (s slow) Forget(ctx context.Context, queue string, ids []string) (int, error) {
	return s.Backend.(driver.Results).Forget(ctx, queue, ids)
}

// A job that is being put while others are looked after is not taken for unknown.
func TestQ1_LookedForWhileItIsPut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := queue.Memory(nil)
		defer m.Close()
		q, err := queue.New[int, int]("q", slow{m}, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer q.Close()
		ctx, cancel := context.WithCancel(t.Context())
		j, err := q.Submit(ctx, 7, nil)
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		time.Sleep(3 * time.Second)
		go func() { ended <- q.Work(ctx, func(_ context.Context, n int) (int, error) { return n * n, nil }, nil) }()
		if v, err := j.Await(ctx); v != 49 || err != nil {
			t.Error(v, err)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
