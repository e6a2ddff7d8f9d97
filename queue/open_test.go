package queue_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon/queue"
)

// MaxOpen counts what is being done, too; duplicates take no room.
func TestMaxOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := queue.Memory(&queue.MemoryOptions{MaxOpen: 2})
		q, err := queue.New[int, int]("q", b, &queue.Options{Overflow: queue.DropOldest, Capacity: 1})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			ended <- q.Work(ctx, func(_ context.Context, n int) (int, error) { time.Sleep(time.Second); return n, nil }, &queue.WorkOptions{Concurrency: 1})
		}()
		synctest.Wait()
		for n := range 2 {
			if _, err := q.Submit(ctx, n, &queue.SubmitOptions{Key: string(rune('a' + n))}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := q.Submit(ctx, 2, nil); !errors.Is(err, queue.ErrFull) {
			t.Error(err)
		}
		if j, err := q.Submit(ctx, 0, &queue.SubmitOptions{Key: "a"}); err != nil || !j.Duplicate() {
			t.Error(err)
		}
		time.Sleep(3 * time.Second)
		if _, err := q.SubmitAll(ctx, []int{1, 2, 3}, nil); !errors.Is(err, queue.ErrFull) {
			t.Error(err)
		}
		j, err := q.Submit(ctx, 2, nil)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := j.Await(ctx); n != 2 || err != nil {
			t.Error(n, err)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		_ = q.Close()
		_ = b.Close()
	})
}
