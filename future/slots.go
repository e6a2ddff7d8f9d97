package future

import "sync"

// slots bound how many calls are under way at once. Those that wait are a list
// of turns, in order; they own no goroutine, and can leave at any time.
type slots struct {
	mu      sync.Mutex
	free    int
	room    int // for further waiting turns
	waiting turn
}

// A turn is a place in the queue for a slot. It is embedded in what waits.
type turn struct {
	next, prev *turn // nil while not waiting
	begin      func() (taken bool)
}

func newSlots(n, queue int) *slots {
	s := &slots{free: n, room: queue}
	s.waiting.next, s.waiting.prev = &s.waiting, &s.waiting
	return s
}

// take gives t a slot: now (granted), or when its turn comes, by calling
// t.begin, which may decline it. It reports ErrFull if too many are waiting.
func (s *slots) take(t *turn) (granted bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.free > 0:
		s.free--
		return true, nil
	case s.room == 0:
		return false, ErrFull
	}
	s.room--
	last := s.waiting.prev
	t.prev, t.next = last, &s.waiting
	last.next, s.waiting.prev = t, t
	return false, nil
}

// spare takes a slot if there is one that nobody waits for.
func (s *slots) spare() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.free == 0 {
		return false
	}
	s.free--
	return true
}

// give returns a slot, which goes to whoever has waited longest and takes it.
func (s *slots) give() {
	for {
		t := s.next()
		if t == nil || t.begin() {
			return
		}
	}
}

// next takes out of the queue whoever has waited longest, or frees a slot if
// nobody waits.
func (s *slots) next() *turn {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.waiting.next
	if t == &s.waiting {
		s.free++
		return nil
	}
	s.remove(t)
	return t
}

// leave takes t out of the queue, and reports whether it was there.
func (s *slots) leave(t *turn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.next == nil {
		return false
	}
	s.remove(t)
	return true
}

func (s *slots) remove(t *turn) {
	t.prev.next, t.next.prev = t.next, t.prev
	t.next, t.prev = nil, nil
	s.room++
}
