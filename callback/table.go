package callback

import (
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/benbjohnson/clock"
)

// A table keeps what is pending under unguessable ids, each with a moment at
// which it is due. It is shards of slots: an id holds the number of its slot, so
// that finding one is an index and a comparison, and a slot that is free still
// remembers who was in it last, so that a late answer is told from an unknown
// one. Every shard has a heap of what is due; one timer serves them all.
//
// Rejected: a map and a timer an entry (three times the memory, six microseconds
// for each that expires), and a timing wheel (as fast at a million pending, but
// it is late by up to its tick, and virtual time shows that).
type table struct {
	clock  clock.Clock
	start  time.Time // moments are nanoseconds since then
	max    int64
	count  atomic.Int64
	closed atomic.Bool
	shards []shard
	mask   uint32
	bits   int

	alarm sync.Mutex
	armed atomic.Int64 // when the timer goes off, or never
	timer *clock.Timer
}

// An entry is what a table keeps. due is called when its moment has come, without
// a lock; the entry is still in the table then, but will not become due again
// unless it is touched.
type entry interface{ due(id ID, now moment) }

type moment = int64

const never moment = math.MaxInt64

// remembered is how many slots a shard has before it uses one again.
const remembered = 64

// expireBatch is how many entries are taken out of a shard under one lock.
const expireBatch = 256

type shard struct {
	mu     sync.Mutex
	closed bool
	nonces nonces
	slots  [][]slot // chunks, so that growing moves nothing
	n      uint32   // slots in all chunks
	free   uint32   // first and last of the free ones, oldest first, by number+1
	last   uint32
	heap   dueHeap
	_      [64]byte // from the next shard's lock
}

const chunkBits = 10

// A slot holds one entry, or remembers the last: 32 bytes.
type slot struct {
	lo    uint64 // the nonce
	hi    uint32
	at    uint32 // place in the heap + 1, 0 for none; of a free slot, how and the next free one
	entry entry  // nil if the slot is free
}

// how says how an entry ended: the highest bit of a free slot's at.
type how = uint32

const (
	gone     how = 0
	answered how = 1 << 31
)

func (s *slot) nonce() nonce { return nonce{s.lo, s.hi} }

func newTable(clk clock.Clock, limit int) *table {
	if clk == nil {
		clk = clock.New()
	}
	n := 1
	for n < 2*runtime.GOMAXPROCS(0) && n < 64 {
		n *= 2
	}
	t := &table{clock: clk, start: clk.Now(), max: int64(limit), shards: make([]shard, n), mask: uint32(n - 1)}
	for 1<<t.bits < n {
		t.bits++
	}
	t.armed.Store(never)
	return t
}

func (t *table) now() moment { return int64(t.clock.Since(t.start)) }

// in returns the moment after d, at most never.
func (t *table) in(d time.Duration) moment {
	now := t.now()
	if int64(d) >= never-now {
		return never
	}
	return now + int64(d)
}

// at returns the moment of a time of the table's clock.
func (t *table) at(when time.Time) moment { return int64(when.Sub(t.start)) }

func (sh *shard) slot(i uint32) *slot { return &sh.slots[i>>chunkBits][i&(1<<chunkBits-1)] }

// add enters e, due at at, or fails with ErrFull or ErrClosed.
func (t *table) add(e entry, at moment) (ID, error) {
	if t.count.Add(1) > t.max {
		t.count.Add(-1)
		return ID{}, ErrFull
	}
	k := rand.Uint32() & t.mask
	sh := &t.shards[k]
	sh.mu.Lock()
	if sh.closed {
		sh.mu.Unlock()
		t.count.Add(-1)
		return ID{}, ErrClosed
	}
	i := sh.take()
	s := sh.slot(i)
	n := sh.nonces.next()
	*s = slot{lo: n.lo, hi: n.hi, entry: e}
	id := makeID(n, t.ref(int(k), i))
	sh.schedule(i, at)
	sh.mu.Unlock()
	t.arm(at)
	return id, nil
}

// take returns a slot that nobody is in.
func (sh *shard) take() uint32 {
	if sh.n >= remembered && sh.free != 0 {
		i := sh.free - 1
		if sh.free = sh.slot(i).at &^ answered; sh.free == 0 {
			sh.last = 0
		}
		return i
	}
	i := sh.n
	sh.n++
	if int(i>>chunkBits) == len(sh.slots) {
		var chunk []slot
		if i > 0 {
			chunk = make([]slot, 0, 1<<chunkBits)
		}
		sh.slots = append(sh.slots, chunk)
	}
	c := &sh.slots[i>>chunkBits]
	*c = append(*c, slot{})
	return i
}

// release frees slot i, which goes to the end of the line: what was in it is
// remembered as long as possible.
func (sh *shard) release(i uint32, h how) {
	s := sh.slot(i)
	if s.at != 0 {
		sh.heap.remove(sh, int(s.at-1))
	}
	s.entry, s.at = nil, h
	if sh.last != 0 {
		sh.slot(sh.last - 1).at |= i + 1
	} else {
		sh.free = i + 1
	}
	sh.last = i + 1
}

// schedule makes the entry in slot i due at at, which may be never: every entry
// is in the heap, but for those that are being told that they are due.
func (sh *shard) schedule(i uint32, at moment) {
	s := sh.slot(i)
	if s.at != 0 {
		sh.heap.remove(sh, int(s.at-1))
	}
	sh.heap.push(sh, deadline{at, i})
}

