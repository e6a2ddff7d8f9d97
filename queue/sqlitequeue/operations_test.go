package sqlitequeue_test

import (
	"context"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon/poller"
	"github.com/antiphon-go/antiphon/poller/pollertest"
	"github.com/antiphon-go/antiphon/queue"
)

// A status resource can be made of a queue in SQLite as of any other.
func TestOperationsOfSQLite(t *testing.T) {
	pollertest.TestOperations(t, pollertest.Store{
		Open: func(tb testing.TB, f pollertest.Func) poller.Operations {
			q, err := queue.New[pollertest.Query, pollertest.Answer]("operations", quick(tb), &queue.Options{MaxAttempts: 1, Capacity: 50})
			if err != nil {
				tb.Fatal(err)
			}
			ctx, stop := context.WithCancel(context.Background())
			ended := make(chan error, 1)
			go func() { ended <- q.Work(ctx, f, &queue.WorkOptions{Concurrency: 16}) }()
			tb.Cleanup(func() {
				stop()
				if err := <-ended; err != nil {
					tb.Errorf("Work: %v", err)
				}
				_ = q.Close()
			})
			return q.Operations(nil)
		},
		Limit:    66,
		Patience: time.Minute,
		Slack:    10 * time.Second,
	})
}
