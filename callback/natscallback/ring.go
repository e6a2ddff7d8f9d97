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
			buf[i] = *r.at(i)
		}
		r.buf, r.head = buf, 0
	}
	*r.at(r.n) = v
	r.n++
}

// take takes out the first that is as it should be, if there is one.
func (r *ring[T]) take(is func(*T) bool) (v T, ok bool) {
	for i := range r.n {
		if at := r.at(i); is(at) {
			v = *at
			for ; i > 0; i-- {
				*r.at(i) = *r.at(i - 1)
			}
			r.pop()
			return v, true
		}
	}
	return v, false
}

// at is where number i is, from the first.
func (r *ring[T]) at(i int) *T { return &r.buf[(r.head+i)&(len(r.buf)-1)] }

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
