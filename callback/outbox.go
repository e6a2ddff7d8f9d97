package callback

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// An outbox is where messages wait that the transport has no room for. Each lane
// has a queue of its own, and a writer of its own that exists while there is
// something to write: what is stuck in one holds up no other. While a lane is empty
// nothing passes through it. An outbox is bounded in number and in bytes.
type outbox struct {
	peer *Peer
	// busy has a bit for each lane whose messages have to queue up: others wait
	// already, the transport is not ready, or it will never be again.
	busy atomic.Uint32

	mu     sync.Mutex
	held   bool // until the transport is ready
	closed bool
	lane   [lanes]queue
	bytes  int
	room   chan struct{} // closed when there is room again; nil if nobody waits
	quiet  chan struct{} // closed when nothing is left to write; nil if nobody waits
	done   sync.WaitGroup
	latest map[latestKey]*outgoing // those that replace each other
}

// A queue is what waits in one lane.
type queue struct {
	q       []*outgoing
	writing bool
}

type latestKey struct {
	lane      lane
	name, key string
}

// An outgoing is a message on its way out.
type outgoing struct {
	m    *Message
	ask  *askCore // of a request, to know when it is on its way
	key  string   // of what replaces its elders of the same address
	keep bool     // it does
	size int
	// sent is called when the transport has m, with nil, or when that has failed,
	// unless the peer is closed before or post says so itself. May be nil.
	sent func(error)
}

const allLanes = 1<<lanes - 1

func (b *outbox) init(p *Peer) {
	b.peer, b.held = p, true
	b.busy.Store(allLanes)
}

// post sends o, or puts it into the outbox. It fails with ErrFull if there is no
// room, with ErrClosed, or as the transport does; the message is lost then. It
// does not wait.
func (b *outbox) post(o outgoing) error {
	ok, err := b.offer(&o)
	if !ok && err == nil {
		return ErrFull
	}
	return err
}

// postWait is post that waits for room until ctx ends.
func (b *outbox) postWait(ctx context.Context, o outgoing) error {
	for {
		ok, err := b.offer(&o)
		if ok || err != nil {
			return err
		}
		if room := b.waitFor(&o); room != nil {
			select {
			case <-room:
			case <-ctx.Done():
			}
			if ctx.Err() != nil {
				return gaveUp(ctx, notAccepted)
			}
		}
	}
}

