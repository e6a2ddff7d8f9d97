// Durablejobs has jobs submitted by one process, done by another, and awaited by a
// third, on one SQLite file.
//
//	go run ./durablejobs demo        # all of it, with a worker that is killed
//
// or, each in a terminal of its own:
//
//	go run ./durablejobs work jobs.db
//	go run ./durablejobs submit jobs.db 12
//	go run ./durablejobs await jobs.db ID...
//
// Run it in examples/connected of a clone. The demo kills its first worker with SIGKILL
// in the middle of jobs, and starts another: each job is answered all the same, once,
// also to who attaches to it later, knowing nothing but its id.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/queue/driver"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("durablejobs: ")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) == 1 && args[0] == "demo":
		return demo(ctx)
	case len(args) >= 2 && args[0] == "work":
		return with(ctx, args[1], func(q *squares) error { return work(ctx, q) })
	case len(args) == 3 && args[0] == "submit":
		n, err := strconv.Atoi(args[2])
		if err != nil {
			return err
		}
		return with(ctx, args[1], func(q *squares) error { return submit(ctx, q, n) })
	case len(args) >= 3 && args[0] == "await":
		return with(ctx, args[1], func(q *squares) error { return await(ctx, q, args[2:]) })
	}
	return fmt.Errorf("usage: durablejobs demo, work FILE, submit FILE N, await FILE and ids")
}

// squares is a queue of numbers to be squared, slowly.
type squares = queue.Queue[int, int]

func newSquares(b driver.Backend) (*squares, error) {
	return queue.New[int, int]("squares", b, &queue.Options{Lease: time.Second})
}

// with calls f with the queue in a store.
func with(ctx context.Context, path string, f func(*squares) error) error {
	b, end, err := open(ctx, path)
	if err != nil {
		return err
	}
	defer end()
	q, err := newSquares(b)
	if err != nil {
		return err
	}
	defer q.Close()
	return f(q)
}

// work does jobs until ctx ends.
func work(ctx context.Context, q *squares) error {
	return q.Work(ctx, func(ctx context.Context, n int) (int, error) {
		fmt.Println("begun", n)
		timer := time.NewTimer(100 * time.Millisecond)
		defer timer.Stop()
		select {
		case <-timer.C:
			return n * n, nil
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}, &queue.WorkOptions{Concurrency: 4})
}

// submit submits the numbers from 1 to n, and prints the ids of the jobs.
func submit(ctx context.Context, q *squares, n int) error {
	for i := 1; i <= n; i++ {
		j, err := q.Submit(ctx, i, &queue.SubmitOptions{Key: "square of " + strconv.Itoa(i)})
		if err != nil {
			return err
		}
		fmt.Println(j.ID())
	}
	return nil
}

// await waits for the answers of jobs, and prints them.
func await(ctx context.Context, q *squares, ids []string) error {
	for _, id := range ids {
		v, err := q.Attach(id).Await(ctx)
		if err != nil {
			return err
		}
		fmt.Println(id, v)
	}
	return nil
}
