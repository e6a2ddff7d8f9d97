package webhook_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/webhook"
	"github.com/antiphon-go/antiphon/webhook/webhooktest"
)

// arrived are the messages that were answered with success, in that order.
func (b *town) arrived(endpoint string) (ids []string) {
	for _, a := range b.log.Attempts("", endpoint) {
		if a.Err == nil {
			ids = append(ids, a.Message)
		}
	}
	return ids
}

func inOrder(t *testing.T, ids []string) {
	t.Helper()
	if !slices.IsSorted(ids) {
		t.Errorf("they came as %v", ids)
	}
}

// A first delay, and its jitter, change nothing in the order.
func TestOrderedWithAFirstDelay(t *testing.T) {
	inTown(t, webhook.SenderOptions{Schedule: webhook.Schedule{Delays: []time.Duration{time.Minute, time.Second}, Jitter: 1}}, func(b *town) {
		b.at("m1", &webhooktest.Target{}, func(e *webhook.Endpoint) { e.Ordered = true })
		for i := range 30 {
			b.send(webhook.Message{ID: fmt.Sprintf("%02d", i)})
		}
		after(time.Hour)
		if got := b.arrived("m1"); len(got) != 30 {
			t.Error(got)
		} else {
			inOrder(t, got)
		}
	})
}

// Whatever happens to it meanwhile, an endpoint gets its messages in order, one at a
// time, and each arrives or is a dead letter.
func TestOrderedThroughEverything(t *testing.T) {
	for range 10 {
		inTown(t, webhook.SenderOptions{BreakAfter: 2, Schedule: webhook.Schedule{Delays: []time.Duration{0, time.Second, 10 * time.Second, time.Minute}}}, func(b *town) {
			to := &webhooktest.Target{By: func(int, webhooktest.Pushed) webhooktest.Step {
				s := webhooktest.Step{Delay: time.Duration(rand.IntN(int(time.Second)))}
				switch rand.IntN(6) {
				case 0:
					s.Status = 500
				case 1:
					s.Cut = true
				case 2:
					s.Status, s.Header = 503, map[string][]string{"Retry-After": {fmt.Sprint(rand.IntN(90))}}
				}
				return s
			}}
			ordered := func(e *webhook.Endpoint) { e.Ordered = true }
			b.at("m1", to, ordered)
			for i := range 60 {
				b.send(webhook.Message{ID: fmt.Sprintf("%02d", i), Endpoint: "m1"})
				after(time.Duration(rand.IntN(int(4 * time.Second))))
				if i%20 == 19 {
					b.Remove("m1")
					after(time.Minute)
					b.at("m1", to, ordered)
				}
			}
			after(6 * time.Hour)
			got, dead := b.arrived("m1"), b.dead()
			inOrder(t, got)
			if len(got)+len(dead) != 60 || to.AtOnce() != 1 {
				t.Errorf("%d arrived, %d are dead, %d at once", len(got), len(dead), to.AtOnce())
			}
		})
	}
}

// One that is given back when the sender is shut down in a hurry is the first to come
// when another goes on.
func TestOrderedOverAShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := queue.Memory(nil)
		defer store.Close()
		var got []string
		for round := range 5 {
			b := newTown(t, webhook.SenderOptions{Queue: store})
			hangs, hung := round < 4, make(chan struct{})
			to := &webhooktest.Target{By: func(n int, _ webhooktest.Pushed) webhooktest.Step {
				if n != 4 || !hangs {
					return webhooktest.Step{}
				}
				close(hung)
				return webhooktest.Step{Hang: true}
			}}
			b.at("m1", to, func(e *webhook.Endpoint) { e.Ordered, e.Timeout = true, time.Minute })
			for i := range 4 {
				b.send(webhook.Message{ID: fmt.Sprintf("%d.%d", round, i)})
			}
			ctx, cancel := context.WithCancel(t.Context())
			if hangs {
				<-hung
				cancel()
			} else {
				after(time.Minute)
			}
			if err := b.Shutdown(ctx); (err != nil) != hangs {
				t.Errorf("round %d: %v", round, err)
			}
			if n := len(b.arrived("m1")); hangs && n != 3 {
				t.Errorf("round %d: %d arrived before the one that hangs", round, n)
			}
			cancel()
			b.close()
			got = append(got, b.arrived("m1")...)
		}
		inOrder(t, got)
		if len(got) != 20 {
			t.Error(got)
		}
	})
}

// What an endpoint that was removed says in the end is about itself, and neither about
// the one that has its name by then nor about what is on its way to that.
func TestARemovedEndpointsLastWord(t *testing.T) {
	for name, step := range map[string]webhooktest.Step{
		"gone":    {Status: 410, Delay: 5 * time.Second},
		"failure": {Status: 500, Delay: 5 * time.Second},
		"success": {Delay: 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			inTown(t, webhook.SenderOptions{BreakAfter: 1}, func(b *town) {
				b.at("m1", &webhooktest.Target{Steps: []webhooktest.Step{step}})
				b.send(webhook.Message{ID: "a"})
				after(time.Second) // it is under way
				b.Remove("m1")
				moved := &webhooktest.Target{}
				b.at("moved", moved, func(e *webhook.Endpoint) { e.ID = "m1" })
				for range 3 {
					b.send(webhook.Message{})
				}
				after(time.Minute)
				want := 4
				if name == "success" {
					want = 3
				}
				if n := len(moved.Pushed()); n != want {
					t.Errorf("%d came to the new one", n)
				}
				for _, event := range []string{"disabled", "broken", "dead"} {
					if e := b.told("webhook." + event); len(e) > 0 {
						t.Errorf("told: %+v", e)
					}
				}
				if err := b.Send(noContext, webhook.Message{Endpoint: "m1"}); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
