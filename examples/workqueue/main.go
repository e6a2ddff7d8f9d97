// Workqueue resizes pictures that are not there: a queue in memory with retries, dead
// letters, progress, and results that are awaited. Interrupt it, and it finishes what
// is under way before it ends.
//
//	go run ./examples/workqueue           # shows itself in a browser, at the address it prints
//	go run ./examples/workqueue -once     # ends when all is done
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/queue/driver"
	"github.com/antiphon-go/antiphon/queue/queueweb"
)

func main() {
	once := flag.Bool("once", false, "end when all is done")
	addr := flag.String("addr", "localhost:8080", "where to show the queue")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, *addr, *once); err != nil {
		log.Fatal(err)
	}
}

// A Picture is what is to be done, and a Thumbnail what comes of it.
type (
	Picture   struct{ Name string }
	Thumbnail struct{ Width, Height int }
)

func run(ctx context.Context, out io.Writer, addr string, once bool) error {
	jobs := queue.Memory(nil) // another backend is another line
	defer jobs.Close()
	pictures, err := queue.New[Picture, Thumbnail]("pictures", jobs, &queue.Options{
		Attempts: 3,
		Backoff:  antiphon.Exponential(50*time.Millisecond, time.Second),
		Timeout:  10 * time.Second,
	})
	if err != nil {
		return err
	}
	defer pictures.Close()

	working, stopWorking := context.WithCancel(ctx)
	defer stopWorking()
	worker := future.Go(working, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, pictures.Work(ctx, shrink, &queue.WorkOptions{Concurrency: 4, Drain: 5 * time.Second})
	})
	page, err := show(jobs, addr)
	if err != nil {
		return err
	}
	defer page.Close()
	fmt.Fprintf(out, "look at http://%s/\n", page.Addr)

	names := []string{"forest.png", "harbour.png", "broken.png", "flaky.png", "huge.png"}
	submitted := make([]*future.Future[Thumbnail], len(names))
	for i, name := range names {
		job, err := pictures.Submit(ctx, Picture{name}, &queue.SubmitOptions{Key: name})
		if err != nil {
			return err
		}
		submitted[i] = job.Future()
	}
	for i, got := range future.AsCompleted(ctx, submitted...) {
		if got.Err != nil {
			fmt.Fprintf(out, "%-12s %v\n", names[i], got.Err)
		} else {
			fmt.Fprintf(out, "%-12s %d × %d\n", names[i], got.Value.Width, got.Value.Height)
		}
	}
	for letter, err := range pictures.Dead(ctx) {
		if err != nil {
			break // interrupted
		}
		fmt.Fprintf(out, "dead letter: %s, given up at attempt %d\n", letter.Request.Name, letter.Attempt)
	}

	if !once {
		<-ctx.Done()
		fmt.Fprintln(out, "finishing what is under way")
	}
	stopWorking()
	_, err = worker.Await(context.WithoutCancel(ctx))
	return err
}

// shrink is a function as you have it: it knows nothing of queues, but for what it
// says about its own failures.
func shrink(ctx context.Context, p Picture) (Thumbnail, error) {
	antiphon.Report(ctx, 10, "decoding "+p.Name, nil)
	select {
	case <-time.After(100 * time.Millisecond):
	case <-ctx.Done():
		return Thumbnail{}, ctx.Err()
	}
	switch {
	case p.Name == "broken.png":
		return Thumbnail{}, antiphon.Permanent(fmt.Errorf("%s is no picture", p.Name))
	case p.Name == "flaky.png" && antiphon.InfoFrom(ctx).Attempt < 3:
		return Thumbnail{}, fmt.Errorf("the disk is busy")
	}
	antiphon.Report(ctx, 90, "encoding", nil)
	return Thumbnail{160, 120}, nil
}

// show serves the queue's page, to this machine only, and lets it be changed there.
func show(jobs driver.Backend, addr string) (*http.Server, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	h := queueweb.Handler(jobs, []string{"pictures"}, &queueweb.Options{
		Title: "workqueue",
		Write: func(*http.Request) error { return nil }, // ask who it is, elsewhere
	})
	s := &http.Server{Addr: l.Addr().String(), Handler: h, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = s.Serve(l) }() // until it is closed
	return s, nil
}
