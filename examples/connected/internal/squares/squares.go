// Package squares is what durablejobs and cluster have in common: numbers that are
// squared, slowly, as jobs of a queue. Where jobs are kept it is told by a [Store].
package squares

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// A Queue is of numbers to be squared.
type Queue = queue.Queue[int, int]

// New is the queue on a backend.
func New(b driver.Backend) (*Queue, error) {
	return queue.New[int, int]("squares", b, &queue.Options{Lease: time.Second})
}

// Work does jobs until ctx ends.
func Work(ctx context.Context, q *Queue) error {
	return q.Work(ctx, func(ctx context.Context, n int) (int, error) {
		fmt.Println("begun", n)
		timer := time.NewTimer(100 * time.Millisecond)
		defer timer.Stop()
		select {
		case <-timer.C:
			fmt.Println("done", n)
			return n * n, nil
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}, &queue.WorkOptions{Concurrency: 4})
}

// Submit submits a number, again for as long as the store does not take it or nobody
// knows whether it did: under one key it is one job.
func Submit(ctx context.Context, q *Queue, n int) (*queue.Job[int], error) {
	return future.With(func(ctx context.Context, n int) (*queue.Job[int], error) {
		return q.Submit(ctx, n, &queue.SubmitOptions{Key: "square of " + strconv.Itoa(n)})
	}, &future.Policy{Attempts: 300, Backoff: antiphon.Constant(100 * time.Millisecond)})(ctx, n)
}

// SubmitAll submits the numbers from 1 to n, and prints the ids of the jobs.
func SubmitAll(ctx context.Context, q *Queue, n int) error {
	for i := 1; i <= n; i++ {
		j, err := Submit(ctx, q, i)
		if err != nil {
			return err
		}
		fmt.Println(j.ID())
	}
	return nil
}

// Await waits for the answers of jobs, and prints them.
func Await(ctx context.Context, q *Queue, ids []string) error {
	for _, id := range ids {
		v, err := q.Attach(id).Await(ctx)
		if err != nil {
			return err
		}
		fmt.Println(id, v)
	}
	return nil
}

// Ask submits the numbers from first to last, twenty a second, and prints each answer
// when it comes. It returns when all have come.
func Ask(ctx context.Context, q *Queue, first, last int) error {
	return future.Run(ctx, func(s *future.Scope) error {
		pace := time.NewTicker(50 * time.Millisecond)
		defer pace.Stop()
		for n := first; n <= last; n++ {
			j, err := Submit(s, q, n)
			if err != nil {
				return err
			}
			fmt.Println("asked", n)
			future.Go(s, func(ctx context.Context) (int, error) {
				v, err := j.Await(ctx)
				if err == nil {
					fmt.Println("answered", n, v)
				}
				return v, err
			})
			<-pace.C
		}
		return nil
	})
}
