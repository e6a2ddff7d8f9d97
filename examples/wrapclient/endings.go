package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
)

// cancelled gives up two asks, of which one has reached the shop. Cancelling
// reaches it there; but whether it was done nobody knows. The other was waiting
// for the only slot, and was surely not done.
func cancelled(ctx context.Context, s *stage) error {
	buy := future.Lift(s.client.Buy, &future.Policy{Concurrency: 1})

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	started, waiting := buy(ctx, "globe-slow"), buy(ctx, "lamp")
	if err := until(ctx, "/buy/globe-slow", s.shop.came); err != nil {
		return err
	}
	start := time.Now()
	cancel()
	ctx = context.WithoutCancel(ctx)
	if err := until(ctx, "/buy/globe-slow", s.shop.left); err != nil {
		return err
	}
	s.say("the shop saw the request end %v after the cancel", short(time.Since(start)))
	return errors.Join(
		s.outcome(ctx, "the one under way", started, antiphon.ClassUnknown),
		s.outcome(ctx, "the one in the queue", waiting, antiphon.ClassNotAccepted),
	)
}

// classes buys things, which is not to be done twice by mistake. What an error
// says about that is its class.
func classes(ctx context.Context, s *stage) error {
	buy := future.Lift(s.client.Buy, nil)
	hasty := future.Lift(s.client.Buy, &future.Policy{Timeout: 50 * time.Millisecond})
	nowhere := future.Lift((&Client{"http://127.0.0.1:0", s.client.HTTP}).Buy, nil)
	return errors.Join(
		s.outcome(ctx, "429, come back later", buy(ctx, "lamp-busy"), antiphon.ClassNotAccepted),
		s.outcome(ctx, "no connection", nowhere(ctx, "lamp"), antiphon.ClassNotAccepted),
		s.outcome(ctx, "409, sold out", buy(ctx, "kite-gone"), antiphon.ClassFailed),
		s.outcome(ctx, "connection lost", buy(ctx, "vase-cut"), antiphon.ClassUnknown),
		s.outcome(ctx, "no answer in time", hasty(ctx, "globe-slow"), antiphon.ClassUnknown),
	)
}

// advice is what a class means for who has asked.
var advice = map[antiphon.Class]string{
	antiphon.ClassNotAccepted: "not done: ask again",
	antiphon.ClassFailed:      "tried, and ended badly: do something else",
	antiphon.ClassUnknown:     "done or not: look before you ask again",
}

// outcome prints what became of an ask that is to fail with the class want.
func (s *stage) outcome(ctx context.Context, what string, ask *future.Future[int], want antiphon.Class) error {
	_, err := ask.Await(ctx)
	class := antiphon.ClassOf(err)
	s.say("%-21s %-20s %-13s %s", what, antiphon.CodeOf(err), class, advice[class])
	if class != want {
		return fmt.Errorf("%s: class %q, want %q (%w)", what, class, want, err)
	}
	return nil
}
