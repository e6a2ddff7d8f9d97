package squares

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/antiphon-go/antiphon/queue/driver"
)

// A Store opens the place where jobs are kept, and says how to close it.
type Store = func(ctx context.Context, place string) (driver.Backend, func(), error)

// Main is the main function of a program: it does what its arguments say, with a store.
//
//	work PLACE              does jobs until it is told to end
//	submit PLACE N          submits the numbers from 1 to N, and prints the ids of the jobs
//	await PLACE ID...       waits for jobs, and prints their ids and answers
//	ask PLACE FIRST LAST    submits numbers, and prints their answers
//
// All else is for others to do.
func Main(name string, store Store, others func(ctx context.Context, args []string) error) {
	log.SetFlags(0)
	log.SetPrefix(name + ": ")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], store, others)
	stop()
	if err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, args []string, store Store, others func(context.Context, []string) error) error {
	var do func(*Queue) error
	switch {
	case len(args) == 2 && args[0] == "work":
		do = func(q *Queue) error { return Work(ctx, q) }
	case len(args) == 3 && args[0] == "submit":
		n, err := strconv.Atoi(args[2])
		if err != nil {
			return err
		}
		do = func(q *Queue) error { return SubmitAll(ctx, q, n) }
	case len(args) >= 3 && args[0] == "await":
		do = func(q *Queue) error { return Await(ctx, q, args[2:]) }
	case len(args) == 4 && args[0] == "ask":
		first, err := strconv.Atoi(args[2])
		if err != nil {
			return err
		}
		last, err := strconv.Atoi(args[3])
		if err != nil {
			return err
		}
		do = func(q *Queue) error { return Ask(ctx, q, first, last) }
	default:
		return others(ctx, args)
	}
	return With(ctx, store, args[1], do)
}

// With calls f with the queue in a place.
func With(ctx context.Context, store Store, place string, f func(*Queue) error) error {
	b, end, err := store(ctx, place)
	if err != nil {
		return err
	}
	defer end()
	q, err := New(b)
	if err != nil {
		return err
	}
	defer q.Close()
	return f(q)
}

// Usage is the error for arguments that nobody knows.
func Usage(name string) error {
	return fmt.Errorf("usage: %s demo, work PLACE, submit PLACE N, await PLACE ID..., ask PLACE FIRST LAST", name)
}
