package natsqueue_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/queue/natsqueue"
)

// The server ends, and begins again on its files, while jobs are submitted, worked on and
// awaited: every accepted job is answered, by the same backends.
func TestQ1_Q2_ServerRestarts(t *testing.T) {
	dir := t.TempDir()
	begin := func(port int) *server.Server {
		s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: dir, NoSigs: true, NoLog: true})
		if err != nil {
			t.Fatal(err)
		}
		s.Start()
		if !s.ReadyForConnections(20 * time.Second) {
			t.Fatal("the server does not listen")
		}
		return s
	}
	end := func(s *server.Server) {
		s.Shutdown()
		s.WaitForShutdown()
	}
	s := begin(-1)
	port := s.Addr().(*net.TCPAddr).Port
	defer func() { end(s) }()

	o := &queue.Options{Lease: time.Second, Poll: time.Second, MaxAttempts: 1000}
	var seen told
	here, there := open(t, dial(t, s.ClientURL()), &natsqueue.Options{Timeout: 2 * time.Second, Observer: seen.observe}), open(t, dial(t, s.ClientURL()), nil)
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
			end(s)
			if _, err := asking.Stats(ctx); err == nil {
				t.Error("nobody was asked, and answered")
			}
			s = begin(port)
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
