package webhook_test

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon/webhook"
	"github.com/antiphon-go/antiphon/webhook/webhooktest"
)

// S7: of 300 endpoints 3 hang, and 3 drip, with far more on their way to them than there
// are places; the others do not feel it.
func TestS7_OneHangingPercentDelaysNobody(t *testing.T) {
	inTown(t, webhook.SenderOptions{Concurrency: 64}, func(b *town) {
		var healthy []*webhooktest.Target
		for i := range 300 {
			to := &webhooktest.Target{Steps: []webhooktest.Step{{Delay: 20 * time.Millisecond}}}
			switch {
			case i%100 == 7:
				to.Steps = []webhooktest.Step{{Hang: true}}
			case i%100 == 8:
				to.Steps = []webhooktest.Step{{Status: 500, Bytes: 1 << 20, Drip: time.Second}}
			default:
				healthy = append(healthy, to)
			}
			b.at(fmt.Sprintf("m%d", i), to)
		}
		const rounds, each = 6, 4
		for r := range rounds {
			for e := range each {
				b.send(webhook.Message{ID: fmt.Sprintf("o%d.%d", r, e)})
			}
			after(time.Second)
		}
		var waited []time.Duration
		for _, e := range b.told("webhook.delivered") {
			waited = append(waited, e.Duration)
		}
		if len(waited) != len(healthy)*rounds*each {
			t.Fatalf("%d of %d arrived", len(waited), len(healthy)*rounds*each)
		}
		slices.Sort(waited)
		t.Log("median", waited[len(waited)/2], "last", waited[len(waited)-1])
		// A round is 1176 deliveries of 20 ms in 64 places: 370 ms, if nothing else is.
		if last := waited[len(waited)-1]; last > 800*time.Millisecond {
			t.Error("one took", last)
		}
	})
}

// Endpoints that answered until now begin to hang, all of their places taken.
func TestS7_WhatBeginsToHang(t *testing.T) {
	inTown(t, webhook.SenderOptions{Concurrency: 64}, func(b *town) {
		var down atomic.Bool
		for i := range 5 {
			b.at(fmt.Sprintf("bad%d", i), &webhooktest.Target{By: func(int, webhooktest.Pushed) webhooktest.Step { return webhooktest.Step{Hang: down.Load()} }})
		}
		b.at("good", &webhooktest.Target{})
		for i := range 20 {
			b.send(webhook.Message{ID: fmt.Sprint("warm", i)})
		}
		after(time.Minute)
		down.Store(true)
		for i := range 100 {
			b.send(webhook.Message{ID: fmt.Sprint("o", i)})
		}
		after(time.Second)
		n := 0
		for _, e := range b.told("webhook.delivered") {
			if e.Kind == "good" {
				n++
			}
		}
		if n != 120 {
			t.Error("of 120 there arrived", n)
		}
		after(time.Hour) // they come back, and nothing is lost
		down.Store(false)
		after(24 * time.Hour)
		if n := len(b.told("webhook.delivered")); n != 6*120 {
			t.Error("in the end there arrived", n)
		}
	})
}

// Second attempts have a lane of their own: a flood of them leaves room for first ones.
func TestS7_RetriesHaveALaneOfTheirOwn(t *testing.T) {
	inTown(t, webhook.SenderOptions{Concurrency: 8, Schedule: webhook.Schedule{Delays: []time.Duration{0, 10 * time.Second}, Jitter: -1}}, func(b *town) {
		var slow atomic.Bool
		flood := &webhooktest.Target{By: func(int, webhooktest.Pushed) webhooktest.Step {
			if slow.Load() {
				return webhooktest.Step{Delay: 5 * time.Second}
			}
			return webhooktest.Step{Status: 500}
		}}
		for i := range 8 {
			b.at(fmt.Sprintf("flood%d", i), flood)
		}
		for i := range 3 {
			b.send(webhook.Message{ID: fmt.Sprint(i)})
		}
		after(9 * time.Second)
		slow.Store(true)
		after(3 * time.Second) // the second attempts are under way
		if n := flood.AtOnce(); n > 8 {
			t.Fatal(n)
		}
		b.at("good", &webhooktest.Target{})
		for i := range 50 {
			b.send(webhook.Message{ID: fmt.Sprint("good", i), Endpoint: "good"})
		}
		after(time.Second)
		n := 0
		for _, e := range b.told("webhook.delivered") {
			if e.Kind == "good" {
				n++
			}
		}
		if n != 50 {
			t.Error("of 50 there arrived", n)
		}
		after(time.Hour)
		if n := len(b.told("webhook.delivered")); n != 24+50 {
			t.Error("in the end there arrived", n)
		}
	})
}

func TestConcurrency(t *testing.T) {
	inTown(t, webhook.SenderOptions{}, func(b *town) {
		to := &webhooktest.Target{Steps: []webhooktest.Step{{Delay: time.Second}}}
		b.at("m1", to, func(e *webhook.Endpoint) { e.Concurrency = 3 })
		for i := range 60 {
			b.send(webhook.Message{ID: fmt.Sprint(i)})
		}
		begun := time.Now()
		after(time.Hour)
		if to.AtOnce() != 3 || len(to.Pushed()) != 60 {
			t.Error(to.AtOnce(), len(to.Pushed()))
		}
		if d := to.Pushed()[59].At.Sub(begun); d > 30*time.Second {
			t.Error("places were left empty: it took", d)
		}
	})
}

