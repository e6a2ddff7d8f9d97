package sqlitequeue_test

import (
	"context"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon/future/futuretest"
	"github.com/antiphon-go/antiphon/poller"
	"github.com/antiphon-go/antiphon/poller/pollertest"
	"github.com/antiphon-go/antiphon/queue"
)

// A status resource can be made of a queue in SQLite as of any other.
func TestOperationsOfSQLite(t *testing.T) {
	pollertest.TestOperations(t, pollertest.Store{
		Open: func(tb testing.TB, f pollertest.Func) poller.Operations {
			q, err := queue.New[pollertest.Query, pollertest.Answer]("operations", quick(tb), &queue.Options{Attempts: 1, Capacity: 50})
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

// The law holds for who asks over HTTP what is then a job in SQLite.
func TestX8_SQLiteOverHTTP(t *testing.T) {
	futuretest.TestAsker(t, futuretest.Way{
		ExactlyOnce: true,
		Open: func(tb testing.TB, f futuretest.Func) futuretest.Asker {
			q, err := queue.New[futuretest.Query, futuretest.Answer]("law", quick(tb), &queue.Options{Attempts: 1})
			if err != nil {
				tb.Fatal(err)
			}
			ctx, stop := context.WithCancel(context.Background())
			ended := make(chan error, 1)
			go func() { ended <- q.Work(ctx, f, &queue.WorkOptions{Concurrency: 1024}) }()
			s := poller.Serve(q.Operations(nil), nil)
			h := httptest.NewServer(s)
			tb.Cleanup(func() {
				ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
				defer cancel()
				if err := s.Shutdown(ctx); err != nil {
					tb.Errorf("Shutdown: %v", err)
				}
				h.Close()
				stop()
				<-ended
				_ = q.Close()
			})
			return poller.Dial[futuretest.Query, futuretest.Answer](h.URL, &poller.HTTPOptions{Client: h.Client()})
		},
		Patience: time.Minute,
		Slack:    5 * time.Second,
	})
}
