package callback

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/antiphon-go/antiphon/internal/alarm"
)

// A table keeps what is pending under unguessable ids, each with a moment at
// which it is due. It is shards of slots: an id holds the number of its slot, so
// that finding one is an index and a comparison. Every shard has a heap of what
// is due; one timer serves them all. It begins with one shard, and gets more as
// goroutines have to wait for each other: most tables are of one connection.
//
// Nothing that may be the user's is called under a lock: neither the clock nor
// an entry. No lock is held for more than a thousand entries at a time.
//
// Rejected: a map and a timer an entry (three times the memory, six microseconds
// for each that expires), and a timing wheel (as fast at a million pending, but
// it is late by up to its tick, and virtual time shows that).
type table struct {
	alarm *alarm.Alarm
	// tell is called when the moment of an entry has come, without a lock. The
	// entry is still in the table then, but will not become due again unless it
	// is touched.
	tell   func(e entry, id ID, now moment)
	max    int64
	closed atomic.Bool
	shards []atomic.Pointer[shard] // nil from the live-th on
	live   atomic.Uint32           // a power of two
	bits   int                     // for the number of a shard
	chunks int                     // how many a shard may have, for its slots to have numbers

	growing sync.Mutex
	waits   atomic.Uint32 // how often somebody waited for a shard

	_     [64]byte // from what everybody reads and nobody writes
	count atomic.Int64
	_     [64]byte
}

// An entry is what a table keeps: a pointer.
type entry any

// A moment is nanoseconds since the table was made.
type moment = alarm.Moment

const never = alarm.Never

// how says how an entry ended.
type how int

const (
	gone     how = iota // its time was over, or somebody gave it up
	answered            // its answer came
)

// newTable returns a table of at most limit entries, who are told by tell. A nil
// clk is the real one.
func newTable(clk clock.Clock, limit int, tell func(e entry, id ID, now moment)) *table {
	t := &table{max: int64(limit), tell: tell}
	for 1<<t.bits < 8*runtime.GOMAXPROCS(0) && t.bits < maxBits {
		t.bits++
	}
	t.shards = make([]atomic.Pointer[shard], 1<<t.bits)
	t.shards[0].Store(new(shard))
	t.live.Store(1)
	t.chunks = 1 << (32 - t.bits - chunkBits)
	t.alarm = alarm.New(clk, t.expire)
	return t
}

const (
	maxBits = 6
	// patience is how often goroutines wait for a shard until there are twice
	// as many.
	patience = 64
)

// wait locks sh, for one who found it locked: there may have to be more shards.
func (t *table) wait(sh *shard) {
	if t.waits.Add(1)%patience == 0 {
		t.grow()
	}
	sh.mu.Lock()
}

// grow makes twice as many shards, unless there are enough or t is closed.
func (t *table) grow() {
	t.growing.Lock()
	defer t.growing.Unlock()
	n := t.live.Load()
	if int(n) == len(t.shards) || t.closed.Load() {
		return
	}
	for k := n; k < 2*n; k++ {
		t.shards[k].Store(new(shard))
	}
	t.live.Store(2 * n)
}

func (t *table) now() moment { return t.alarm.Now() }

// in returns the moment after d, at most never.
func (t *table) in(d time.Duration) moment { return alarm.After(t.now(), d) }

// at returns the moment of a time of the table's clock.
func (t *table) at(when time.Time) moment { return t.alarm.At(when) }

