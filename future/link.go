package future

// A link hangs a continuation on a pending future. It is embedded in whatever
// continues there, so that a continuation costs one allocation and All of a
// hundred futures costs one slab. The links of a future form a ring in order of
// registration; head points to the first.
//
// Who owns a link: while it is in the ring, the lock of its future; once it has
// been removed, by unlink or because the future has settled, whoever removed
// it. Both happen at most once, so there is always one owner.
type link struct {
	next, prev *link // nil outside a ring
	c          continuation
}

// A continuation is told that the future it hangs on has settled.
type continuation interface {
	// settled gets the *Future as src. Where it settles a future of its own it
	// only publishes, and returns what is to be notified of that, and by whom.
	settled(src any) (ring *link, of any)
}

// A mark in place of the ring says that the future has settled: this one, or
// that of a record while debugging.
var settled link

// isMark tells a mark from a ring by its lack of a successor. The caller holds
// the lock of the future whose head l is.
func isMark(l *link) bool { return l != nil && l.next == nil }

// link hangs c on f by l, or reports false if f has settled.
func (f *Future[T]) link(l *link, c continuation) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	head := f.head.Load()
	if isMark(head) {
		f.looked(head)
		return false
	}
	l.c = c
	if head == nil {
		l.next, l.prev = l, l
		f.head.Store(l)
		return true
	}
	l.next, l.prev = head, head.prev
	l.prev.next, l.next.prev = l, l
	return true
}

// unlink removes l and reports whether it did; if not, f has settled or l was
// not linked.
func (f *Future[T]) unlink(l *link) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	head := f.head.Load()
	if isMark(head) || l.next == nil {
		return false
	}
	switch {
	case l.next == l:
		f.head.Store(nil)
	case head == l:
		f.head.Store(l.next)
		fallthrough
	default:
		l.prev.next, l.next.prev = l.next, l.prev
	}
	l.next, l.prev, l.c = nil, nil, nil
	return true
}

// notify tells the links of ring, in order, that the future src has settled,
// then those of the futures that settled thereby, and so on. It is a loop: a
// chain of a million transforms needs no deep stack.
func notify(ring *link, src any) {
	w := wave{at: ring, last: ring.prev, src: src}
	w.run()
}

// A wave is a notification under way.
type wave struct {
	at, last *link // what is left of the ring in hand; at is nil at its end
	src      any   // the future that the ring hung on
	more     []ringOf
}

type ringOf struct {
	ring *link
	src  any
}

func (w *wave) run() {
	var ended bool
	defer func() {
		if !ended { // a transform called runtime.Goexit: the others must not suffer
			rest := *w
			go rest.run()
		}
	}()
	for {
		for w.at != nil {
			l := w.at
			if w.at = l.next; l == w.last {
				w.at = nil
			}
			c := l.c
			l.next, l.prev, l.c = nil, nil, nil // a settled future holds nobody
			switch ring, of := c.settled(w.src); {
			case ring == nil:
			case w.at == nil: // a chain goes on without a list
				w.at, w.last, w.src = ring, ring.prev, of
			default:
				w.more = append(w.more, ringOf{ring, of})
			}
		}
		n := len(w.more)
		if n == 0 {
			break
		}
		next := w.more[n-1]
		w.more[n-1] = ringOf{}
		w.more = w.more[:n-1]
		w.at, w.last, w.src = next.ring, next.ring.prev, next.src
	}
	ended = true
}
