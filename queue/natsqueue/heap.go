package natsqueue

// An entry is a job in a heap. It is true if the job is still of that gen.
type entry struct {
	job *job
	gen uint64
	at  int64
}

// first is the order in which jobs are handed out.
func first(a, b entry) bool {
	switch {
	case a.job.Priority != b.job.Priority:
		return a.job.Priority > b.job.Priority
	case a.at != b.at:
		return a.at < b.at
	}
	return a.job.Seq < b.job.Seq
}

func earlier(a, b entry) bool { return a.at < b.at }

// A heap has its least entry first.
type heap struct {
	less func(a, b entry) bool
	all  []entry
}

func (h *heap) push(e entry) {
	h.all = append(h.all, e)
	i := len(h.all) - 1
	for i > 0 {
		up := (i - 1) / 2
		if !h.less(h.all[i], h.all[up]) {
			return
		}
		h.all[i], h.all[up] = h.all[up], h.all[i]
		i = up
	}
}

func (h *heap) pop() entry {
	top := h.all[0]
	last := len(h.all) - 1
	h.all[0] = h.all[last]
	h.all[last] = entry{}
	h.all = h.all[:last]
	for i := 0; ; {
		c := 2*i + 1
		if c >= last {
			return top
		}
		if c+1 < last && h.less(h.all[c+1], h.all[c]) {
			c++
		}
		if !h.less(h.all[c], h.all[i]) {
			return top
		}
		h.all[i], h.all[c] = h.all[c], h.all[i]
		i = c
	}
}
