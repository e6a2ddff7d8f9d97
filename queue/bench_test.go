package queue_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/internal/ident"
	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// What a hand-over costs: a job that is put, taken and settled, beside a value that
// passes a buffered channel. One goroutine puts, another takes and settles.
func BenchmarkHandOver(b *testing.B) {
	b.Run("raw", func(b *testing.B) {
		c := make(chan []byte, 1024)
		done := make(chan struct{})
		b.ReportAllocs()
		go func() {
			for range c {
			}
			close(done)
		}()
		for b.Loop() {
			c <- nil
		}
		close(c)
		<-done
	})
	b.Run("byhand", func(b *testing.B) {
		l := &leasedByHand{jobs: map[string]*leasedJob{}, wake: make(chan struct{}, 1)}
		done := make(chan struct{})
		var ended atomic.Bool
		go func() {
			defer close(done)
			for {
				j, until := l.take(time.Minute)
				switch {
				case j != nil:
					l.settle(j.id, until)
				case ended.Load():
					return
				default:
					<-l.wake
				}
			}
		}()
		ids := make([]string, 4096)
		var source ident.Source
		for i := range ids {
			ids[i] = source.Next()
		}
		b.ReportAllocs()
		n := 0
		for b.Loop() {
			for !l.put(ids[n%len(ids)], 1024) {
				runtime.Gosched()
			}
			n++
		}
		ended.Store(true)
		select {
		case l.wake <- struct{}{}:
		default:
		}
		<-done
	})
	for _, batch := range []int{1, 16} {
		b.Run(fmt.Sprintf("memory/batch=%d", batch), func(b *testing.B) {
			m := queue.Memory(&queue.MemoryOptions{MaxKept: 1024})
			defer m.Close()
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan struct{})
			var taken atomic.Int64
			go func() {
				defer close(done)
				var in []driver.Leased
				var out []driver.Settlement
				for {
					var err error
					in, err = m.Take(ctx, in[:0], driver.TakeRequest{Queue: "q", Max: batch, Lease: time.Minute})
					if err != nil {
						return
					}
					out = out[:0]
					for i := range in {
						out = append(out, driver.Settlement{Lease: in[i].Lease, State: "succeeded"})
					}
					if errs := m.Settle(ctx, "q", out); errs != nil {
						b.Error(errs)
					}
					taken.Add(int64(len(in)))
				}
			}()
			ids := make([]string, 4096)
			var source ident.Source
			for i := range ids {
				ids[i] = source.Next()
			}
			jobs := make([]driver.Envelope, batch)
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				if n%batch == batch-1 {
					for i := range jobs {
						jobs[i] = driver.Envelope{ID: ids[(n+i)%len(ids)], Payload: nil, Keep: 0, TTL: time.Hour}
					}
					for {
						placed, err := m.Put(ctx, driver.PutRequest{Queue: "q", Jobs: jobs, Capacity: 1024, Overflow: driver.Block})
						if err != nil {
							b.Fatal(err)
						}
						if placed == nil {
							break
						}
						runtime.Gosched() // the ids are still in use
					}
				}
				n++
			}
			b.StopTimer()
			cancel()
			<-done
		})
	}
}

// leasedByHand is the least that leases jobs which have names and times: a table and a
// ring under a lock, and a look at the clock in each call. Nothing in it ends a lease.
type leasedByHand struct {
	mu    sync.Mutex
	jobs  map[string]*leasedJob
	ready []*leasedJob
	head  int
	spare []*leasedJob
	wake  chan struct{}
}

type leasedJob struct {
	id             string
	created, until time.Duration
}

var began = time.Now()

func (l *leasedByHand) put(id string, limit int) bool {
	now := time.Since(began)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.jobs) >= limit || l.jobs[id] != nil {
		return false
	}
	var j *leasedJob
	if n := len(l.spare); n > 0 {
		j, l.spare = l.spare[n-1], l.spare[:n-1]
	} else {
		j = new(leasedJob)
	}
	j.id, j.created = id, now
	l.jobs[id] = j
	if l.ready = append(l.ready, j); len(l.ready)-l.head == 1 {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
	return true
}

func (l *leasedByHand) take(d time.Duration) (j *leasedJob, until time.Duration) {
	now := time.Since(began)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.head == len(l.ready) {
		l.ready, l.head = l.ready[:0], 0
		return nil, 0
	}
	j = l.ready[l.head]
	l.head++
	if l.head > 1024 {
		l.ready, l.head = append(l.ready[:0], l.ready[l.head:]...), 0
	}
	j.until = now + d
	return j, j.until
}