func TestRate(t *testing.T) {
	inTown(t, webhook.SenderOptions{}, func(b *town) {
		to := &webhooktest.Target{}
		b.at("m1", to, func(e *webhook.Endpoint) { e.Rate = 2 })
		for i := range 20 {
			b.send(webhook.Message{ID: fmt.Sprint(i)})
		}
		after(time.Minute)
		got := to.Pushed()
		if len(got) != 20 {
			t.Fatal(len(got))
		}
		for i := 1; i < len(got); i++ {
			if d := got[i].At.Sub(got[i-1].At); d < 499*time.Millisecond {
				t.Error("it came again after", d)
			}
		}
		if d := got[19].At.Sub(got[0].At); d > 15*time.Second {
			t.Error("it took", d)
		}
	})
}

// After some failures in a row an endpoint is left alone, and then one attempt tells.
func TestBreaker(t *testing.T) {
	inTown(t, webhook.SenderOptions{BreakAfter: 3}, func(b *town) {
		var up atomic.Bool
		to := &webhooktest.Target{By: func(int, webhooktest.Pushed) webhooktest.Step {
			if up.Load() {
				return webhooktest.Step{Delay: time.Second}
			}
			return webhooktest.Step{Status: 500, Delay: time.Second}
		}}
		b.at("m1", to)
		for i := range 40 {
			b.send(webhook.Message{ID: fmt.Sprint(i)})
		}
		after(10 * time.Second)
		if n := len(to.Pushed()); n != 3 {
			t.Error("it was attempted", n, "times")
		}
		e := b.told("webhook.broken")
		if len(e) != 1 || e[0].Kind != "m1" || e[0].Count != 3 || e[0].Duration < 15*time.Second || e[0].Duration > 30*time.Second || e[0].Err == nil {
			t.Fatal(e)
		}
		after(e[0].Duration + 5*time.Second) // half open
		if n := len(to.Pushed()); n != 4 || len(b.told("webhook.broken")) != 2 {
			t.Error("it was attempted", n, "times")
		}
		if to.AtOnce() != 1 {
			t.Error("at once:", to.AtOnce())
		}
		up.Store(true)
		after(10 * time.Minute)
		if n := len(b.told("webhook.delivered")); n != 40 {
			t.Error(n, "arrived")
		}
		if to.AtOnce() < 2 {
			t.Error("it is not trusted again:", to.AtOnce())
		}
	})
}

// One that asks to be left alone is, by all that is on its way to it.
func TestS5_RetryAfterIsForAllOfAnEndpoint(t *testing.T) {
	inTown(t, webhook.SenderOptions{}, func(b *town) {
		to := &webhooktest.Target{Steps: []webhooktest.Step{{Status: 429, Header: map[string][]string{"Retry-After": {"600"}}}, {}}}
		b.at("m1", to)
		b.send(webhook.Message{ID: "1"})
		after(time.Second)
		b.send(webhook.Message{ID: "2"})
		after(9 * time.Minute)
		if n := len(to.Pushed()); n != 1 {
			t.Error("it was asked again, in all", n)
		}
		after(10 * time.Minute)
		if n := len(to.Pushed()); n != 3 {
			t.Error(n)
		}
	})
}

// What waits for an endpoint that is not there, or is left alone for too long, ends too.
func TestNothingWaitsForEver(t *testing.T) {
	inTown(t, webhook.SenderOptions{Schedule: webhook.Schedule{Delays: []time.Duration{0, time.Minute}}}, func(b *town) {
		b.at("m1", &webhooktest.Target{Steps: []webhooktest.Step{{Delay: time.Second}}})
		b.at("m2", &webhooktest.Target{})
		for i := range 3 {
			b.send(webhook.Message{ID: fmt.Sprint(i), Endpoint: "m1"})
		}
		b.Remove("m1") // before the first can have been attempted, or not
		after(time.Hour)
		left := 3 - len(b.told("webhook.delivered"))
		if left == 0 || len(b.dead()) != 0 {
			t.Fatal(left, b.dead())
		}
		after(2 * 24 * time.Hour)
		if n := len(b.dead()); n != left || len(b.told("webhook.dead")) != left {
			t.Error(n, left)
		}
		// It is there again.
		to := &webhooktest.Target{}
		b.at("m1", to)
		if n, err := b.Recover(noContext, time.Now().Add(-7*24*time.Hour)); n != left || err != nil {
			t.Error(n, err)
		}
		after(time.Hour)
		if len(to.Pushed()) != left || len(b.dead()) != 0 {
			t.Error(len(to.Pushed()), b.dead())
		}
	})
}

// One that was trusted with several at once is asked one at a time after it failed.
func TestS7_AFailureCostsTrust(t *testing.T) {
	inTown(t, webhook.SenderOptions{BreakAfter: 1000}, func(b *town) {
		var down atomic.Bool
		to := &webhooktest.Target{By: func(int, webhooktest.Pushed) webhooktest.Step {
			if down.Load() {
				return webhooktest.Step{Status: 500, Delay: time.Second}
			}
			return webhooktest.Step{}
		}}
		b.at("m1", to)
		for i := range 20 {
			b.send(webhook.Message{ID: fmt.Sprint("warm", i)})
		}
		after(time.Minute)
		down.Store(true)
		for i := range 50 {
			b.send(webhook.Message{ID: fmt.Sprint(i)})
		}
		after(10 * time.Second)
		if n := len(to.Pushed()) - 20; n < 8 || n > 4+10 {
			t.Error("it was asked", n, "times in ten seconds")
		}
	})
}
