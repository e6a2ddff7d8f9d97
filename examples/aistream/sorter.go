package main

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/future"
)

// A sorter is the device at the belt: a sensor, and jets.
type sorter struct {
	peer    *callback.Peer
	started time.Time
	crate   future.Asker[int, string]
	beans   *rand.Rand // what comes down the belt
	seen    int        // how many have

	tally[sorted]
}

// sorted is counted for each phase.
type sorted struct {
	sent, lost int           // beans: pushed, and of these dropped here
	out        int           // taken out
	oldest     time.Duration // of these
	late       int           // for which the jets were asked when they had passed
	held       int           // for which they would have been, but their time was over when that came
	crates     lags          // how long the hub took to name one
}

func newSorter(t callback.Transport, started time.Time) *sorter {
	s := &sorter{started: started, beans: rand.New(rand.NewPCG(1, 2))}
	s.peer = callback.NewPeer(t, &callback.PeerOptions{Outbox: 256, Observer: s.observe})
	callback.Serve(s.peer, jets, s.jet, nil)
	s.crate = callback.Dial[int, string](s.peer, crates, nil)
	return s
}

// sort pushes rate beans a second, and returns how long it took. What finds no room is of
// no use a moment later, and what is older than fresh is of none to anybody.
func (s *sorter) sort(ctx context.Context, rate int, length time.Duration) (time.Duration, error) {
	began, every := time.Now(), time.Second/time.Duration(rate)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for due := began; due.Sub(began) < length; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
		for ; time.Since(due) >= 0 && due.Sub(began) < length; due = due.Add(every) {
			if err := s.see(ctx, due); err != nil {
				return 0, err
			}
		}
	}
	return time.Since(began), nil
}

// see pushes the bean that passed the sensor at a time: it is that old, however late this
// program is.
func (s *sorter) see(ctx context.Context, at time.Time) error {
	s.seen++
	if s.seen%1000 == 0 {
		s.nextCrate(ctx)
	}
	b := Bean{Nr: s.seen, Seen: at.Sub(s.started), Dark: s.beans.Float64()}
	left := fresh - time.Since(at)
	s.count(func(n *sorted) {
		if n.sent++; left <= 0 {
			n.lost++
		}
	})
	if left <= 0 {
		return nil
	}
	return callback.Notify(ctx, s.peer, beans, b, &callback.NotifyOptions{Overflow: callback.DropOldest, TTL: left})
}

func (s *sorter) nextCrate(ctx context.Context) {
	asked := time.Now()
	s.crate(ctx, s.seen/1000).OnDone(func(r future.Result[string]) {
		if r.Err == nil {
			s.count(func(n *sorted) { n.crates.add(time.Since(asked)) })
		}
	})
}

// jet takes a bean out, if it is still there: by the clock that it was seen by.
func (s *sorter) jet(_ context.Context, b Bean) (struct{}, error) {
	age := time.Since(s.started) - b.Seen
	if age > fresh {
		s.count(func(n *sorted) { n.late++ })
		return struct{}{}, errPassed
	}
	s.count(func(n *sorted) {
		n.out++
		n.oldest = max(n.oldest, age)
	})
	return struct{}{}, nil
}

var errPassed error = &antiphon.Error{
	Code:    antiphon.CodeOutOfRange,
	Class:   antiphon.ClassNotAccepted,
	Reason:  "aistream.passed",
	Message: "the bean has passed the jets",
}

func (s *sorter) observe(e antiphon.Event) {
	if e.Name != "callback.dropped" {
		return
	}
	s.count(func(n *sorted) {
		if e.Kind == beans {
			n.lost += max(e.Count, 1)
		} else {
			n.held++
		}
	})
}
