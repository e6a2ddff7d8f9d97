package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/antiphon-go/antiphon/future"
)

// together asks for six prices at once, without a policy: six goroutines wait.
func together(ctx context.Context, s *stage) error {
	var calls stopwatch
	price := future.Lift(timed(&calls, s.client.Price), nil)

	start := time.Now()
	prices := future.All(
		price(ctx, "atlas"), price(ctx, "bell"), price(ctx, "compass"),
		price(ctx, "drum"), price(ctx, "easel"), price(ctx, "flute"),
	)
	asked := time.Since(start)
	cents, err := prices.Await(ctx)
	if err != nil {
		return err
	}
	took, crowd := time.Since(start), s.shop.crowd()

	s.say("asked for six prices in %v, and got them after %v: %v", short(asked), short(took), cents)
	s.say("the slowest call took %v, all of them together %v", short(calls.longest), short(calls.sum))
	s.say("the shop was answering %d at once", crowd)
	if took >= calls.sum {
		return errors.New("one after another would have been as fast")
	}
	return nil
}

// limited asks for nine at once, of a shop that is to answer three at once. The
// others wait their turn, in order and without a goroutine.
func limited(ctx context.Context, s *stage) error {
	const limit = 3
	price := future.Lift(s.client.Price, &future.Policy{Concurrency: limit})

	start := time.Now()
	asked := make([]*future.Future[int], 9)
	for i := range asked {
		asked[i] = price(ctx, fmt.Sprintf("stamp%d", i))
	}
	if _, err := future.All(asked...).Await(ctx); err != nil {
		return err
	}
	took, crowd := time.Since(start), s.shop.crowd()

	s.say("asked for nine prices, and got them after %v: three rounds of %v", short(took), takes)
	s.say("the shop was answering %d at once", crowd)
	if crowd > limit {
		return fmt.Errorf("that is more than %d", limit)
	}
	return nil
}

// A stopwatch measures calls.
type stopwatch struct {
	mu           sync.Mutex
	sum, longest time.Duration
}

// timed is f, with a stopwatch: what wraps a call wraps all of its askers too.
func timed[Q, R any](w *stopwatch, f future.Func[Q, R]) future.Func[Q, R] {
	return func(ctx context.Context, q Q) (R, error) {
		start := time.Now()
		defer func() {
			took := time.Since(start)
			w.mu.Lock()
			defer w.mu.Unlock()
			w.sum, w.longest = w.sum+took, max(w.longest, took)
		}()
		return f(ctx, q)
	}
}

// short leaves out digits that nobody reads.
func short(d time.Duration) time.Duration {
	if d > 10*time.Millisecond {
		return d.Round(time.Millisecond)
	}
	return d.Round(time.Microsecond)
}
