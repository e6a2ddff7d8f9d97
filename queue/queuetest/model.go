package queuetest

import (
	"errors"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// A stage is where a job is.
type stage uint8

const (
	absent stage = iota
	waiting
	leased
	ended
)

// A model is one job as it should be. What happens at a moment that is not known
// exactly has bounds, from lo to hi; so a model stands for all the jobs that are
// within them. It is compared as a whole.
type model struct {
	stage      stage
	state      antiphon.State // if it has ended
	dead       bool           // and is a dead letter
	fence      int64
	attempt    int
	checkpoint string
	cancel     bool
	released   bool          // it waits because it was released
	lo         time.Duration // it is not earlier than that
	ready      bounds        // while it waits: since when, or from when
	over       bounds        // while it is leased: when that is over
	expires    bounds
	settled    int64 // the fence of the last settlement
	how        driver.Outcome
}

type bounds struct{ lo, hi time.Duration }

var neverComes = bounds{forever, forever}

func (b bounds) after(d time.Duration) bounds { return bounds{plus(b.lo, d), plus(b.hi, d)} }

func plus(t, d time.Duration) time.Duration {
	if t > 0 && d > forever-t {
		return forever
	}
	return t + d
}

// A world is a model at a moment within bounds.
type world struct {
	model
	at bounds
}

// during returns what m may have become, of itself, at a moment within b: leases run
// out, and times to live.
func (m model) during(b bounds, precision time.Duration) (all []world) {
	b.lo = max(b.lo, m.lo)
	if b.lo > b.hi {
		return nil
	}
	m.lo = b.lo
	w := world{m, b}
	if m.stage != leased {
		return w.maybeExpired(precision)
	}
	if before := plus(m.over.hi, precision); b.lo <= before {
		still := w
		still.at.hi = min(b.hi, before)
		all = append(all, still)
	}
	if after := m.over.lo - precision; b.hi >= after {
		out := w
		out.at.lo = max(b.lo, after)
		out.lo = out.at.lo
		out.stage, out.ready, out.released = waiting, bounds{after, min(plus(m.over.hi, precision), out.at.hi)}, false
		all = append(all, out.given(precision)...)
	}
	return all
}

// maybeExpired returns what w may be if it waits and its time to live is over.
func (w world) maybeExpired(precision time.Duration) (all []world) {
	if w.stage != waiting {
		return []world{w}
	}
	if before := plus(w.expires.hi, precision); w.at.lo <= before {
		still := w
		still.at.hi = min(w.at.hi, before)
		all = append(all, still)
	}
	if after := w.expires.lo; after != forever && w.at.hi >= after-precision {
		gone := w
		gone.at.lo = max(w.at.lo, after-precision)
		gone.lo = gone.at.lo
		gone.stage, gone.state = ended, antiphon.StateExpired
		all = append(all, gone)
	}
	return all
}

// given returns what w may be that has just been given back: if it is to be canceled,
// it may end so.
func (w world) given(precision time.Duration) []world {
	all := w.maybeExpired(precision)
	if w.cancel {
		gone := w
		gone.stage, gone.state = ended, antiphon.StateCanceled
		all = append(all, gone)
	}
	return all
}

// step returns what m may be after e, if e is as it should be; nothing if it is not.
func (m model) step(e *event, precision time.Duration) (all []model) {
	worlds := m.during(bounds{e.from, e.to}, precision)
	if b := (bounds{max(e.from, m.lo), e.to}); b.lo <= b.hi && (e.what == wasLookedUp || e.what == wasCanceled) {
		// That a time is over may not have been noticed by what only looks.
		worlds = append(worlds, world{m, b})
	}
	for _, w := range worlds {
		for _, after := range w.apply(e, precision) {
			after.lo = max(after.lo, after.at.lo)
			if e.what == wasLookedUp { // a read may not see what is being written, whose time is earlier
				after.lo = m.lo
			}
			all = append(all, after.model)
		}
	}
	return all
}

// apply returns what w may be after e.
func (w world) apply(e *event, precision time.Duration) []world {
	switch e.what {
	case wasPut:
		return w.put(e)
	case wasHandedOut:
		return w.handOut(e, precision)
	case wasExtended:
		return w.extend(e)
	case wasSettled:
		return w.settle(e, precision)
	case wasCanceled:
		return w.wish(e)
	case wasLookedUp:
		if w.shows(e.record) {
			return []world{w}
		}
	case wasRedriven:
		if w.stage == ended && w.dead {
			w.stage, w.dead, w.state, w.cancel, w.checkpoint = waiting, false, "", false, ""
			w.attempt, w.settled, w.ready, w.expires, w.released = 0, 0, w.at, neverComes, false
			return []world{w}
		}
	}
	return nil
}

func (w world) put(e *event) []world {
	if w.stage != absent {
		if e.duplicate || e.maybe {
			return []world{w}
		}
		return nil
	}
	if e.duplicate {
		return nil
	}
	w.stage, w.ready, w.expires = waiting, w.at.after(e.envelope.Delay), neverComes
	if e.envelope.TTL > 0 {
		w.expires = w.at.after(e.envelope.TTL)
	}
	return []world{w}
}

func (w world) handOut(e *event, precision time.Duration) []world {
	early := w.ready.lo - precision
	if w.stage != waiting || w.at.hi < early {
		return nil
	}
	l := e.leased
	if l.Fence != w.fence+1 || l.Attempt != w.attempt+1 || string(l.Checkpoint) != w.checkpoint || l.CancelRequested != w.cancel {
		return nil
	}
	w.at.lo = max(w.at.lo, early)
	w.stage, w.fence, w.attempt, w.released = leased, l.Fence, l.Attempt, false
	w.over = w.at.after(e.lease)
	return []world{w}
}

// holds reports whether fence is that of the lease there is.
func (w world) holds(fence int64) bool { return w.stage == leased && w.fence == fence }

func (w world) extend(e *event) []world {
	x := e.extension
	lost := errors.Is(e.err, driver.ErrLeaseLost)
	switch {
	case !w.holds(x.Fence):
		if lost || e.maybe {
			return []world{w}
		}
		return nil
	case lost, !e.maybe && errors.Is(e.err, driver.ErrCanceled) != w.cancel:
		return nil
	}
	w.over = w.at.after(x.For)
	if x.Checkpoint != nil {
		w.checkpoint = string(x.Checkpoint)
	}
	return []world{w}
}

func (w world) settle(e *event, precision time.Duration) []world {
	x := e.settlement
	lost := errors.Is(e.err, driver.ErrLeaseLost)
	if !w.holds(x.Fence) {
		again := w.settled == x.Fence && w.fence == x.Fence && w.how == x.Outcome
		switch {
		case e.maybe, lost && !again, e.err == nil && (again || x.Fence <= w.fence && e.repeated()):
			return []world{w}
		}
		return nil
	}
	if lost {
		return nil
	}
	w.settled, w.how = x.Fence, x.Outcome
	switch x.Outcome {
	case driver.Done, driver.Bury:
		w.stage, w.state, w.dead = ended, x.State, x.Outcome == driver.Bury
		return []world{w}
	case driver.Release:
		w.attempt--
	}
	w.stage, w.ready, w.released = waiting, w.at.after(x.Delay), x.Outcome == driver.Release
	return w.given(precision)
}

// repeated reports whether the settlement was made before, as far as its maker knows.
func (e *event) repeated() bool { return e.order > 0 }

func (w world) wish(e *event) []world {
	switch {
	case errors.Is(e.err, driver.ErrUnknownJob):
		if w.stage == absent {
			return []world{w}
		}
		return nil
	case w.stage == absent:
		if e.maybe {
			return []world{w}
		}
		return nil
	case w.stage == waiting:
		w.stage, w.state, w.cancel = ended, antiphon.StateCanceled, true
	case w.stage == leased:
		w.cancel = true
	}
	if e.maybe || w.shows(e.record) {
		return []world{w}
	}
	return nil
}

// shows reports whether r is w's record.
func (w world) shows(r *driver.Record) bool {
	if r == nil || w.stage == absent {
		return r == nil && w.stage == absent
	}
	want := w.state
	switch w.stage {
	case waiting:
		want = antiphon.StateQueued
	case leased:
		want = antiphon.StateRunning
	}
	return r.State == want && r.Attempt == w.attempt && (w.stage == ended || r.CancelRequested == w.cancel)
}
