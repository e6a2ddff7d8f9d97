package natsqueue_test

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/antiphon-go/antiphon/queue"
)

// The server loses the consumers that feed the processes, as a cluster does when one of
// its servers is gone: others take their place, and nothing is missed.
func TestQ1_ConsumersAreLost(t *testing.T) {
	s := serve(t)
	nc := dial(t, s.URL())
	asking, err := queue.New[int, int]("lost", open(t, nc, nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer asking.Close()
	working, err := queue.New[int, int]("lost", open(t, dial(t, s.URL()), nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer working.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	work, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		ended <- working.Work(work, func(_ context.Context, n int) (int, error) { return n * n, nil }, nil)
	}()

	for n := range 4 {
		job, err := asking.Submit(ctx, n, nil)
		if err != nil {
			t.Fatal(err)
		}
		if n > 0 && lose(ctx, t, nc) == 0 {
			t.Error("there was no consumer to lose")
		}
		if v, err := job.Await(ctx); v != n*n || err != nil {
			t.Errorf("%d, %v", v, err)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// lose deletes all consumers, and returns how many there were.
func lose(ctx context.Context, t *testing.T, nc *nats.Conn) (n int) {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	streams := js.ListStreams(ctx)
	for info := range streams.Info() {
		stream, err := js.Stream(ctx, info.Config.Name)
		if err != nil {
			t.Fatal(err)
		}
		names := stream.ConsumerNames(ctx)
		for name := range names.Name() {
			n++
			if err := stream.DeleteConsumer(ctx, name); err != nil {
				t.Error(err)
			}
		}
		if err := names.Err(); err != nil {
			t.Error(err)
		}
	}
	if err := streams.Err(); err != nil {
		t.Error(err)
	}
	return n
}
