package queue_test

import (
	"context"
	"sync"
	"testing"

	"github.com/antiphon-go/antiphon/queue"
)

// X1: workers come and go while others submit, and cancel, and look who there is.
func TestX1_WorkersComeAndGo(t *testing.T) {
	b := queue.Memory(nil)
	defer b.Close()
	q := on(t, b, nil)
	stay := work(q, echo, nil)
	ctx, cancel := context.WithCancel(t.Context())
	var others sync.WaitGroup
	for range 2 {
		others.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				j, err := q.Submit(t.Context(), n, nil)
				if err != nil {
					t.Error(err)
					return
				}
				_ = j.Cancel(t.Context())
				_, _ = j.Await(t.Context())
			}
		})
	}
	for range 100 {
		if err := work(q, echo, nil)(); err != nil {
			t.Error(err)
		}
	}
	cancel()
	others.Wait()
	if err := stay(); err != nil {
		t.Error(err)
	}
}
