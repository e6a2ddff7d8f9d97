package callback

// A dueHeap is a heap, four children a node, of what is due when; the slots know
// their places in it. Deadlines mostly come in the order of time, and then
// adding is one comparison. It is in chunks, as slots are.
type dueHeap struct {
	chunks [][]deadline // all but the first of the same size
	n      int          // how many are in it
	room   int          // how many there are places for
}

type deadline struct {
	at   moment
	slot uint32
}

func (h *dueHeap) get(i int) *deadline { return &h.chunks[i>>chunkBits][i&(1<<chunkBits-1)] }

func (h *dueHeap) push(sh *shard, d deadline) {
	if h.n == h.room {
		h.grow()
	}
	h.n++
	h.up(sh, h.n-1, d)
}

func (h *dueHeap) grow() {
	switch {
	case h.room == 0:
		h.chunks = append(h.chunks, make([]deadline, 8))
		h.room = 8
	case h.room < 1<<chunkBits: // most heaps are small
		h.chunks[0] = append(h.chunks[0], make([]deadline, h.room)...)
		h.room *= 2
	default:
		h.chunks = append(h.chunks, make([]deadline, 1<<chunkBits))
		h.room += 1 << chunkBits
	}
}

// remove takes out the one at place i; its slot keeps the place it had.
func (h *dueHeap) remove(sh *shard, i int) {
	h.n--
	d := *h.get(h.n)
	if h.room-h.n == 2<<chunkBits { // one empty chunk is kept
		last := len(h.chunks) - 1
		h.chunks[last] = nil
		h.chunks = h.chunks[:last]
		h.room -= 1 << chunkBits
	}
	switch {
	case i == h.n:
	case i > 0 && d.at < h.get((i-1)/4).at:
		h.up(sh, i, d)
	default:
		h.down(sh, i, d)
	}
}

// up puts d at place i, which is empty, or above.
func (h *dueHeap) up(sh *shard, i int, d deadline) {
	for i > 0 {
		parent := (i - 1) / 4
		p := h.get(parent)
		if p.at <= d.at {
			break
		}
		h.put(sh, i, *p)
		i = parent
	}
	h.put(sh, i, d)
}

// down puts d at place i, which is empty, or below.
func (h *dueHeap) down(sh *shard, i int, d deadline) {
	for {
		least := 4*i + 1
		if least >= h.n {
			break
		}
		l := h.get(least)
		for c := least + 1; c < min(4*i+5, h.n); c++ {
			if x := h.get(c); x.at < l.at {
				least, l = c, x
			}
		}
		if d.at <= l.at {
			break
		}
		h.put(sh, i, *l)
		i = least
	}
	h.put(sh, i, d)
}

func (h *dueHeap) put(sh *shard, i int, d deadline) {
	*h.get(i) = d
	sh.slot(d.slot).at = uint32(i + 1)
}
