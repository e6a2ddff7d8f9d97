package queue_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/queue"
)

// shout is work as you have it already.
func shout(_ context.Context, s string) (string, error) {
	if s == "" {
		return "", antiphon.Permanent(errors.New("nothing to shout"))
	}
	return strings.ToUpper(s) + "!", nil
}

func Example() {
	ctx, stop := context.WithCancel(context.Background())
	jobs := queue.Memory(nil)
	shouts, err := queue.New[string, string]("shouts", jobs, nil)
	if err != nil {
		panic(err)
	}
	done := make(chan error)
	go func() { done <- shouts.Work(ctx, shout, nil) }()

	job, err := shouts.Submit(ctx, "hello", nil) // accepted, and stored
	if err != nil {
		panic(err)
	}
	fmt.Println(job.Await(ctx))

	_, err = shouts.Asker(nil)(ctx, "").Await(ctx) // the same without a job in sight
	fmt.Println(err, errors.Is(err, queue.ErrDead))

	stop() // what is under way is finished
	fmt.Println(<-done)
	// Output:
	// HELLO! <nil>
	// nothing to shout true
	// <nil>
}

// The same with calls that wait.
func Example_synchronous() {
	ctx, stop := context.WithCancel(context.Background())
	jobs := queue.Memory(nil)
	shouts, err := queue.New[string, string]("shouts", jobs, nil)
	if err != nil {
		panic(err)
	}
	done := make(chan error)
	go func() { done <- shouts.Work(ctx, shout, nil) }()

	ask := future.Block(shouts.Asker(nil))
	fmt.Println(ask(ctx, "hello"))

	_, err = ask(ctx, "")
	fmt.Println(err, errors.Is(err, queue.ErrDead))

	stop()
	fmt.Println(<-done)
	// Output:
	// HELLO! <nil>
	// nothing to shout true
	// <nil>
}

func ExampleQueue_Submit() {
	ctx := context.Background()
	mails, _ := queue.New[string, struct{}]("mails", queue.Memory(nil), nil)
	defer mails.Close()

	o := &queue.SubmitOptions{
		Key:   "welcome/ada", // sent once, however often it is submitted
		Group: "ada",         // after what was submitted for her before
		Delay: time.Hour,
	}
	a, _ := mails.Submit(ctx, "Welcome, Ada", o)
	b, _ := mails.Submit(ctx, "Welcome, Ada", o)
	_, err := mails.Submit(ctx, "Hello, Ada", o)
	fmt.Println(a.ID() == b.ID(), b.Duplicate())
	fmt.Println(err)
	// Output:
	// true true
	// queue: the idempotency key is taken by another payload
}

func ExampleJob_Updates() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	films, _ := queue.New[string, int]("films", queue.Memory(nil), nil)
	defer films.Close()
	go films.Work(ctx, func(ctx context.Context, title string) (int, error) {
		antiphon.Report(ctx, 50, "half of "+title, nil)
		select { // the other half
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
		return 90, ctx.Err()
	}, nil)

	job, _ := films.Submit(ctx, "Metropolis", nil)
	for op, err := range job.Updates(ctx) {
		if err != nil || op.State.Terminal() {
			fmt.Println(op.State, string(op.Result), err)
		} else if op.Message != "" {
			fmt.Println(op.Percent, op.Message)
		}
	}
	// Output:
	// 50 half of Metropolis
	// succeeded 90 <nil>
}

func ExampleQueue_Redrive() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	orders, _ := queue.New[int, string]("orders", queue.Memory(nil), &queue.Options{Attempts: 1})
	defer orders.Close()
	open := false
	go orders.Work(ctx, func(_ context.Context, n int) (string, error) {
		if !open {
			return "", errors.New("the warehouse is closed")
		}
		return fmt.Sprintf("order %d is sent", n), nil
	}, &queue.WorkOptions{Concurrency: 1})

	job, _ := orders.Submit(ctx, 7, nil)
	_, err := job.Await(ctx)
	fmt.Println(err)
	for letter, err := range orders.Dead(ctx) {
		fmt.Println(letter.Request, letter.Attempt, letter.Err, err)
	}
	open = true
	n, _ := orders.Redrive(ctx, job.ID())
	fmt.Println(n)
	fmt.Println(orders.Attach(job.ID()).Await(ctx))
	// Output:
	// the warehouse is closed
	// 7 1 the warehouse is closed <nil>
	// 1
	// order 7 is sent <nil>
}

func ExampleCheckpoint() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	sums, _ := queue.New[[]int, int]("sums", queue.Memory(nil), &queue.Options{Backoff: antiphon.Constant(time.Millisecond)})
	defer sums.Close()
	type progress struct{ Next, Sum int }
	go sums.Work(ctx, func(ctx context.Context, terms []int) (int, error) {
		at, _, err := queue.Restore[progress](ctx)
		if err != nil {
			return 0, err
		}
		for ; at.Next < len(terms); at.Next++ {
			if at.Next == 2 && antiphon.InfoFrom(ctx).Attempt == 1 {
				return 0, errors.New("crashed after two terms")
			}
			at.Sum += terms[at.Next]
			if err := queue.Checkpoint(ctx, progress{at.Next + 1, at.Sum}); err != nil {
				return 0, err
			}
		}
		return at.Sum, nil
	}, nil)

	job, _ := sums.Submit(ctx, []int{1, 2, 3, 4}, nil)
	fmt.Println(job.Await(ctx))
	// Output: 10 <nil>
}
