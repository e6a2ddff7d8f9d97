package callback

import "sync"

// A shard is a part of a table under a lock of its own. Its slots come in chunks,
// so that growing moves nothing and a flood can be given back: a chunk that is
// empty is let go as soon as there are twice as many as are needed.
type shard struct {
	mu     sync.Mutex
	closed bool
	nonces nonces
	heap   dueHeap
	chunks []chunk
	open   []uint32   // chunks with room, by number; the last is used first
	empty  []uint32   // chunks that became empty, to look at
	spare  []uint32   // chunks that were let go, to be made again
	used   int        // slots with an entry in them
	ended  [2]bygones // ids of what has ended, by how
	_      [64]byte   // from the next shard's lock
}

const chunkBits = 10

// A chunk is some slots.
type chunk struct {
	slots   []slot // as far as they were ever used; nil if it was let go
	free    uint32 // the first of the free ones, by number+1
	used    uint32 // how many have an entry in them
	place   uint32 // in the shard's open + 1, or 0
	isEmpty bool   // in the shard's empty
}

// A slot holds one entry: 32 bytes.
type slot struct {
	lo    uint64 // the nonce
	hi    uint32
	at    uint32 // place in the heap + 1, 0 for none; of a free slot, the next free one
	entry entry  // nil if the slot is free
}

// close lets nobody in any more, and forgets when what is there is due.
func (sh *shard) close() { sh.closed, sh.heap = true, dueHeap{} }

// id is that of what is in s, whose place is ref.
func (s *slot) id(ref uint32) ID { return key{s.lo, s.hi, ref}.id() }

// holds compares in constant time.
func (s *slot) holds(k key) bool { return (s.lo^k.lo)|uint64(s.hi^k.hi) == 0 }

// look returns slot i, which may be any number, or nil.
func (sh *shard) look(i uint32) *slot {
	if c := i >> chunkBits; c < uint32(len(sh.chunks)) {
		if slots, i := sh.chunks[c].slots, i&(1<<chunkBits-1); i < uint32(len(slots)) {
			return &slots[i]
		}
	}
	return nil
}

// slot returns slot i, which is there.
func (sh *shard) slot(i uint32) *slot { return &sh.chunks[i>>chunkBits].slots[i&(1<<chunkBits-1)] }

// take returns a slot that nobody is in, or nil if limit chunks are full.
func (sh *shard) take(limit int) (uint32, *slot) {
	for n := len(sh.open); n > 0; n = len(sh.open) {
		k := sh.open[n-1]
		c := &sh.chunks[k]
		if i, s := c.take(); s != nil {
			sh.used++
			return k<<chunkBits | i, s
		}
		sh.open, c.place = sh.open[:n-1], 0
	}
	k := uint32(len(sh.chunks))
	switch n := len(sh.spare); {
	case n > 0:
		k, sh.spare = sh.spare[n-1], sh.spare[:n-1]
	case len(sh.chunks) == limit:
		return 0, nil
	default:
		sh.chunks = append(sh.chunks, chunk{})
	}
	c := &sh.chunks[k]
	if k > 0 { // the first grows from nothing: most tables are small
		c.slots = make([]slot, 0, 1<<chunkBits)
	}
	sh.openUp(k, c)
	i, s := c.take()
	sh.used++
	return k<<chunkBits | i, s
}

func (c *chunk) take() (uint32, *slot) {
	if c.free != 0 {
		i := c.free - 1
		s := &c.slots[i]
		c.free = s.at
		c.used++
		return i, s
	}
	i := len(c.slots)
	if i == 1<<chunkBits {
		return 0, nil
	}
	c.slots = append(c.slots, slot{})
	c.used++
	return uint32(i), &c.slots[i]
}

func (sh *shard) openUp(k uint32, c *chunk) {
	sh.open = append(sh.open, k)
	c.place = uint32(len(sh.open))
}

// release frees slot i, whose entry has ended.
func (sh *shard) release(i uint32, s *slot, h how) {
	sh.unschedule(s)
	sh.ended[h].add(s.lo)
	k := i >> chunkBits
	c := &sh.chunks[k]
	*s = slot{at: c.free}
	c.free = i&(1<<chunkBits-1) + 1
	c.used--
	sh.used--
	if c.place == 0 {
		sh.openUp(k, c)
	}
	if c.used == 0 {
		sh.letGo(k, c)
	}
}

// letGo gives back what is no longer needed, now that chunk k is empty: half of
// all, so that it takes many more entries until a chunk has to be made again.
func (sh *shard) letGo(k uint32, c *chunk) {
	if !c.isEmpty {
		sh.empty, c.isEmpty = append(sh.empty, k), true
	}
	for n := len(sh.empty); n > 0 && len(sh.chunks)-len(sh.spare) > 2*(sh.used>>chunkBits)+1; n-- {
		k := sh.empty[n-1]
		sh.empty = sh.empty[:n-1]
		c := &sh.chunks[k]
		c.isEmpty = false
		if c.used > 0 {
			continue // it was empty
		}
		last := sh.open[len(sh.open)-1]
		sh.open[c.place-1], sh.chunks[last].place = last, c.place
		sh.open = sh.open[:len(sh.open)-1]
		*c = chunk{}
		sh.spare = append(sh.spare, k)
	}
}

// unschedule takes the entry in s out of the heap, where every entry is but for
// those that are being told that they are due.
func (sh *shard) unschedule(s *slot) {
	if s.at != 0 && !sh.closed {
		sh.heap.remove(sh, int(s.at-1))
	}
	s.at = 0
}

// fate says what has become of k, which is nowhere.
func (sh *shard) fate(k key) error {
	switch {
	case sh.ended[gone].has(k.lo):
		return ErrLate
	case sh.ended[answered].has(k.lo):
		return ErrDuplicate
	}
	return ErrUnknownID
}

// remembered is how many ended entries of each sort a shard remembers: a late
// answer comes after many others, and a duplicate soon after the first.
const remembered = 256

// Bygones are halves of nonces; the oldest give way to new ones.
type bygones struct {
	ids  []uint64
	next int
}

func (b *bygones) add(id uint64) {
	if len(b.ids) < remembered {
		b.ids = append(b.ids, id)
		return
	}
	b.ids[b.next] = id
	b.next = (b.next + 1) % remembered
}

func (b *bygones) has(id uint64) bool {
	for _, x := range b.ids {
		if x == id {
			return true
		}
	}
	return false
}
