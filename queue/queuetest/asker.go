package queuetest

import (
	"context"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon/future/futuretest"
	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// Asker is the way from f to an answer over a store, for futuretest.TestAsker: jobs are
// submitted at asking and done at working, which are backends on one store, or the same
// one. What it starts ends with the test; the backends are the caller's to close, and a
// Cleanup that was registered before does so in time.
func Asker(tb testing.TB, asking, working driver.Backend, f futuretest.Func) futuretest.Asker {
	tb.Helper()
	asks, err := queue.New[futuretest.Query, futuretest.Answer]("law", asking, nil)
	if err != nil {
		tb.Fatal(err)
	}
	works, err := queue.New[futuretest.Query, futuretest.Answer]("law", working, &queue.Options{Attempts: 1})
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- works.Work(ctx, f, &queue.WorkOptions{Concurrency: 256, Drain: time.Second})
	}()
	tb.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			tb.Errorf("Work: %v", err)
		}
		_ = asks.Close()
		_ = works.Close()
	})
	return asks.Asker(nil)
}
