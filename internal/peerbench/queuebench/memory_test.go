package queuebench

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"

	"github.com/antiphon-go/antiphon/queue"
)

// One job after the other, from submission to the end of the work, in memory. The raw
// channel knows no leases, retries or results.
func BenchmarkMemory(b *testing.B) {
	for _, w := range []struct {
		name string
		open func(testing.TB, func(int)) (submit func(context.Context, int) error)
	}{{"raw", rawMemory}, {"antiphon", antiphonMemory}, {"watermill", watermillMemory}} {
		b.Run(w.name, func(b *testing.B) {
			done := make(chan int, 1)
			submit := w.open(b, func(n int) { done <- n })
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				n++
				if err := submit(b.Context(), n); err != nil {
					b.Fatal(err)
				}
				if got := <-done; got != n {
					b.Fatal(got)
				}
			}
		})
	}
}

func rawMemory(t testing.TB, do func(int)) func(context.Context, int) error {
	c := make(chan int, 1024)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for n := range c {
			do(n)
		}
	}()
	t.Cleanup(func() { close(c); <-ended })
	return func(_ context.Context, n int) error { c <- n; return nil }
}

func antiphonMemory(t testing.TB, do func(int)) func(context.Context, int) error {
	m := queue.Memory(&queue.MemoryOptions{MaxKept: 1024})
	q, err := queue.New[int, int]("bench", m, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- q.Work(ctx, func(_ context.Context, n int) (int, error) { do(n); return n, nil }, nil)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		_ = q.Close()
		_ = m.Close()
	})
	return func(ctx context.Context, n int) error { _, err := q.Submit(ctx, n, nil); return err }
}

func watermillMemory(t testing.TB, do func(int)) func(context.Context, int) error {
	p := gochannel.NewGoChannel(gochannel.Config{OutputChannelBuffer: 1024}, watermill.NopLogger{})
	all, err := p.Subscribe(context.Background(), "bench")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for m := range all {
			n := 0
			if err := json.Unmarshal(m.Payload, &n); err != nil {
				t.Error(err)
			}
			do(n)
			m.Ack()
		}
	}()
	t.Cleanup(func() { _ = p.Close(); <-ended })
	return func(_ context.Context, n int) error {
		b, err := json.Marshal(n)
		if err != nil {
			return err
		}
		return p.Publish("bench", message.NewMessage(watermill.NewUUID(), b))
	}
}
