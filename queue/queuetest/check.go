package queuetest

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// verdict says what is wrong with the history, or nothing. Calls overlap, and what
// the backend did may have been done in any order in which no call that had returned
// comes after one that began later: if there is one in which a job went as its model
// does, all is well with it. Jobs are independent but for order, groups, and Takes
// that return nothing; these are looked at once all jobs are well.
func (h *history) verdict() (wrong []string) {
	lives := map[string]*life{}
	for id := range h.jobs {
		l := &life{id: id, events: h.sorted(id), precision: h.precision}
		if !l.find() {
			wrong = append(wrong, l.explain())
			continue
		}
		lives[id] = l
	}
	if len(wrong) == 0 {
		wrong = h.together(lives)
	}
	return wrong
}

// A life is an order of the events of one job.
type life struct {
	id        string
	events    []*event
	precision time.Duration
	steps     []step // found
	best      int    // of the events, how many went well
	seen      map[node]bool
}

type step struct {
	*event
	after model
}

// A node of the search is what has been done, and where that led.
type node struct {
	done [4]uint64
	model
}

const maxEvents = 256

func (n *node) has(i int) bool { return n.done[i/64]&(1<<(i%64)) != 0 }

// find looks for an order, depth first.
func (l *life) find() bool {
	l.events = l.events[:min(len(l.events), maxEvents)]
	l.seen = map[node]bool{}
	return l.search(node{model: model{expires: neverComes}})
}

func (l *life) search(n node) bool {
	if l.seen[n] {
		return false
	}
	l.seen[n] = true
	l.best = max(l.best, len(l.steps))
	left := false
	limit := forever // what begins later has to wait for what returns then
	for i, e := range l.events {
		if !n.has(i) && !e.maybe {
			left = true
			limit = min(limit, e.to)
		}
	}
	if !left {
		return true
	}
	for i, e := range l.events {
		if e.from > limit {
			break
		}
		if n.has(i) {
			continue
		}
		for _, after := range n.step(e, l.precision) {
			next := node{n.done, after}
			next.done[i/64] |= 1 << (i % 64)
			l.steps = append(l.steps, step{e, after})
			if l.search(next) {
				return true
			}
			l.steps = l.steps[:len(l.steps)-1]
		}
	}
	return false
}

// explain shows what there is no order for.
func (l *life) explain() string {
	var b strings.Builder
	fmt.Fprintf(&b, "job %s went as no job may; at most %d of these can be true:", l.id, l.best)
	for _, e := range l.events {
		fmt.Fprintf(&b, "\n\t%v", e)
	}
	return b.String()
}

// A spell is a time during which a job surely could have been handed out.
type spell struct {
	*life
	interval
	ready  bounds // since when
	lapsed bool   // because a lease ran out
}

// certain reports whether all that was done to the job is known, and in what order.
func (l *life) certain() bool {
	return !slices.ContainsFunc(l.events, func(e *event) bool { return e.maybe })
}

func (l *life) envelope() (group string, priority int) {
	for _, e := range l.events {
		if e.what == wasPut {
			return e.envelope.Group, e.envelope.Priority
		}
	}
	return "", 0
}

// spells are when the job was surely ready.
func (l *life) spells() (all []spell) {
	for i, s := range l.steps {
		until := forever
		for _, next := range l.steps[i+1:] {
			now, then := s.after, next.after
			if now.lo, then.lo = 0, 0; now != then { // something happened to it
				until = next.from
				break
			}
		}
		ready, lapsed := s.after.ready, false
		switch {
		case s.after.cancel: // it may have ended
			continue
		case s.after.stage == leased:
			ready, lapsed = s.after.over, true
		case s.after.stage != waiting:
			continue
		}
		ready = bounds{ready.lo - l.precision, plus(ready.hi, l.precision)}
		until = min(until, s.after.expires.lo-l.precision)
		if from := max(ready.hi, s.to); from < until {
			all = append(all, spell{l, interval{from, until}, ready, lapsed})
		}
	}
	return all
}

// together looks at what jobs are to one another.
func (h *history) together(lives map[string]*life) (wrong []string) {
	var all []spell
	byGroup := map[string][]*life{}
	for _, l := range lives {
		if len(l.steps) == 0 || l.steps[0].what != wasPut || !l.certain() {
			continue
		}
		if group, _ := l.envelope(); group != "" {
			byGroup[group] = append(byGroup[group], l)
		} else {
			all = append(all, l.spells()...)
		}
		if last := l.steps[len(l.steps)-1].after; last.stage != ended && last.expires == neverComes {
			wrong = append(wrong, fmt.Sprintf("job %s was accepted, and had not ended when the queue was empty: %v", l.id, l.steps))
		}
	}
	for _, e := range h.empty {
		for _, s := range all {
			if s.from < e.from && s.to > e.to {
				wrong = append(wrong, fmt.Sprintf("a Take from %v to %v returned nothing, and %s was ready from %v to %v: %v", e.from, e.to, s.id, s.from, s.to, s.steps))
			}
		}
	}
	wrong = append(wrong, overtaken(lives, all)...)
	for _, jobs := range byGroup {
		wrong = append(wrong, outOfOrder(jobs, h.precision)...)
	}
	return wrong
}

// overtaken looks for jobs that were handed out before one that should have been.
// Whose lease ran out is ready then, but when that is noticed is another matter: it
// has no place among those of its priority.
func overtaken(lives map[string]*life, all []spell) (wrong []string) {
	for _, l := range lives {
		before := model{}
		_, priority := l.envelope()
		for _, s := range l.steps {
			was := before
			before = s.after
			if s.what != wasHandedOut || !l.certain() {
				continue
			}
			ready := was.ready
			if was.stage == leased {
				ready = was.over
			}
			from := max(s.from, ready.lo-l.precision)
			for _, o := range all {
				_, other := o.envelope()
				if o.life == l || o.from >= from || o.to <= s.to || other < priority {
					continue
				}
				if other > priority || !o.lapsed && was.stage == waiting && !was.released && o.ready.hi < ready.lo-l.precision {
					wrong = append(wrong, fmt.Sprintf("job %s of priority %d was handed out from %v to %v, before %s of priority %d that was ready from %v to %v:\n\t%v\n\t%v", l.id, priority, from, s.to, o.id, other, o.from, o.to, l.steps, o.steps))
				}
			}
		}
	}
	return wrong
}

// outOfOrder looks for jobs of a group that were handed out before another had ended.
func outOfOrder(jobs []*life, precision time.Duration) (wrong []string) {
	for _, first := range jobs {
		put := first.steps[0].event
		over := first.overFrom(precision)
		for _, second := range jobs {
			if first == second || second.steps[0].from <= put.to {
				continue
			}
			for _, e := range second.events {
				if e.what == wasHandedOut && e.to < over {
					wrong = append(wrong, fmt.Sprintf("of a group, %s was handed out at %v, and %s, which was put before, had not ended:\n\t%v\n\t%v", second.id, e.to, first.id, second.steps, first.steps))
				}
			}
		}
	}
	return wrong
}

// overFrom is the earliest moment at which the job can have ended.
func (l *life) overFrom(precision time.Duration) time.Duration {
	over := forever
	for _, s := range l.steps {
		if s.after.stage == ended || s.what == wasCanceled {
			over = min(over, s.from)
		}
		if s.after.expires != neverComes {
			over = min(over, s.after.expires.lo-precision)
		}
	}
	return over
}
