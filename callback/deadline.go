package callback

// A dueHeap is a heap, four children a node, of what is due when; the slots know
// their places in it. Deadlines mostly come in the order of time, and then
// adding is one comparison. It is in chunks, as slots are.
type dueHeap struct {
	chunks [][]deadline
	n      int
}

type deadline struct {
	at   moment
	slot uint32
}

func (h *dueHeap) get(i int) *deadline { return &h.chunks[i>>chunkBits][i&(1<<chunkBits-1)] }

func (h *dueHeap) push(sh *shard, d deadline) {
	c := h.n >> chunkBits
	if c == len(h.chunks) {
		var chunk []deadline
		if c > 0 {
			chunk = make([]deadline, 0, 1<<chunkBits)
		}
		h.chunks = append(h.chunks, chunk)
	}
	h.chunks[c] = append(h.chunks[c], d)
	h.n++
	h.up(sh, h.n-1, d)
}

// remove takes out the one at place i; its slot keeps the place it had.
func (h *dueHeap) remove(sh *shard, i int) {
	h.n--
	d := *h.get(h.n)
	c := h.n >> chunkBits
	h.chunks[c] = h.chunks[c][:h.n&(1<<chunkBits-1)]
	if c+2 == len(h.chunks) && len(h.chunks[c]) == 0 { // one empty chunk is kept
		h.chunks[c+1] = nil
		h.chunks = h.chunks[:c+1]
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
