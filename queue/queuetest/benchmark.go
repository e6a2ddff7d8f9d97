package queuetest

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// BenchmarkBackend measures what a job costs: the time of one job is that of its
// putting, taking and settling.
//
//	backend/1, backend/16, backend/256   by one caller, in batches of that size
//	backend/16x16                        by sixteen callers, in batches of 16
//	await/1, await/64                    Submit to Await, by that many callers,
//	                                     through a worker of 64
func BenchmarkBackend(b *testing.B, w Store) {
	w = w.withDefaults()
	for _, n := range []int{1, 16, 256} {
		b.Run("backend/"+strconv.Itoa(n), func(b *testing.B) { w.batches(b, 1, n) })
	}
	b.Run("backend/16x16", func(b *testing.B) { w.batches(b, 16, 16) })
	for _, n := range []int{1, 64} {
		b.Run("await/"+strconv.Itoa(n), func(b *testing.B) { w.awaits(b, n) })
	}
}

// share calls do from a number of goroutines until b.N jobs are done, n at a call.
func share(b *testing.B, goroutines, n int, do func(who, n int) error) {
	var wg sync.WaitGroup
	for who := range goroutines {
		jobs := b.N / goroutines
		if who < b.N%goroutines {
			jobs++
		}
		wg.Go(func() {
			for ; jobs > 0; jobs -= n {
				if err := do(who, min(n, jobs)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func (w Store) batches(b *testing.B, callers, n int) {
	t := newTrial(b, w)
	defer t.End()
	s := t.open()
	payload := octets(100)
	type room struct {
		jobs   []driver.Envelope
		leased []driver.Leased
		all    []driver.Settlement
	}
	rooms := make([]room, callers)
	ids := make([][]string, callers)
	for who := range callers { // ids are not what is measured
		for i := 0; i <= b.N/callers; i++ {
			ids[who] = append(ids[who], fmt.Sprintf("%s-%d-%d", t.Mark, who, i))
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	share(b, callers, n, func(who, n int) error {
		r := &rooms[who]
		r.jobs, r.all = r.jobs[:0], r.all[:0]
		for range n {
			r.jobs = append(r.jobs, driver.Envelope{ID: ids[who][0], Payload: payload})
			ids[who] = ids[who][1:]
		}
		if _, err := s.b.Put(t.Context(), s.request(r.jobs...)); err != nil {
			return err
		}
		for taken := 0; taken < n; taken += len(r.leased) {
			var err error
			r.leased, err = s.b.Take(t.Context(), r.leased[:0], driver.TakeRequest{Queue: s.queue, Max: n - taken, Lease: time.Minute})
			if err != nil {
				return err
			}
			for _, l := range r.leased {
				r.all = append(r.all, driver.Settlement{Lease: l.Lease, State: antiphon.StateSucceeded})
			}
		}
		for _, err := range s.b.Settle(t.Context(), s.queue, r.all) {
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func (w Store) awaits(b *testing.B, callers int) {
	t := newTrial(b, w)
	defer t.End()
	s := t.open()
	q, err := queue.New[int, int](s.queue, s.b, nil)
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- q.Work(ctx, func(_ context.Context, n int) (int, error) { return n, nil }, &queue.WorkOptions{Concurrency: 64})
	}()
	b.ReportAllocs()
	b.ResetTimer()
	share(b, callers, 1, func(who, _ int) error {
		j, err := q.Submit(t.Context(), who, nil)
		if err != nil {
			return err
		}
		_, err = j.Await(t.Context())
		return err
	})
	b.StopTimer()
	stop()
	if err := <-ended; err != nil {
		b.Error(err)
	}
	_ = q.Close()
}
