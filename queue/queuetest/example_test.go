package queuetest_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/queue/queuetest"
)

// A program whose first attempt at everything fails.
func ExampleRecorder() {
	rec := queuetest.Record(queue.Memory(nil))
	defer rec.Backend().Close()
	mails, err := queue.New[string, string]("mails", rec.Backend(), &queue.Options{
		Backoff:  antiphon.Constant(time.Millisecond),
		Observer: rec.Observe,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan error)
	go func() {
		ended <- mails.Work(ctx, func(ctx context.Context, to string) (string, error) {
			if antiphon.InfoFrom(ctx).Attempt == 1 {
				return "", errors.New("busy")
			}
			return "sent to " + to, nil
		}, nil)
	}()

	job, err := mails.Submit(ctx, "ada", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := rec.Await(ctx, queuetest.Ended, 1); err != nil {
		fmt.Println(err)
	}
	for _, s := range rec.Of(job.ID()) {
		switch s.What {
		case queuetest.Told:
			fmt.Println("told of", s.Event)
		case queuetest.Ended:
			fmt.Println("ended as", s.State)
		default:
			fmt.Println(s.What)
		}
	}
	stop()
	fmt.Println(<-ended)
	// Output:
	// submitted
	// taken
	// told of queue.retry
	// retried
	// taken
	// ended as succeeded
	// <nil>
}