func (l *leasedByHand) settle(id string, until time.Duration) bool {
	now := time.Since(began)
	l.mu.Lock()
	defer l.mu.Unlock()
	j := l.jobs[id]
	if j == nil || j.until != until || until < now {
		return false
	}
	delete(l.jobs, id)
	l.spare = append(l.spare, j)
	return true
}

// byHand is the least that has a typed answer from a worker: names that cannot be
// guessed, a table under a lock, two channels, and values that are encoded both ways. It
// has no leases, no times, no retries, and no end.
type byHand struct {
	ids  ident.Source
	mu   sync.Mutex
	jobs map[string]*byHandJob
	work chan *byHandJob
}

type byHandJob struct {
	id      string
	payload []byte
	answer  future.Promise[int]
}

func (h *byHand) do() {
	codec := antiphon.JSON{}
	for j := range h.work {
		n := 0
		err := codec.Unmarshal(j.payload, &n)
		result, _ := codec.Marshal(n)
		h.mu.Lock()
		waits := h.jobs[j.id]
		delete(h.jobs, j.id)
		h.mu.Unlock()
		v := 0
		if err == nil {
			err = codec.Unmarshal(result, &v)
		}
		waits.answer.Settle(v, err)
	}
}

func (h *byHand) submit(n int) *byHandJob {
	payload, _ := antiphon.JSON{}.Marshal(n)
	j := &byHandJob{id: h.ids.Next(), payload: payload}
	h.mu.Lock()
	h.jobs[j.id] = j
	h.mu.Unlock()
	h.work <- j
	return j
}

// From Submit to the answer, through a worker.
func BenchmarkSubmitAwait(b *testing.B) {
	ctx := context.Background()
	for _, flight := range []int{1, 64} {
		b.Run(fmt.Sprintf("byhand/inflight=%d", flight), func(b *testing.B) {
			h := &byHand{jobs: map[string]*byHandJob{}, work: make(chan *byHandJob, 64)}
			defer close(h.work)
			go h.do()
			b.ReportAllocs()
			b.ResetTimer()
			share(b.N, flight, func() {
				if v, err := h.submit(7).answer.Future().Await(ctx); v != 7 || err != nil {
					b.Error(v, err)
				}
			})
		})
		b.Run(fmt.Sprintf("inflight=%d", flight), func(b *testing.B) {
			m := queue.Memory(&queue.MemoryOptions{MaxKept: 1024})
			q, err := queue.New[int, int]("bench", m, nil)
			if err != nil {
				b.Fatal(err)
			}
			stop, cancel := context.WithCancel(ctx)
			ended := make(chan error, 1)
			go func() {
				ended <- q.Work(stop, func(_ context.Context, n int) (int, error) { return n, nil }, &queue.WorkOptions{Concurrency: 64})
			}()
			b.ReportAllocs()
			b.ResetTimer()
			share(b.N, flight, func() {
				j, err := q.Submit(ctx, 7, nil)
				if err != nil {
					b.Error(err)
					return
				}
				if v, err := j.Await(ctx); v != 7 || err != nil {
					b.Error(v, err)
				}
			})
			b.StopTimer()
			cancel()
			<-ended
			_ = q.Close()
			_ = m.Close()
		})
	}
}

// share has do called n times in all by some goroutines.
func share(n, goroutines int, do func()) {
	var left atomic.Int64
	left.Store(int64(n))
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				do()
			}
		})
	}
	wg.Wait()
}

// A million jobs that wait: what each weighs beyond its payload.
func BenchmarkMillionWaiting(b *testing.B) {
	const n = 1_000_000
	for b.Loop() {
		m := queue.Memory(nil)
		q, err := queue.New[struct{}, struct{}]("bench", m, nil)
		if err != nil {
			b.Fatal(err)
		}
		before := heap()
		o := &queue.SubmitOptions{Delay: time.Hour}
		start := time.Now()
		jobs := make([]*queue.Job[struct{}], n)
		for i := range jobs {
			if jobs[i], err = q.Submit(context.Background(), struct{}{}, o); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(time.Since(start).Nanoseconds())/n, "ns/submit")
		b.ReportMetric(float64(heap()-before)/n-8, "B/job")
		_ = q.Close()
		_ = m.Close()
		runtime.KeepAlive(jobs)
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