// find locks the shard of id and returns its slot's number. If nobody is there,
// nothing is locked, and the error says why.
func (t *table) find(id ID) (sh *shard, i uint32, err error) {
	n, ref := id.parts()
	sh, i = &t.shards[ref&t.mask], ref>>t.bits
	sh.mu.Lock()
	if i < sh.n {
		if s := sh.slot(i); s.nonce().is(n) {
			if s.entry != nil {
				return sh, i, nil
			}
			err = ErrLate
			if s.at&answered != 0 {
				err = ErrDuplicate
			}
			sh.mu.Unlock()
			return nil, 0, err
		}
	}
	sh.mu.Unlock()
	return nil, 0, ErrUnknownID
}

// get returns the entry of id.
func (t *table) get(id ID) (entry, error) {
	sh, i, err := t.find(id)
	if err != nil {
		return nil, err
	}
	e := sh.slot(i).entry
	sh.mu.Unlock()
	return e, nil
}

// remove takes the entry of id out. Of all calls one gets it.
func (t *table) remove(id ID, h how) (entry, error) {
	sh, i, err := t.find(id)
	if err != nil {
		return nil, err
	}
	e := sh.slot(i).entry
	sh.release(i, h)
	sh.mu.Unlock()
	t.count.Add(-1)
	return e, nil
}

// removeDue takes the entry of id out if it has not been touched since it was
// told that it is due.
func (t *table) removeDue(id ID) bool {
	sh, i, err := t.find(id)
	if err != nil {
		return false
	}
	due := sh.slot(i).at == 0
	if due {
		sh.release(i, gone)
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
	sh, i, err := t.find(id)
	if err != nil {
		return err
	}
	at := to()
	sh.schedule(i, at)
	sh.mu.Unlock()
	t.arm(at)
	return nil
}

// hold calls with under the lock of the entry of id, if it is there.
func (t *table) hold(id ID, with func()) bool {
	sh, _, err := t.find(id)
	if err != nil {
		return false
	}
	with()
	sh.mu.Unlock()
	return true
}

// arm sees to it that the timer goes off by at. It is left alone when what it
// was for has gone: it then finds nothing due and sleeps until what is.
func (t *table) arm(at moment) {
	if at >= t.armed.Load() {
		return
	}
	t.alarm.Lock()
	defer t.alarm.Unlock()
	if at >= t.armed.Load() || t.closed.Load() {
		return
	}
	t.armed.Store(at)
	d := time.Duration(max(at-t.now(), 0))
	if t.timer == nil {
		t.timer = t.clock.AfterFunc(d, t.expire)
	} else {
		t.timer.Reset(d)
	}
}

// expiring is an entry with its id.
type expiring struct {
	entry entry
	id    ID
}

// expire tells what is due. It runs on the timer's goroutine.
func (t *table) expire() {
	t.armed.Store(never) // what is added from now on arms the timer itself
	next := never
	var batch [expireBatch]expiring
	for k := range t.shards {
		for {
			now := t.now()
			n, first := t.due(k, now, &batch)
			for i := range n {
				batch[i].entry.due(batch[i].id, now)
				batch[i].entry = nil
			}
			if n < len(batch) {
				next = min(next, first)
				break
			}
		}
	}
	if next != never {
		t.arm(next)
	}
}

// due takes the first entries of shard k that are due at now out of its heap, and
// returns when the next one is.
func (t *table) due(k int, now moment, batch *[expireBatch]expiring) (n int, next moment) {
	sh := &t.shards[k]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for n < len(batch) {
		if len(sh.heap) == 0 {
			return n, never
		}
		if sh.heap[0].at > now {
			return n, sh.heap[0].at
		}
		i := sh.heap[0].slot
		s := sh.slot(i)
		sh.heap.remove(sh, 0)
		s.at = 0
		batch[n] = expiring{s.entry, makeID(s.nonce(), t.ref(k, i))}
		n++
	}
	return n, now
}

// all returns the entries for which want is true: what was there all the time is
// among them. want is called under a lock.
func (t *table) all(want func(entry) bool) (found []expiring) {
	for k := range t.shards {
		sh := &t.shards[k]
		sh.mu.Lock()
		for c, chunk := range sh.slots {
			for i := range chunk {
				if s := &chunk[i]; s.entry != nil && want(s.entry) {
					found = append(found, expiring{s.entry, makeID(s.nonce(), t.ref(k, uint32(c)<<chunkBits|uint32(i)))})
				}
			}
		}
		sh.mu.Unlock()
	}
	return found
}

// ref says where slot i of shard k is.
func (t *table) ref(k int, i uint32) uint32 { return i<<t.bits | uint32(k) }

// close refuses what comes, and takes out and returns what is there.
func (t *table) close() (left []entry) {
	t.closed.Store(true)
	t.alarm.Lock()
	if t.timer != nil {
		t.timer.Stop()
	}
	t.alarm.Unlock()
	for k := range t.shards {
		sh := &t.shards[k]
		sh.mu.Lock()
		sh.closed = true
		for c, chunk := range sh.slots {
			for i := range chunk {
				if e := chunk[i].entry; e != nil {
					left = append(left, e)
					sh.release(uint32(c)<<chunkBits|uint32(i), gone)
				}
			}
		}
		sh.heap = nil
		sh.mu.Unlock()
	}
	t.count.Add(-int64(len(left)))
	return left
}
