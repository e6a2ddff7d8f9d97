package queue

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/antiphon-go/antiphon/internal/alarm"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// A follower is the table of the jobs whose ends somebody in this process waits for.
// They are settled by a worker of the same queue that did the job; by the backend,
// which tells of changes; or by looking now and then, for what nobody told. One
// goroutine listens while there is something to hear, and one timer serves all.
type follower struct {
	core  *core
	alarm *alarm.Alarm
	life  context.Context
	die   context.CancelCauseFunc

	curious atomic.Int32 // how many want every change

	mu        sync.Mutex
	closed    bool
	jobs      index[following, *following]
	turns     int      // whose turn it is to be looked after: a chain of jobs
	asked     []string // whom to look after now
	polls     moment   // when some of jobs are looked after
	looking   bool     // ring is at it
	holders   int      // workers, who listen for what is canceled
	listening bool
	hearing   bool         // hear has been started, and has not failed
	watch     driver.Watch // nil until it is open
}

// A following is one who waits for a job. The follower's lock guards it.
type following struct {
	id        string
	owner     interested
	next      *following // in the table, or of those who were taken out with it
	duplicate bool
	placed    atomic.Bool // the job is there, as far as we know
	gone      bool        // nobody waits, though it may be put back
}

func (x *following) name() string      { return x.id }
func (x *following) link() **following { return &x.next }

// interested is who waits. It is called without a lock.
type interested interface {
	// ended is told how the job ended, once.
	ended(outcome)
	// failed is told that this will not be known, instead.
	failed(error)
	// progressed is told of a record that is not the last.
	progressed(*driver.Record)
	// wants reports whether a change is worth a look.
	wants(driver.Change) bool
}

func (f *follower) init(c *core) {
	f.core = c
	f.alarm = alarm.New(c.clock, f.ring)
	f.life, f.die = context.WithCancelCause(context.Background())
}

var errClosedWaiting = unclear(ErrClosed)

// add enters x.
func (f *follower) add(x *following) {
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		x.owner.failed(errClosedWaiting)
		return
	}
	f.jobs.add(x)
	first := f.listen()
	f.mu.Unlock()
	if first {
		f.alarm.Set(alarm.After(f.alarm.Now(), f.core.opts.Poll))
	}
}

// listen sees to it that somebody listens, and reports whether that is new. The
// caller holds the lock.
func (f *follower) listen() bool {
	if f.listening || f.closed {
		return false
	}
	f.listening = true
	f.polls = alarm.After(f.alarm.Now(), f.core.opts.Poll)
	f.hearAgain()
	return true
}

// hearAgain sees to it that the backend is listened to. The caller holds the lock.
func (f *follower) hearAgain() {
	if f.core.watcher != nil && !f.hearing {
		f.hearing = true
		go f.hear()
	}
}

// hold listens for a worker.
func (f *follower) hold() {
	f.mu.Lock()
	f.holders++
	first := f.listen()
	f.mu.Unlock()
	if first {
		f.alarm.Set(alarm.After(f.alarm.Now(), f.core.opts.Poll))
	}
}

func (f *follower) release() {
	f.mu.Lock()
	f.holders--
	f.mu.Unlock()
}

// remove takes x out, if it is in.
func (f *follower) remove(x *following) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.jobs.remove(x) {
		x.gone = true
	}
}

// replace has x follow another job, which is there.
func (f *follower) replace(x *following, id string) {
	f.remove(x)
	f.mu.Lock()
	x.id, x.duplicate, x.gone = id, true, false
	x.placed.Store(true)
	f.mu.Unlock()
	f.add(x)
	f.ask(id)
}

// placedAs returns the id of x if its job is there, else "".
func (f *follower) placedAs(x *following) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !x.placed.Load() {
		return ""
	}
	return x.id
}

// ask looks after a job now.
func (f *follower) ask(id string) {
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return
	}
	f.asked = append(f.asked, id)
	f.mu.Unlock()
	f.alarm.Set(f.alarm.Now())
}