// offer sends o, or puts it into the outbox. It reports false, and no error, if
// there is no room.
func (b *outbox) offer(o *outgoing) (ok bool, err error) {
	p := b.peer
	if err := o.m.check(p.maxBody); err != nil {
		return false, err
	}
	l := laneOf(o.m.Kind)
	if p.try != nil && b.busy.Load()&(1<<l) == 0 {
		ok, err := b.try(o)
		if ok {
			return true, err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.enter(o, l)
}

// try lets the transport have o. It reports false if that has no room.
func (b *outbox) try(o *outgoing) (ok bool, err error) {
	if o.ask == nil {
		if ok, err = b.peer.try.TrySend(o.m); ok && err == nil && o.sent != nil {
			o.sent(nil)
		}
		return ok, err
	}
	t, wanted := o.ask.leaves(b.peer)
	if !wanted {
		return true, nil
	}
	id := o.m.ID
	if o.m.ReplyTo == "" {
		o.m.ReplyTo = b.peer.replyTo() // it was made before there was one
	}
	if ok, err = b.peer.try.TrySend(o.m); ok {
		t.ends(b.peer, id, err)
	} else {
		t.ends(b.peer, id, ErrFull)
	}
	return ok, err
}

// enter gives o a place, if there is one. The caller holds the lock.
func (b *outbox) enter(o *outgoing, l lane) (ok bool, err error) {
	if b.closed {
		return false, ErrClosed
	}
	o.size = o.m.size()
	if o.m.Kind == Progress { // the newer makes the older obsolete
		o.keep, o.key = true, string(o.m.ID[:])
	}
	if o.keep {
		if old := b.latest[latestKey{l, o.m.To, o.key}]; old != nil {
			if o.size > old.size && !b.fits(l, o.size-old.size, 0) {
				return false, nil
			}
			b.bytes += o.size - old.size
			old.m, old.size = o.m, o.size
			return true, nil
		}
	}
	if !b.fits(l, o.size, 1) {
		return false, nil
	}
	b.push(o, l)
	return true, nil
}

// fits: half of the room is for answers alone. One message always fits.
func (b *outbox) fits(l lane, size, count int) bool {
	limit := b.peer.opts.OutboxBytes
	if l != control {
		limit /= 2
	}
	return len(b.lane[l].q)+count <= b.peer.opts.Outbox && (b.bytes+size <= limit || b.bytes == 0)
}

func (b *outbox) push(o *outgoing, l lane) {
	kept := *o
	q := &b.lane[l]
	q.q = append(q.q, &kept)
	b.bytes += o.size
	if o.keep {
		if b.latest == nil {
			b.latest = map[latestKey]*outgoing{}
		}
		b.latest[latestKey{l, o.m.To, o.key}] = &kept
	}
	b.busy.Or(1 << l)
	b.start(l)
}

// start sees to it that lane l is written, if there is something and it may be. The
// caller holds the lock.
func (b *outbox) start(l lane) {
	if q := &b.lane[l]; len(q.q) > 0 && !q.writing && !b.held && !b.closed {
		q.writing = true
		b.done.Add(1)
		go b.write(l)
	}
}

// waitFor returns what is closed when there may be room for o, or nil if there is
// some now.
func (b *outbox) waitFor(o *outgoing) <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || b.fits(laneOf(o.m.Kind), o.m.size(), 1) {
		return nil
	}
	if b.room == nil {
		b.room = make(chan struct{})
	}
	return b.room
}

// postDropping is post of an event that drops the oldest events for room, and says
// how many.
func (b *outbox) postDropping(o outgoing) (dropped int, err error) {
	ok, err := b.offer(&o)
	if ok || err != nil {
		return 0, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		if ok, err = b.enter(&o, events); ok || err != nil {
			return dropped, err
		}
		if len(b.lane[events].q) == 0 {
			return dropped, ErrFull // others fill it
		}
		b.pop(events)
		dropped++
	}
}

// pop takes out the oldest of lane l, which is not empty.
func (b *outbox) pop(l lane) *outgoing {
	q := &b.lane[l]
	o := q.q[0]
	q.q[0] = nil
	if q.q = q.q[1:]; len(q.q) == 0 {
		q.q = nil // and its memory
	}
	b.bytes -= o.size
	if o.keep {
		delete(b.latest, latestKey{l, o.m.To, o.key})
	}
	if b.room != nil {
		close(b.room)
		b.room = nil
	}
	return o
}

// next returns what is to be written to lane l, or nil if nothing is: the writer is
// one no more then.
func (b *outbox) next(l lane) *outgoing {
	b.mu.Lock()
	defer b.mu.Unlock()
	q := &b.lane[l]
	if len(q.q) > 0 && !b.closed {
		return b.pop(l)
	}
	q.writing = false
	if !b.closed {
		b.busy.And(^uint32(1 << l))
	}
	b.hush()
	return nil
}

// hush tells whoever waits for it that nothing is left to write. The caller holds
// the lock.
func (b *outbox) hush() {
	if b.quiet != nil && !b.writing() {
		close(b.quiet)
		b.quiet = nil
	}
}

func (b *outbox) writing() bool {
	for l := range b.lane {
		if b.lane[l].writing {
			return true
		}
	}
	return false
}

// release lets the outbox go once the transport is ready.
func (b *outbox) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held = false
	for l := range lanes {
		b.start(l)
		if q := &b.lane[l]; !q.writing && !b.closed {
			b.busy.And(^uint32(1 << l))
		}
	}
}

// idle returns a channel that is closed when nothing is left to write.
func (b *outbox) idle() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.quiet == nil {
		b.quiet = make(chan struct{})
	}
	quiet := b.quiet
	b.hush()
	return quiet
}

// close refuses what comes, and drops what is there.
func (b *outbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.busy.Store(allLanes)
	for l := range b.lane {
		b.lane[l].q = nil
	}
	b.latest, b.bytes = nil, 0
	if b.room != nil {
		close(b.room)
		b.room = nil
	}
}

func expired(m *Message, now time.Time) bool {
	return !m.Deadline.IsZero() && !now.Before(m.Deadline)
}
