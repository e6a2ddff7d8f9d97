package callback

// A dueHeap is a heap, four children a node, of what is due when; the slots know
// their places in it. Deadlines mostly come in the order of time, and then
// adding is one comparison.
type dueHeap []deadline

type deadline struct {
	at   moment
	slot uint32
}

func (h *dueHeap) push(sh *shard, d deadline) {
	*h = append(*h, d)
	h.up(sh, len(*h)-1)
}

// remove takes out the one at place i; its slot keeps the place it had.
func (h *dueHeap) remove(sh *shard, i int) {
	old := *h
	last := len(old) - 1
	d := old[last]
	*h = old[:last]
	if i == last {
		h.shrink()
		return
	}
	old[i] = d
	sh.slot(d.slot).at = uint32(i + 1)
	if i > 0 && d.at < old[(i-1)/4].at {
		h.up(sh, i)
	} else {
		h.down(sh, i)
	}
	h.shrink()
}

// shrink gives back memory after a flood.
func (h *dueHeap) shrink() {
	if c := cap(*h); c > 4096 && len(*h) < c/4 {
		*h = append(make(dueHeap, 0, c/2), *h...)
	}
}

func (h dueHeap) up(sh *shard, i int) {
	d := h[i]
	for i > 0 {
		parent := (i - 1) / 4
		if h[parent].at <= d.at {
			break
		}
		h.put(sh, i, h[parent])
		i = parent
	}
	h.put(sh, i, d)
}

func (h dueHeap) down(sh *shard, i int) {
	d := h[i]
	for {
		first := 4*i + 1
		if first >= len(h) {
			break
		}
		least := first
		for c := first + 1; c < min(first+4, len(h)); c++ {
			if h[c].at < h[least].at {
				least = c
			}
		}
		if d.at <= h[least].at {
			break
		}
		h.put(sh, i, h[least])
		i = least
	}
	h.put(sh, i, d)
}

func (h dueHeap) put(sh *shard, i int, d deadline) {
	h[i] = d
	sh.slot(d.slot).at = uint32(i + 1)
}
