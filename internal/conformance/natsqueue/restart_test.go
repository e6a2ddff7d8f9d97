package natsqueue_test

import (
	"context"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/queue/natsqueue"
)

// The server ends, and begins again on its files, while jobs are submitted, worked on and
// awaited: every accepted job is answered, by the same backends.
func TestQ1_Q2_ServerRestarts(t *testing.T) {
	s := serve(t)
	o := &queue.Options{Lease: time.Second, Poll: time.Second, Attempts: 1000}
	var seen told
	here, there := open(t, dial(t, s.URL()), &natsqueue.Options{Timeout: 2 * time.Second, Observer: seen.observe}), open(t, dial(t, s.URL()), nil)
	asking, err := queue.New[int, int]("restart", here, o)
	if err != nil {
		t.Fatal(err)
	}
	defer asking.Close()
	working, err := queue.New[int, int]("restart", there, o)
	if err != nil {
		t.Fatal(err)
	}
	defer working.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	work, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		ended <- working.Work(work, func(_ context.Context, n int) (int, error) { return n * n, nil }, &queue.WorkOptions{Concurrency: 4})
	}()
	var jobs []*queue.Job[int]
	var squares []int
	for n := range 60 {
		if n == 20 || n == 40 {
			s.Stop()
			if _, err := asking.Stats(ctx); err == nil {
				t.Error("nobody was asked, and answered")
			}
			s.Start()
		}
		j, err := asking.Submit(ctx, n, nil)
		if err != nil { // not accepted, or nobody knows
			continue
		}
		jobs, squares = append(jobs, j), append(squares, n*n)
	}
	for i, j := range jobs {
		if v, err := j.Await(ctx); v != squares[i] || err != nil {
			t.Errorf("job %d: %d, %v", i, v, err)
		}
	}
	if len(jobs) < 20 {
		t.Errorf("only %d jobs were accepted", len(jobs))
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("Work: %v", err)
	}
	if n, m := len(seen.of("nats.stalled")), len(seen.of("nats.resumed")); n < 2 || m < 2 {
		t.Errorf("told %d times that the server cannot be followed, and %d times that it can", n, m)
	}
	t.Logf("%d of 60 jobs were accepted", len(jobs))
}
