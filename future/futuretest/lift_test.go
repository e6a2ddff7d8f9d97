package futuretest_test

import (
	"context"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/future/futuretest"
)

// The law holds for Lift itself, of which every other way is a likeness.
func TestX8_Lift(t *testing.T) {
	for name, p := range map[string]*future.Policy{
		"plain":   nil,
		"policy":  {Timeout: time.Minute, Attempts: 1, Concurrency: 1000},
		"limited": {Concurrency: 4},
	} {
		t.Run(name, func(t *testing.T) {
			w := futuretest.Way{
				ExactlyOnce: true,
				Open: func(_ testing.TB, f futuretest.Func) futuretest.Asker {
					return future.Lift(f, p)
				},
			}
			t.Run("real time", func(t *testing.T) { futuretest.TestAsker(t, w) })
			w.Bubble = true
			t.Run("virtual time", func(t *testing.T) { futuretest.TestAsker(t, w) })
		})
	}
}

// There and back again is still the law.
func TestX8_BlockAndLift(t *testing.T) {
	futuretest.TestAsker(t, futuretest.Way{
		Bubble:      true,
		ExactlyOnce: true,
		Open: func(_ testing.TB, f futuretest.Func) futuretest.Asker {
			return future.Lift(future.Block(future.Lift(f, nil)), nil)
		},
	})
}

// A retried ask is answered at least once, and hedging calls twice.
func TestX8_HedgedLift(t *testing.T) {
	futuretest.TestAsker(t, futuretest.Way{
		Bubble: true,
		Open: func(_ testing.TB, f futuretest.Func) futuretest.Asker {
			return future.Lift(f, &future.Policy{Hedge: time.Millisecond})
		},
	})
}

// A Group's Asker shares calls of one key, and is no less an Asker for it.
func TestX8_Group(t *testing.T) {
	futuretest.TestAsker(t, futuretest.Way{
		Bubble:     true,
		NoDeadline: true, // nobody's deadline is another's
		Open: func(_ testing.TB, f futuretest.Func) futuretest.Asker {
			var g future.Group[futuretest.Query, futuretest.Answer]
			return g.Lift(f)
		},
	})
}

// In a scope, asks are members, and Run waits for what is left of them.
func TestX8_LiftInScope(t *testing.T) {
	futuretest.TestAsker(t, futuretest.Way{
		ExactlyOnce: true,
		Bubble:      true,
		Open: func(_ testing.TB, f futuretest.Func) futuretest.Asker {
			ask := future.Lift(f, nil)
			return func(ctx context.Context, q futuretest.Query) *future.Future[futuretest.Answer] {
				var answer future.Promise[futuretest.Answer]
				begun := make(chan struct{})
				go func() {
					_ = future.Run(ctx, func(s *future.Scope) error {
						f := ask(s, q)
						f.OnDone(func(r future.Result[futuretest.Answer]) { answer.Settle(r.Get()) })
						close(begun)
						return nil
					})
				}()
				<-begun
				return answer.Future()
			}
		},
	})
}
