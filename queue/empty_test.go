package queue_test

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// Q9: who is told that there is nothing can believe it: of any number of takers at the
// instant at which the last delay has passed, none stops while there is a job.
func TestQ9_EmptyMeansNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const jobs, takers = 400, 16
		b := queue.Memory(nil)
		defer b.Close()
		for i := range jobs {
			e := driver.Envelope{ID: strconv.Itoa(i), Priority: i % 3}
			if i%2 == 0 {
				e.Delay = time.Duration(i+1) * time.Millisecond
			}
			if _, err := b.Put(t.Context(), driver.PutRequest{Queue: "q", Jobs: []driver.Envelope{e}}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep((jobs - 1) * time.Millisecond) // the last delay
		var taken atomic.Int64
		var wg sync.WaitGroup
		for i := range takers {
			wg.Go(func() {
				for {
					got, err := b.Take(t.Context(), nil, driver.TakeRequest{Queue: "q", Max: 1 + i%3, Lease: time.Hour, Wait: 1})
					if err != nil {
						t.Error(err)
					}
					if len(got) == 0 {
						return
					}
					taken.Add(int64(len(got)))
				}
			})
		}
		wg.Wait()
		if n := taken.Load(); n != jobs {
			t.Errorf("%d of %d jobs were handed out when all takers had been told that there is nothing", n, jobs)
		}
		if s, err := b.Stats(t.Context(), "q"); err != nil || s.Ready != 0 || s.Delayed != 0 || s.Running != jobs {
			t.Errorf("%+v, %v", s, err)
		}
	})
}
