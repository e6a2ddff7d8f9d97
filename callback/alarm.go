package callback

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/benbjohnson/clock"
)

// An alarm rings, on a goroutine of its own, when the earliest of the moments it
// was set to has come. It is left alone when what it was set for has gone: it then
// rings for nothing. That is once in a lifetime of an entry, where setting it
// right would be once an entry.
//
// It sets a new timer rather than an old one anew, and never calls the clock under
// its lock.
type alarm struct {
	clock clock.Clock
	real  bool // so is the clock
	start time.Time
	ring  func()
	by    atomic.Int64 // it rings by then, or never

	mu    sync.Mutex
	timer *clock.Timer
	at    moment // when the timer goes off
	off   bool
}

// A bell is what one timer of an alarm rings.
type bell struct {
	*alarm
	rang atomic.Bool
}

func (b *bell) ring() {
	b.rang.Store(true)
	b.alarm.ring()
}

func (a *alarm) init(clk clock.Clock, ring func()) {
	if clk == nil {
		clk, a.real = clock.New(), true
	}
	a.clock, a.start, a.ring = clk, clk.Now(), ring
	a.by.Store(never)
}

func (a *alarm) now() moment {
	if a.real { // without a detour
		return int64(time.Since(a.start))
	}
	return int64(a.clock.Since(a.start))
}

// set sees to it that the alarm rings by at.
func (a *alarm) set(at moment) {
	for by := a.by.Load(); at < by; by = a.by.Load() {
		if a.by.CompareAndSwap(by, at) {
			a.wind(at)
			return
		}
	}
}

func (a *alarm) wind(at moment) {
	b := &bell{alarm: a}
	timer := a.after(at, b)
	if timer == nil {
		go a.ring()
		return
	}
	a.mu.Lock()
	// One that has rung already must not take the place of one that will.
	if !a.off && !b.rang.Load() && (a.timer == nil || at < a.at) {
		timer, a.timer, a.at = a.timer, timer, at
	}
	a.mu.Unlock()
	if timer != nil {
		timer.Stop()
	}
}

// after returns a timer that rings b at at, or nil if that is past: a mock clock
// would not look at such a timer before it is moved on.
func (a *alarm) after(at moment, b *bell) *clock.Timer {
	for {
		now := a.now()
		if at <= now {
			return nil
		}
		d := at - now
		if d < 0 {
			d = math.MaxInt64
		}
		timer := a.clock.AfterFunc(time.Duration(d), b.ring)
		if a.now()-now < int64(time.Millisecond) {
			return timer
		}
		timer.Stop() // a mock clock was moved on meanwhile, and it is late
	}
}

// rung notes that the alarm has rung: what is added from now on has to set it
// again. Whatever was added before is then seen by whoever calls this.
func (a *alarm) rung() {
	a.mu.Lock()
	timer := a.timer
	a.timer = nil
	a.mu.Unlock()
	if timer != nil {
		timer.Stop()
	}
	a.by.Store(never) // after the timer was let go, or it might be the wrong one
}

// close silences it for good.
func (a *alarm) close() {
	a.mu.Lock()
	timer := a.timer
	a.timer, a.off = nil, true
	a.mu.Unlock()
	if timer != nil {
		timer.Stop()
	}
}

// expireBatch is how many entries are taken out of the heaps at a time.
const expireBatch = 256

// A round tells all of a table that is due.
type round struct {
	*table
	batch []placed
	told  int    // how many of them have been told
	from  uint32 // the shard to begin with: none has to wait for all of another
	now   moment // when it began: what is due later is for another round
	more  bool   // there was no room in the batch for all that is due
	ended bool
}

func (t *table) expire() {
	t.alarm.rung()
	r := &round{table: t, now: t.now(), more: true}
	r.run()
}

func (r *round) run() {
	defer func() {
		if !r.ended { // what hangs on a future has ended the goroutine: the others must not suffer
			go r.run()
		}
	}()
	for {
		for r.told < len(r.batch) {
			d := r.batch[r.told]
			r.batch[r.told] = placed{}
			r.told++
			r.tell(d.entry, d.id, r.now)
		}
		if !r.more {
			break
		}
		r.fill()
	}
	r.ended = true
}

// fill makes a batch of what is due. If it is the last, the alarm is set before
// anything in it is told: that may take long.
func (r *round) fill() {
	r.batch, r.told, r.more = r.batch[:0], 0, false
	next, n := never, r.live.Load()
	for k := range n {
		next = min(next, r.take((r.from+k)%n))
	}
	r.from++
	if !r.more {
		r.alarm.set(next)
	}
}

// take takes out of the heap of shard k what is due, as far as there is room in
// the batch. It returns when the next one will be due.
func (r *round) take(k uint32) moment {
	sh := r.shards[k].Load()
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for sh.heap.n > 0 {
		first := sh.heap.get(0).at
		if first > r.now {
			return first
		}
		if len(r.batch) == expireBatch {
			r.more = true
			break
		}
		i := sh.heap.n - 1
		d := *sh.heap.get(i)
		if d.at > r.now { // else many are due, and this one is the easiest to take out
			i, d = 0, *sh.heap.get(0)
		}
		sh.heap.remove(sh, i)
		s := sh.slot(d.slot)
		s.at = 0
		r.batch = append(r.batch, placed{s.entry, s.id(r.ref(k, d.slot))})
	}
	return never
}
