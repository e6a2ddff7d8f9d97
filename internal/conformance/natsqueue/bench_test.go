package natsqueue_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/queue/driver"
	"github.com/antiphon-go/antiphon/queue/natsqueue"
	"github.com/antiphon-go/antiphon/queue/queuetest"
)

func BenchmarkBackend(b *testing.B) { queuetest.BenchmarkBackend(b, described(b)) }

var payload = []byte(`{"what":"is to be done","n":123456}`)

// A bare is what one would write by hand: a work-queue stream, and a bucket of results.
type bare struct {
	js       jetstream.JetStream
	results  jetstream.KeyValue
	consumer jetstream.Consumer
	next     atomic.Int64
}

func newBare(b *testing.B) *bare {
	b.Helper()
	must := func(err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	ctx := b.Context()
	w := &bare{}
	var err error
	w.js, err = jetstream.New(dial(b, serve(b).URL()))
	must(err)
	_, err = w.js.CreateStream(ctx, jetstream.StreamConfig{Name: "work", Subjects: []string{"work"}, Retention: jetstream.WorkQueuePolicy})
	must(err)
	w.results, err = w.js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "results"})
	must(err)
	w.consumer, err = w.js.CreateConsumer(ctx, "work", jetstream.ConsumerConfig{Durable: "work", AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 100000})
	must(err)
	return w
}

func (w *bare) put(ctx context.Context) error {
	_, err := w.js.Publish(ctx, "work", payload)
	return err
}

func (w *bare) work(ctx context.Context) error {
	got, err := w.consumer.Fetch(1)
	if err != nil {
		return err
	}
	for m := range got.Messages() {
		if _, err := w.results.Put(ctx, fmt.Sprint(w.next.Add(1)), payload); err != nil {
			return err
		}
		if err := m.DoubleAck(ctx); err != nil {
			return err
		}
	}
	return got.Error()
}

// One job at a time from its submission to its answer, beside a bare publish, fetch, put
// of the result and acknowledgement. p50-µs is what half of them took at the most, ×bare
// how much that is beside the bare one of this run.
func BenchmarkSubmitAwait(b *testing.B) {
	bare := 0.0
	b.Run("bare", func(b *testing.B) {
		w := newBare(b)
		bare = measure(b, func() error {
			if err := w.put(b.Context()); err != nil {
				return err
			}
			return w.work(b.Context())
		})
	})
	b.Run("antiphon", func(b *testing.B) {
		q, stop := working(b)
		defer stop()
		p50 := measure(b, func() error {
			j, err := q.Submit(b.Context(), 7, nil)
			if err == nil {
				_, err = j.Await(b.Context())
			}
			return err
		})
		beside(b, p50, bare)
	})
}

// beside reports how much v is of that of the bare one, if that was run.
func beside(b *testing.B, v, bare float64) {
	if bare > 0 {
		b.ReportMetric(v/bare, "×bare")
	}
}

func measure(b *testing.B, do func() error) (p50 float64) {
	took := make([]time.Duration, 0, b.N)
	b.ResetTimer()
	for range b.N {
		from := time.Now()
		if err := do(); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(from))
	}
	b.StopTimer()
	slices.Sort(took)
	p50 = float64(took[len(took)/2].Nanoseconds()) / 1000
	b.ReportMetric(p50, "p50-µs")
	return p50
}

func working(b *testing.B) (*queue.Queue[int, int], func()) {
	backend := open(b, dial(b, serve(b).URL()), nil)
	q, err := queue.New[int, int]("bench", backend, nil)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- q.Work(ctx, func(_ context.Context, n int) (int, error) { return n, nil }, &queue.WorkOptions{Concurrency: 16})
	}()
	return q, func() {
		cancel()
		<-ended
		_ = q.Close()
	}
}

// Sixteen put a job each, take one, and settle it, again and again.
func BenchmarkSixteen(b *testing.B) {
	bare := 0.0
	b.Run("bare", func(b *testing.B) {
		w := newBare(b)
		bare = sixteen(b, func(int64) error {
			if err := w.put(b.Context()); err != nil {
				return err
			}
			return w.work(b.Context())
		})
	})
	b.Run("antiphon", func(b *testing.B) {
		backend := open(b, dial(b, serve(b).URL()), nil)
		beside(b, sixteen(b, func(i int64) error { return one(b.Context(), backend, i) }), bare)
	})
	b.Run("await", func(b *testing.B) {
		q, stop := working(b)
		defer stop()
		rate := sixteen(b, func(int64) error {
			j, err := q.Submit(b.Context(), 7, nil)
			if err == nil {
				_, err = j.Await(b.Context())
			}
			return err
		})
		beside(b, rate, bare)
	})
}

func one(ctx context.Context, b *natsqueue.Backend, i int64) error {
	_, err := b.Put(ctx, driver.PutRequest{Queue: "bench", Jobs: []driver.Envelope{{ID: fmt.Sprintf("job-%016d", i), Payload: payload, Keep: time.Hour}}})
	if err != nil {
		return err
	}
	got, err := b.Take(ctx, nil, driver.TakeRequest{Queue: "bench", Max: 1, Lease: time.Minute})
	if err != nil {
		return err
	}
	for _, l := range got {
		if errs := b.Settle(ctx, "bench", []driver.Settlement{{Lease: l.Lease, State: antiphon.StateSucceeded, Result: payload}}); errs != nil {
			return errs[0]
		}
	}
	return nil
}

func sixteen(b *testing.B, do func(i int64) error) (rate float64) {
	var next atomic.Int64
	var all sync.WaitGroup
	b.ResetTimer()
	for range 16 {
		all.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				if err := do(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	rate = float64(b.N) / b.Elapsed().Seconds()
	b.ReportMetric(rate, "jobs/s")
	return rate
}