// takeAll takes those out who wait for id.
func (f *follower) takeAll(id string) *following {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.jobs.removeAll(id)
}

// ended tells those who wait for id how it ended.
func (f *follower) ended(id string, o outcome) { f.takeAll(id).ended(o) }

// ended tells x, who was taken out, and those with it, how their job ended.
func (x *following) ended(o outcome) {
	for x != nil {
		next := x.next
		x.next = nil
		x.owner.ended(o)
		x = next
	}
}

// putBack enters those again who were taken out for an end that has not come.
func (f *follower) putBack(x *following) {
	if x == nil {
		return
	}
	id := x.id
	for x != nil {
		next := x.next
		x.next = nil
		f.mu.Lock()
		gone := x.gone
		f.mu.Unlock()
		if !gone {
			f.add(x)
		}
		x = next
	}
	f.ask(id) // what changed meanwhile was told to nobody
}

// hear is the goroutine that listens.
func (f *follower) hear() {
	w, err := f.core.watcher.Watch(f.core.name)
	f.mu.Lock()
	if err != nil || f.closed || !f.listening || f.watch != nil {
		f.hearing = f.watch != nil
		f.mu.Unlock()
		if err == nil {
			_ = w.Close()
		}
		return // until the next look, which does without
	}
	if s, ok := w.(sieve); ok {
		s.only(f.cares)
	}
	f.watch = w
	all := f.everybody()
	f.mu.Unlock()
	f.look(all) // for what changed before
	f.core.beat()
	var changes []driver.Change
	for {
		changes, err = w.Next(f.life, changes[:0])
		if err != nil {
			f.mu.Lock()
			if f.watch == w {
				f.watch, f.hearing = nil, false
			}
			f.mu.Unlock()
			_ = w.Close()
			return
		}
		f.hearAll(changes)
	}
}

// everybody returns the ids that are followed. The caller holds the lock.
func (f *follower) everybody() []string {
	all := make([]string, 0, f.jobs.n)
	f.jobs.each(0, func(x *following) bool {
		if x.placed.Load() {
			all = append(all, x.id)
		}
		return true
	})
	return all
}

// A sieve is a watch that asks who watches, under a lock of its own, what is worth
// waking it for.
type sieve interface {
	only(func(driver.Change) bool)
}

// cares reports whether anybody here wants to know of c.
func (f *follower) cares(c driver.Change) bool {
	switch {
	case c.CancelRequested && !c.State.Terminal():
		return true // to be passed on to workers
	case !c.State.Terminal() && !c.Progress && f.curious.Load() == 0:
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for x := f.jobs.find(c.ID); x != nil; x = f.jobs.after(x) {
		if x.owner.wants(c) {
			return true
		}
	}
	return false
}

// hearAll looks after those whom the changes concern.
func (f *follower) hearAll(changes []driver.Change) {
	var ids []string
	f.mu.Lock()
	for i := range changes {
		c := changes[i]
		if c.ID == "" { // some were missed
			ids = f.everybody()
			break
		}
		for x := f.jobs.find(c.ID); x != nil; x = f.jobs.after(x) {
			if x.owner.wants(c) {
				ids = append(ids, c.ID)
				break
			}
		}
	}
	workers := f.holders > 0
	f.mu.Unlock()
	if workers {
		f.core.wishes(changes)
	}
	f.look(ids)
}

// close fails all who wait.
func (f *follower) close() {
	f.alarm.Stop()
	f.mu.Lock()
	f.closed = true
	w := f.watch
	var all []interested
	f.jobs.each(0, func(x *following) bool { all = append(all, x.owner); return true })
	f.watch, f.jobs = nil, index[following, *following]{}
	f.mu.Unlock()
	f.die(ErrClosed)
	if w != nil {
		_ = w.Close()
	}
	for _, o := range all {
		o.failed(errClosedWaiting)
	}
}
