package queue_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon/future/futuretest"
	"github.com/antiphon-go/antiphon/queue"
)

// working makes a queue on a memory backend and works on it until the test ends.
func working[Q, R any](t testing.TB, f func(context.Context, Q) (R, error), o *queue.Options, wo *queue.WorkOptions) *queue.Queue[Q, R] {
	t.Helper()
	b := queue.Memory(nil)
	q, err := queue.New[Q, R]("test", b, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- q.Work(ctx, f, wo) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Work: %v", err)
		}
		_ = q.Close()
		_ = b.Close()
	})
	return q
}

func TestWalk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := working(t, func(_ context.Context, n int) (int, error) {
			if n == 13 {
				return 0, errors.New("unlucky")
			}
			return 2 * n, nil
		}, nil, nil)
		var jobs []*queue.Job[int]
		for i := range 20 {
			j, err := q.Submit(t.Context(), i, nil)
			if err != nil {
				t.Fatal(err)
			}
			jobs = append(jobs, j)
		}
		for i, j := range jobs {
			v, err := j.Await(t.Context())
			if i == 13 {
				if !errors.Is(err, queue.ErrDead) {
					t.Error(err)
				}
				continue
			}
			if v != 2*i || err != nil {
				t.Error(i, v, err)
			}
		}
		s, err := q.Stats(t.Context())
		if err != nil || s.Succeeded != 19 || s.Dead != 1 || s.Ready+s.Delayed+s.Running != 0 {
			t.Errorf("%+v %v", s, err)
		}
	})
}

func TestX8_Memory(t *testing.T) {
	futuretest.TestAsker(t, futuretest.Way{
		ExactlyOnce: true,
		Bubble:      true,
		Open: func(t testing.TB, f futuretest.Func) futuretest.Asker {
			q := working(t, f, &queue.Options{Attempts: 1}, &queue.WorkOptions{Concurrency: 256, Drain: time.Second})
			return q.Asker(nil)
		},
	})
}
