package queue_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue"
)

// Ending is told of each job once it has ended for good, and before anybody else is.
func TestEnding(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := queue.Memory(nil)
		defer b.Close()
		told := make(chan antiphon.Operation, 16)
		q, err := queue.New[int, int]("ends", b, &queue.Options{
			Attempts: 2, Backoff: antiphon.Constant(time.Second),
			Ending: func(_ context.Context, how antiphon.Operation) error { told <- how; return nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		stop := work(q, func(ctx context.Context, n int) (int, error) {
			switch {
			case n == 0:
				return 0, errors.New("again")
			case n < 0:
				return 0, queue.Discard(errors.New("never mind"))
			case n == 1 && antiphon.InfoFrom(ctx).Attempt == 1:
				return 0, errors.New("once more")
			}
			return n * n, nil
		}, nil)
		for _, tt := range []struct {
			n, attempt int
			state      antiphon.State
			result     string
			dead       bool
		}{{5, 1, antiphon.StateSucceeded, "25", false}, {1, 2, antiphon.StateSucceeded, "1", false}, {0, 2, antiphon.StateFailed, "", true}, {-1, 1, antiphon.StateFailed, "", false}} {
			job, err := q.Submit(t.Context(), tt.n, &queue.SubmitOptions{Header: map[string]string{"a": "b"}})
			if err != nil {
				t.Fatal(err)
			}
			_, err = job.Await(t.Context())
			op := <-told
			if op.ID != job.ID() || op.Kind != "ends" || op.State != tt.state || op.Attempt != tt.attempt || string(op.Result) != tt.result ||
				op.Metadata["a"] != "b" || (op.Err != nil) != (err != nil) || op.Err != nil && errors.Is(op.Err, queue.ErrDead) != tt.dead || op.Ended.IsZero() {
				t.Errorf("%d: %+v, %v", tt.n, op, err)
			}
		}
		if len(told) > 0 {
			t.Error("it is told too often")
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// If it fails, the job has not ended: it is done again, uncounted.
func TestEndingThatFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := queue.Memory(nil)
		defer b.Close()
		calls, worked := 0, 0
		q, err := queue.New[int, int]("ends", b, &queue.Options{Attempts: 1, Lease: 10 * time.Second, Ending: func(ctx context.Context, _ antiphon.Operation) error {
			switch calls++; calls {
			case 1:
				return errors.New("no room")
			case 2:
				panic("no room")
			case 3:
				runtime.Goexit()
			case 4:
				<-ctx.Done() // it is given a lease's time
				return ctx.Err()
			}
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		stop := work(q, func(ctx context.Context, n int) (int, error) {
			if worked++; antiphon.InfoFrom(ctx).Attempt != 1 {
				t.Error("the attempt counts")
			}
			return n, nil
		}, nil)
		begun := time.Now()
		job, err := q.Submit(t.Context(), 5, nil)
		if err != nil {
			t.Fatal(err)
		}
		if v, err := job.Await(t.Context()); v != 5 || err != nil || calls != 5 || worked != 5 {
			t.Error(v, err, calls, worked)
		}
		if d := time.Since(begun); d < 14*time.Second || d > time.Minute {
			t.Error("it took", d)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}
