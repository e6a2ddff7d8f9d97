package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/future"
)

// thinking is how long the model may take for a bean.
const thinking = 20 * time.Millisecond

// A hub decides.
type hub struct {
	peer    *callback.Peer
	started time.Time
	model   atomic.Pointer[model]
	decide  future.Func[Bean, bool]     // the model, under its deadline
	takeOut future.Func[Bean, struct{}] // asks the sorter

	tally[decisions]
}

// decisions are counted for each phase.
type decisions struct {
	lag       lags // from when a bean was seen to the decision
	undecided int  // at the deadline
	lost      int  // dropped because newer ones came, or because they were too old
	out       lags // from when a bean was seen to the sorter's word that it is out
	failed    int  // were not taken out, as far as is known
}

func newHub(t callback.Transport, started time.Time) *hub {
	h := &hub{started: started}
	h.peer = callback.NewPeer(t, &callback.PeerOptions{Observer: h.observe})
	// Of what waits for the model the newest counts: no bean waits for longer than the next
	// 256 take to come, however slow the model is.
	callback.Serve(h.peer, beans, h.bean, &callback.ServeOptions{Concurrency: 16, Queue: 256})
	callback.Serve(h.peer, crates, h.crate, nil)
	h.decide = future.With(h.think, &future.Policy{Timeout: thinking})
	h.takeOut = future.Block(callback.Dial[Bean, struct{}](h.peer, jets, nil))
	return h
}

// bean decides about a bean and has it taken out if it is a bad one. ctx ends when the
// bean is no longer fresh: the sorter has said so, and is told what is left of it.
func (h *hub) bean(ctx context.Context, b Bean) (struct{}, error) {
	bad, err := h.decide(ctx, b)
	h.count(func(d *decisions) {
		if err != nil {
			d.undecided++
		} else {
			d.lag.add(time.Since(h.started) - b.Seen)
		}
	})
	if err != nil || !bad {
		return struct{}{}, nil // what is not known to be bad stays on the belt
	}
	_, err = h.takeOut(ctx, b)
	h.count(func(d *decisions) {
		if err != nil {
			d.failed++
		} else {
			d.out.add(time.Since(h.started) - b.Seen)
		}
	})
	return struct{}{}, nil
}

func (h *hub) think(ctx context.Context, b Bean) (bool, error) { return (*h.model.Load())(ctx, b) }

// crate names the crate that is to be put under the belt.
func (h *hub) crate(_ context.Context, n int) (string, error) {
	return fmt.Sprintf("crate %d", n), nil
}

func (h *hub) observe(e antiphon.Event) {
	switch e.Name {
	case "callback.dropped", "callback.event_failed": // before it was begun
		h.count(func(d *decisions) { d.lost += max(e.Count, 1) })
	}
}

// A model tells whether a bean is a bad one.
type model func(context.Context, Bean) (bool, error)

func quick(_ context.Context, b Bean) (bool, error) { return b.Dark > 0.99, nil }

func slow(ctx context.Context, b Bean) (bool, error) {
	select {
	case <-time.After(8 * time.Millisecond):
		return quick(ctx, b)
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

func hanging(ctx context.Context, b Bean) (bool, error) {
	if b.Nr%100 == 0 {
		<-ctx.Done()
		return false, ctx.Err()
	}
	return quick(ctx, b)
}
