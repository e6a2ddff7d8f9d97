package callback

import (
	"context"
	"sync"
	"time"

	"github.com/antiphon-go/antiphon"
)

// An outbox is where messages wait that the transport has no room for, sorted by
// who goes first. While it is empty nothing passes through it. It is bounded in
// number and in bytes; its writer is a goroutine that exists while there is
// something to write.
type outbox struct {
	peer *Peer

	mu      sync.Mutex
	held    bool // until the transport is ready
	closed  bool
	writing bool
	lane    [lanes][]*outgoing
	bytes   int
	room    chan struct{}           // closed when there is room again; nil if nobody waits
	quiet   chan struct{}           // closed when nothing is left to write; nil if nobody waits
	done    sync.WaitGroup          // the writer
	latest  map[latestKey]*outgoing // of events that replace each other
}

type latestKey struct{ name, key string }

// An outgoing is a message in the outbox.
type outgoing struct {
	m    *Message
	ask  *askCore // of a request, to know when it is on its way
	key  string   // of an event that replaces its elders
	keep bool
	size int
}

// claimed reports whether o is still to be sent, and if so, that it is now.
func (o *outgoing) claimed(epoch uint32) bool { return o.ask == nil || o.ask.leaves(epoch) }

// post sends o, or puts it into the outbox. It fails with ErrFull if there is no
// room, with ErrClosed, or as the transport does; the message is lost then. It
// does not wait.
func (b *outbox) post(o *outgoing) error {
	p := b.peer
	if err := o.m.check(p.maxBody); err != nil {
		return err
	}
	b.mu.Lock()
	if !b.closed && !b.held && !b.writing && b.len() == 0 && p.try != nil {
		b.mu.Unlock()
		epoch := p.epoch.Load()
		if !o.claimed(epoch) {
			return nil
		}
		ok, err := p.try.TrySend(o.m)
		if ok {
			return err
		}
		if o.ask != nil {
			o.ask.stays(epoch)
		}
		b.mu.Lock()
	}
	defer b.mu.Unlock()
	if b.closed {
		return ErrClosed
	}
	o.size = o.m.size()
	if o.keep {
		if old := b.latest[latestKey{o.m.To, o.key}]; old != nil {
			b.bytes += o.size - old.size
			old.m, old.size = o.m, o.size
			return nil
		}
	}
	if !b.fits(o) {
		return ErrFull
	}
	b.push(o)
	return nil
}

func (b *outbox) len() int { return len(b.lane[control]) + len(b.lane[requests]) + len(b.lane[events]) }

// fits: half of the room is for answers alone.
func (b *outbox) fits(o *outgoing) bool {
	l, n, size := laneOf(o.m.Kind), b.peer.opts.Outbox, b.peer.opts.OutboxBytes
	if l != control {
		size /= 2
	}
	return len(b.lane[l]) < n && (b.bytes+o.size <= size || b.len() == 0)
}

func (b *outbox) push(o *outgoing) {
	l := laneOf(o.m.Kind)
	b.lane[l] = append(b.lane[l], o)
	b.bytes += o.size
	if o.keep {
		if b.latest == nil {
			b.latest = map[latestKey]*outgoing{}
		}
		b.latest[latestKey{o.m.To, o.key}] = o
	}
	if !b.writing && !b.held {
		b.writing = true
		b.done.Add(1)
		go b.write()
	}
}

// postWait is post that waits for room until ctx ends.
func (b *outbox) postWait(ctx context.Context, o *outgoing) error {
	for {
		err := b.post(o)
		if err != ErrFull {
			return err
		}
		b.mu.Lock()
		if b.closed || b.fits(o) {
			b.mu.Unlock()
			continue
		}
		if b.room == nil {
			b.room = make(chan struct{})
		}
		room := b.room
		b.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return gaveUp(ctx, notAccepted)
		}
	}
}

// postDropping is post that drops the oldest events for room, and says how many.
func (b *outbox) postDropping(o *outgoing) (dropped int, err error) {
	for {
		if err = b.post(o); err != ErrFull {
			return dropped, err
		}
		b.mu.Lock()
		if len(b.lane[events]) == 0 {
			b.mu.Unlock()
			return dropped, err // others fill it
		}
		b.pop(events)
		b.mu.Unlock()
		dropped++
	}
}

// pop takes out the oldest of lane l, which is not empty.
func (b *outbox) pop(l lane) *outgoing {
	q := b.lane[l]
	o := q[0]
	q[0] = nil
	if b.lane[l] = q[1:]; len(b.lane[l]) == 0 {
		b.lane[l] = nil // and its memory
	}
	b.bytes -= o.size
	if o.keep {
		delete(b.latest, latestKey{o.m.To, o.key})
	}
	if b.room != nil {
		close(b.room)
		b.room = nil
	}
	return o
}

// write empties the outbox into the transport.
func (b *outbox) write() {
	defer b.done.Done()
	p := b.peer
	for {
		b.mu.Lock()
		l := control
		for l < lanes && len(b.lane[l]) == 0 {
			l++
		}
		if l == lanes || b.held || b.closed && p.life.Err() != nil {
			b.writing = false
			if b.quiet != nil {
				close(b.quiet)
				b.quiet = nil
			}
			b.mu.Unlock()
			return
		}
		o := b.pop(l)
		b.mu.Unlock()
		if expired(o.m, p.clock.Now()) || !o.claimed(p.epoch.Load()) {
			if o.m.Kind == Event {
				p.observe(antiphon.Event{Name: "callback.dropped", Kind: o.m.To, Err: ErrExpired})
			}
			continue
		}
		b.send(o)
	}
}

// send waits for the transport at most until the message is of no use.
func (b *outbox) send(o *outgoing) {
	p := b.peer
	ctx, cancel := context.WithCancelCause(p.life)
	limit := p.opts.SendTimeout
	if !o.m.Deadline.IsZero() {
		limit = min(limit, o.m.Deadline.Sub(p.clock.Now()))
	}
	timer := p.clock.AfterFunc(limit, func() { cancel(ErrExpired) })
	kind, id, to := o.m.Kind, o.m.ID, o.m.To
	err := p.transport.Send(ctx, o.m)
	timer.Stop()
	cancel(nil)
	if err == nil {
		return
	}
	if o.ask != nil {
		p.fail(id, err)
		return
	}
	p.observe(antiphon.Event{Name: "callback.unsent", Kind: kind.String() + " " + to, ID: idString(id), Err: err})
}

// release lets the outbox go once the transport is ready.
func (b *outbox) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held = false
	if !b.writing && b.len() > 0 && !b.closed {
		b.writing = true
		b.done.Add(1)
		go b.write()
	}
}

// idle returns a channel that is closed when nothing is left to write.
func (b *outbox) idle() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := make(chan struct{})
	switch {
	case !b.writing:
		close(c)
	case b.quiet != nil:
		return b.quiet
	default:
		b.quiet = c
	}
	return c
}

// close refuses what comes. What is there is still written, unless the peer's life
// has ended.
func (b *outbox) close() {
	b.mu.Lock()
	b.closed = true
	if b.room != nil {
		close(b.room)
		b.room = nil
	}
	b.mu.Unlock()
}

func expired(m *Message, now time.Time) bool {
	return !m.Deadline.IsZero() && !now.Before(m.Deadline)
}
