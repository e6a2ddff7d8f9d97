package natscallback

// A ring is a queue that reuses its memory, and gives it back after a flood.
type ring[T any] struct {
	buf     []T // its length is a power of two
	head, n int
}

func (r *ring[T]) push(v T) {
	if r.n == len(r.buf) {
		buf := make([]T, max(4, 2*r.n))
		for i := range r.n {
			buf[i] = r.buf[(r.head+i)&(r.n-1)]
		}
		r.buf, r.head = buf, 0
	}
	r.buf[(r.head+r.n)&(len(r.buf)-1)] = v
	r.n++
}

// pop takes out the first, which there is.
func (r *ring[T]) pop() T {
	var none T
	v := r.buf[r.head]
	r.buf[r.head] = none
	r.head = (r.head + 1) & (len(r.buf) - 1)
	r.n--
	if r.n == 0 && len(r.buf) > 64 {
		*r = ring[T]{}
	}
	return v
}
