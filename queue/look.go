package queue

import (
	"context"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/internal/alarm"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// batch is how many jobs are looked up in one call.
const batch = 256

// look asks the store for ids and tells those who wait.
func (f *follower) look(ids []string) {
	for len(ids) > 0 {
		some := ids[:min(batch, len(ids))]
		ids = ids[len(some):]
		placed := f.placedOf(some) // one that is placed meanwhile may not be found yet
		found, err := f.lookup(some)
		if err != nil {
			f.core.observe(antiphon.Event{Name: "queue.look_failed", Count: len(some), Err: err})
			return // another time
		}
		there := make(map[string]bool, len(found))
		for i := range found {
			r := &found[i]
			there[r.ID] = true
			if r.State.Terminal() {
				f.ended(r.ID, outcomeOf(r))
			} else {
				f.progressed(r)
			}
		}
		for _, id := range some {
			if !there[id] && placed[id] {
				f.lost(id)
			}
		}
	}
}

// placedOf returns which of ids are there, as far as we know.
func (f *follower) placedOf(ids []string) map[string]bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	placed := make(map[string]bool, len(ids))
	for _, id := range ids {
		x := f.jobs.find(id)
		placed[id] = x != nil
		for ; x != nil; x = f.jobs.after(x) {
			placed[id] = placed[id] && x.placed.Load()
		}
	}
	return placed
}

// lookup asks the store, which has to answer in a while: others are to be asked about.
func (f *follower) lookup(ids []string) ([]driver.Record, error) {
	c := f.core
	if c.caps.InProcess {
		return c.results.Lookup(f.life, c.name, ids, false)
	}
	ctx, cancel := context.WithCancelCause(f.life)
	timer := c.clock.AfterFunc(lookWait, func() { cancel(errStoreSilent) })
	defer cancel(nil)
	defer timer.Stop()
	return c.results.Lookup(ctx, c.name, ids, false)
}

const lookWait = 30 * time.Second

func (f *follower) progressed(r *driver.Record) {
	var all []interested
	f.mu.Lock()
	for x := f.jobs.find(r.ID); x != nil; x = f.jobs.after(x) {
		all = append(all, x.owner)
	}
	f.mu.Unlock()
	for _, o := range all {
		o.progressed(r)
	}
}

// lost: the store does not know id. One that is being put may not be there yet.
func (f *follower) lost(id string) {
	f.mu.Lock()
	for p := f.jobs.find(id); p != nil; p = f.jobs.after(p) {
		if !p.placed.Load() {
			f.mu.Unlock()
			return
		}
	}
	f.mu.Unlock()
	for x := f.takeAll(id); x != nil; {
		next := x.next
		x.next = nil
		x.owner.failed(errForgotten)
		x = next
	}
}

// perRing is how many jobs are looked after each time.
const perRing = 16 * batch

// ring looks after those who asked and, when it is time to, some of the others, and
// stops listening when nobody waits. It does so on one goroutine: who asks while the
// store is being asked comes next.
func (f *follower) ring() {
	f.mu.Lock()
	if f.looking {
		f.mu.Unlock()
		return
	}
	f.looking = true
	for !f.closed && f.listening {
		now := f.alarm.Now()
		ids := f.asked
		f.asked = nil
		if f.polls <= now {
			f.polls = alarm.After(now, f.core.opts.Poll)
			if f.jobs.n == 0 && f.holders == 0 {
				f.listening, f.hearing, f.looking = false, false, false
				w := f.watch
				f.watch = nil
				f.mu.Unlock()
				if w != nil {
					_ = w.Close()
				}
				return
			}
			f.hearAgain()
			ids = append(ids, f.turn()...)
		}
		if len(ids) == 0 {
			break
		}
		f.mu.Unlock()
		if f.core.results != nil {
			f.look(ids)
		}
		f.mu.Lock()
	}
	f.looking = false
	next, off := f.polls, f.closed || !f.listening
	f.mu.Unlock()
	if !off {
		f.alarm.Set(next)
	}
}

// turn returns some of those who wait, going round. Those that are being put are not
// looked up: the answer might be older than they are. The caller holds the lock.
func (f *follower) turn() (ids []string) {
	left := perRing
	f.turns = f.jobs.each(f.turns, func(x *following) bool {
		if left == 0 {
			return false
		}
		left--
		if x.placed.Load() && f.jobs.after(x) == nil { // the first who came for it asks
			ids = append(ids, x.id)
		}
		return true
	})
	return ids
}
