package natsqueue_test

import (
	"context"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon/future/futuretest"
	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/queue/natsqueue"
)

// The law holds where the job is submitted in one process and done in another.
func TestX8_NATS(t *testing.T) {
	url := serve(t).URL()
	for name, apart := range map[string]bool{"one process": false, "two": true} {
		t.Run(name, func(t *testing.T) {
			futuretest.TestAsker(t, futuretest.Way{
				ExactlyOnce: true,
				Open: func(t testing.TB, f futuretest.Func) futuretest.Asker {
					o := &natsqueue.Options{Bucket: bucket()}
					here := open(t, dial(t, url), o)
					there := here
					if apart {
						there = open(t, dial(t, url), o)
					}
					return asker(t, here, there, f)
				},
			})
		})
	}
}

func asker(t testing.TB, here, there *natsqueue.Backend, f futuretest.Func) futuretest.Asker {
	asking, err := queue.New[futuretest.Query, futuretest.Answer]("law", here, nil)
	if err != nil {
		t.Fatal(err)
	}
	working, err := queue.New[futuretest.Query, futuretest.Answer]("law", there, &queue.Options{Attempts: 1})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- working.Work(ctx, f, &queue.WorkOptions{Concurrency: 256, Drain: time.Second})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Work: %v", err)
		}
		_ = asking.Close()
		_ = working.Close()
	})
	return asking.Asker(nil)
}