// enter counts one more in, unless there are as many as there may be.
func (t *table) enter() bool {
	for {
		n := t.count.Load()
		if n >= t.max {
			return false
		}
		if t.count.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// add enters e, due at at, or fails with ErrFull or ErrClosed.
func (t *table) add(e entry, at moment) (ID, error) {
	k, err := t.put(e, at)
	if err != nil {
		return ID{}, err
	}
	return k.id(), nil
}

func (t *table) put(e entry, at moment) (key, error) {
	n := spread(at, t.count.Load()) & (t.live.Load() - 1)
	sh := t.shards[n].Load()
	if !sh.mu.TryLock() {
		t.wait(sh)
	}
	if sh.closed {
		sh.mu.Unlock()
		return key{}, ErrClosed
	}
	if !t.enter() { // whoever is counted is in: nobody is refused for another that is
		sh.mu.Unlock()
		return key{}, ErrFull
	}
	i, s := sh.take(t.chunks)
	if s == nil {
		t.count.Add(-1)
		sh.mu.Unlock()
		return key{}, ErrFull
	}
	lo, hi := sh.nonces.next()
	s.lo, s.hi, s.at, s.entry = lo, hi, 0, e
	sh.heap.push(sh, deadline{at, i})
	sh.mu.Unlock()
	t.alarm.Set(at)
	return key{lo, hi, t.ref(n, i)}, nil
}

// spread makes a number of the moment when something is due and how many there
// are. The moment alone would do, were it not that some clocks move in large steps.
func spread(at moment, count int64) uint32 {
	return uint32((uint64(at) + uint64(count)) * 0x9e3779b97f4a7c15 >> 32)
}

// ref says where slot i of shard k is.
func (t *table) ref(k, i uint32) uint32 { return i<<t.bits | k }

// find locks the shard of k and returns its slot. If nobody is there, nothing is
// locked, and the error says why.
func (t *table) find(k key) (sh *shard, i uint32, s *slot, err error) {
	sh, i = t.shards[k.ref&uint32(len(t.shards)-1)].Load(), k.ref>>t.bits
	if sh == nil {
		return nil, 0, nil, ErrUnknownID
	}
	if !sh.mu.TryLock() {
		t.wait(sh)
	}
	s = sh.look(i)
	if s != nil && s.entry != nil && s.holds(k) {
		return sh, i, s, nil
	}
	err = sh.fate(k)
	sh.mu.Unlock()
	return nil, 0, nil, err
}

// get returns the entry of id.
func (t *table) get(id ID) (entry, error) {
	sh, _, s, err := t.find(id.key())
	if err != nil {
		return nil, err
	}
	e := s.entry
	sh.mu.Unlock()
	return e, nil
}

// remove takes the entry of id out. Of all calls one gets it.
func (t *table) remove(id ID, h how) (entry, error) { return t.pull(id.key(), h) }

func (t *table) pull(k key, h how) (entry, error) {
	sh, i, s, err := t.find(k)
	if err != nil {
		return nil, err
	}
	e := s.entry
	sh.release(i, s, h)
	sh.mu.Unlock()
	t.count.Add(-1)
	return e, nil
}

// removeDue takes the entry of id out if it has not been touched since it was
// told that it is due.
func (t *table) removeDue(id ID) bool {
	sh, i, s, err := t.find(id.key())
	if err != nil {
		return false
	}
	due := s.at == 0
	if due {
		sh.release(i, s, gone)
	}
	sh.mu.Unlock()
	if due {
		t.count.Add(-1)
	}
	return due
}

// touch makes the entry of id due at another moment: what to says, which is called
// under the lock and is for our own bookkeeping.
func (t *table) touch(id ID, to func() moment) error {
	sh, i, s, err := t.find(id.key())
	if err != nil {
		return err
	}
	at := to()
	if !sh.closed {
		sh.unschedule(s)
		sh.heap.push(sh, deadline{at, i})
	}
	sh.mu.Unlock()
	t.alarm.Set(at)
	return nil
}

// hold calls with under the lock of the entry of id, if it is there.
func (t *table) hold(id ID, with func()) bool {
	sh, _, _, err := t.find(id.key())
	if err != nil {
		return false
	}
	with()
	sh.mu.Unlock()
	return true
}

// placed is an entry with its id.
type placed struct {
	entry entry
	id    ID
}

// all returns the entries for which want is true: what was there all the time is
// among them. want is called under a lock.
func (t *table) all(want func(entry) bool) (found []placed) {
	t.walk(nil, func(k uint32, sh *shard, i uint32, s *slot) {
		if want(s.entry) {
			found = append(found, placed{s.entry, s.id(t.ref(k, i))})
		}
	})
	return found
}

// close refuses what comes, and takes out and returns what is there. The timer is
// stopped.
func (t *table) close() (left []entry) {
	t.growing.Lock()
	first := !t.closed.Swap(true)
	t.growing.Unlock()
	if !first {
		return nil
	}
	t.alarm.Stop()
	t.walk((*shard).close, func(k uint32, sh *shard, i uint32, s *slot) {
		left = append(left, s.entry)
		sh.release(i, s, gone)
		t.count.Add(-1)
	})
	return left
}

// walk calls do for every slot with an entry, and before that begin, if it is not
// nil, for its shard: under the shard's lock, which is given away now and then.
func (t *table) walk(begin func(*shard), do func(k uint32, sh *shard, i uint32, s *slot)) {
	for k := range t.live.Load() {
		sh := t.shards[k].Load()
		sh.mu.Lock()
		if begin != nil {
			begin(sh)
		}
		for c := uint32(0); c < uint32(len(sh.chunks)); c++ {
			slots := sh.chunks[c].slots
			for i := range slots {
				if slots[i].entry != nil {
					do(k, sh, c<<chunkBits|uint32(i), &slots[i])
				}
			}
			sh.mu.Unlock()
			sh.mu.Lock()
		}
		sh.mu.Unlock()
	}
}

// each calls do with all of them, also if one of the calls ends the goroutine, as
// what hangs on a future may.
func each[E any](all []E, do func(E)) {
	next := 0
	defer func() {
		if next < len(all) {
			go each(all[next:], do)
		}
	}()
	for next < len(all) {
		e := all[next]
		next++
		do(e)
	}
}
