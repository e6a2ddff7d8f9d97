package natsqueue

// A spot is where a job is in a heap, and since or until when.
type spot struct {
	at    int64
	place int // counts from 1; 0 is that it is not there
}

func readySpot(j *job) *spot { return &j.ready }
func dueSpot(j *job) *spot   { return &j.due }

// first is the order in which jobs are handed out.
func first(a, b *job) bool {
	switch {
	case a.Priority != b.Priority:
		return a.Priority > b.Priority
	case a.ready.at != b.ready.at:
		return a.ready.at < b.ready.at
	}
	return a.Seq < b.Seq
}

func earlier(a, b *job) bool { return a.due.at < b.due.at }

// A heap has its least job first. A job is in it once at the most, and is taken out of
// wherever it is there: who only submits never takes the first, and keeps nothing of
// what others have done.
type heap struct {
	less func(a, b *job) bool
	spot func(*job) *spot
	all  []*job
}

func (h *heap) push(j *job, at int64) {
	h.remove(j)
	h.all = append(h.all, j)
	*h.spot(j) = spot{at, len(h.all)}
	h.up(len(h.all) - 1)
}

// remove takes j out, if it is in.
func (h *heap) remove(j *job) {
	i := h.spot(j).place - 1
	if i < 0 {
		return
	}
	last := len(h.all) - 1
	h.swap(i, last)
	h.all[last] = nil
	h.all = h.all[:last]
	*h.spot(j) = spot{}
	if i < last {
		h.up(i)
		h.down(i)
	}
}

func (h *heap) pop() *job {
	top := h.all[0]
	h.remove(top)
	return top
}

func (h *heap) swap(i, k int) {
	h.all[i], h.all[k] = h.all[k], h.all[i]
	h.spot(h.all[i]).place, h.spot(h.all[k]).place = i+1, k+1
}

func (h *heap) up(i int) {
	for i > 0 {
		p := (i - 1) / 2
		if !h.less(h.all[i], h.all[p]) {
			return
		}
		h.swap(i, p)
		i = p
	}
}

func (h *heap) down(i int) {
	for {
		c := 2*i + 1
		if c >= len(h.all) {
			return
		}
		if c+1 < len(h.all) && h.less(h.all[c+1], h.all[c]) {
			c++
		}
		if !h.less(h.all[c], h.all[i]) {
			return
		}
		h.swap(i, c)
		i = c
	}
}
