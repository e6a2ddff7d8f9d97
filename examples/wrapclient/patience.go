package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
)

// timedOut asks for what is not answered the first time. The attempt is given up,
// and its request ends; the next one has all its time.
func timedOut(ctx context.Context, s *stage) error {
	timeouts := 0
	price := future.With(s.client.Price, &future.Policy{
		Timeout:  250 * time.Millisecond, // for one attempt
		Attempts: 5,
		Backoff:  antiphon.Constant(50 * time.Millisecond),
		Observer: s.report(&timeouts),
	})

	start := time.Now()
	cents, err := price(ctx, "globe-slow-once")
	if err != nil {
		return err
	}
	s.say("answered after %v: %d cents", short(time.Since(start)), cents)
	if timeouts == 0 {
		return errors.New("no attempt was given up")
	}
	return until(ctx, "/price/globe-slow-once", s.shop.left)
}

// report prints what a policy does on the way, and counts the attempts that took
// too long. They come one after another here.
func (s *stage) report(timeouts *int) antiphon.Observer {
	return func(e antiphon.Event) {
		switch e.Name {
		case "future.timeout":
			*timeouts++
			s.say("attempt %d took longer than %v", e.Attempt, e.Duration)
		case "future.retry":
			s.say("attempt %d failed, the next comes after %v", e.Attempt, e.Duration)
		}
	}
}

// toldToWait asks a shop that answers with 429 and Retry-After: 1. That counts for
// more than our own backoff, which would have tried again after 10 ms.
func toldToWait(ctx context.Context, s *stage) error {
	var none int
	price := future.With(s.client.Price, &future.Policy{
		Attempts: 2,
		Backoff:  antiphon.Constant(10 * time.Millisecond),
		Observer: s.report(&none),
	})

	cents, err := price(ctx, "lamp-busy-once")
	if err != nil {
		return err
	}
	v := s.shop.seen("/price/lamp-busy-once")
	s.say("answered: %d cents; the shop saw us again after %v", cents, short(v.gap))
	if v.n != 2 || v.gap < time.Second {
		return fmt.Errorf("it was asked %d times, too soon", v.n)
	}
	return nil
}

// hedged asks for what takes for ever now and then. When an answer does not come
// soon, it is asked for once more; the first answer wins, the other call is ended.
func hedged(ctx context.Context, s *stage) error {
	price := future.Lift(s.client.Price, &future.Policy{Hedge: 40 * time.Millisecond})

	start := time.Now()
	cents, err := price(ctx, "kite-slow-once").Await(ctx)
	if err != nil {
		return err
	}
	took := time.Since(start)
	if err := until(ctx, "/price/kite-slow-once", s.shop.left); err != nil {
		return err
	}
	s.say("answered after %v by the second call: %d cents", short(took), cents)
	s.say("the first call was ended, and the shop has noticed")
	return nil
}
