package natscallback

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
)

// A lane is what of a message's kind decides over who goes first.
type lane uint8

const (
	control  lane = iota // answers and what belongs to running requests
	requests             // what starts work
	events               // what may be late
	lanes
)

func laneOf(k callback.Kind) lane {
	switch k {
	case callback.Request:
		return requests
	case callback.Event:
		return events
	}
	return control
}

// An outbox is what waits to be published. A call of nats.go waits for its lock, and
// who holds that may be stuck in a write: so one goroutine makes these calls, and
// nobody else waits for it longer than he likes. The lock of the Transport guards it.
type outbox struct {
	lane  [lanes]queue
	busy  bool          // something is being published
	work  chan struct{} // has room for one: there is something to publish
	room  chan struct{} // closed when there is room again; nil if nobody waits
	quiet chan struct{} // closed when nothing is left; nil if nobody waits
}

type queue struct {
	ring[outgoing]
	bytes int
}

func (q *queue) push(o outgoing) {
	q.ring.push(o)
	q.bytes += o.size
}

func (q *queue) pop() outgoing {
	o := q.ring.pop()
	q.bytes -= o.size
	return o
}

// fits: one message always does.
func (t *Transport) fits(l lane, size int) bool {
	q := &t.out.lane[l]
	return q.n == 0 || q.bytes+size <= t.opts.Buffer>>l
}

// Send puts m into the buffer from which it is published. It waits for room there, and
// fails with an error of class not accepted if it has waited in vain.
func (t *Transport) Send(ctx context.Context, m *callback.Message) error {
	if ctx.Err() != nil {
		return gaveUp(ctx)
	}
	o, err := t.encode(m)
	if err != nil {
		return t.orClosed(err)
	}
	for {
		taken, room, err := t.offer(&o, true)
		if taken {
			return err
		}
		select {
		case <-room:
		case <-t.life.Done():
		case <-ctx.Done():
			return gaveUp(ctx)
		}
	}
}

// TrySend is Send that does not wait.
func (t *Transport) TrySend(m *callback.Message) (bool, error) {
	o, err := t.encode(m)
	if err != nil {
		return true, t.orClosed(err)
	}
	taken, _, err := t.offer(&o, false)
	return taken, err
}

func (t *Transport) orClosed(err error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return callback.ErrClosed
	}
	return err
}

// offer takes o, or says what is closed when there may be room.
func (t *Transport) offer(o *outgoing, waits bool) (taken bool, room <-chan struct{}, err error) {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return true, nil, callback.ErrClosed
	}
	l := laneOf(o.Kind)
	if !t.fits(l, o.size) {
		if waits && t.out.room == nil {
			t.out.room = make(chan struct{})
		}
		room = t.out.room
		t.mu.Unlock()
		return false, room, nil
	}
	t.out.lane[l].push(*o)
	t.mu.Unlock()
	signal(t.out.work)
	return true, nil, nil
}

// next returns what is to be published, answers first. There is nothing while there is
// no connection.
func (t *Transport) next() (o outgoing, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.out.busy = false
	if t.closed || !t.up {
		return o, false
	}
	for l := range t.out.lane {
		if q := &t.out.lane[l]; q.n > 0 {
			o = q.pop()
			t.out.busy = true
			if o.Kind == callback.Request {
				t.remember(&o)
			}
			if t.out.room != nil {
				close(t.out.room)
				t.out.room = nil
			}
			return o, true
		}
	}
	if t.out.quiet != nil {
		close(t.out.quiet)
		t.out.quiet = nil
	}
	return o, false
}

// publish empties the outbox until the Transport is closed.
func (t *Transport) publish() {
	for {
		o, ok := t.next()
		if ok {
			t.publishOne(o)
			continue
		}
		select {
		case <-t.out.work:
		case <-t.life.Done():
			return
		}
	}
}

func (t *Transport) publishOne(o outgoing) {
	now := time.Now()
	if !o.Deadline.IsZero() && !now.Before(o.Deadline) && laneOf(o.Kind) != control {
		t.observe(antiphon.Event{Name: "nats.dropped", Kind: o.name(), ID: idString(o.ID), Count: 1, Err: callback.ErrExpired})
		return
	}
	err := t.hand(o, now)
	if err == nil {
		return
	}
	t.observe(antiphon.Event{Name: "nats.unsent", Kind: o.name(), ID: idString(o.ID), Err: err})
	if o.Kind == callback.Request && notTaken(err) {
		t.answer(o.ID, o.ReplyTo, undeliverable) // as if nobody had been there for it
	}
}

// hand gives o to nats.go.
func (t *Transport) hand(o outgoing, now time.Time) error {
	subject, reply := o.subjects(now)
	switch {
	case o.header != nil:
		if left := o.header[headerTimeout]; left != nil {
			left[0] = string(appendTimeout(nil, o.Deadline, now))
		}
		return t.nc.PublishMsg(&nats.Msg{Subject: subject, Reply: reply, Header: o.header, Data: o.Body})
	case reply != "":
		return t.nc.PublishRequest(subject, reply, o.Body)
	}
	return t.nc.Publish(subject, o.Body)
}

// name is what o is to an observer: not where an asker is reached.
func (o *outgoing) name() string {
	if o.Kind == callback.Request || o.Kind == callback.Event {
		return o.Kind.String() + " " + o.To
	}
	return o.Kind.String()
}

// answer answers a request of ours that does not reach anybody.
func (t *Transport) answer(id callback.ID, replyTo string, why *antiphon.Error) {
	t.mu.Lock()
	in := t.inboxes[replyTo]
	t.mu.Unlock()
	if in != nil {
		in.put(arrival{m: &callback.Message{Kind: callback.Reply, ID: id, To: replyTo, Err: why}})
	}
}

// idle returns a channel that is closed when nothing is left to publish.
func (t *Transport) idle() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.out.quiet == nil {
		t.out.quiet = make(chan struct{})
	}
	quiet := t.out.quiet
	signal(t.out.work)
	return quiet
}

// Flush waits until the server has what was accepted, and until inboxes that were
// closed have handed out what they had received. It fails with what ended ctx, or
// with callback.ErrClosed; what a broken connection has lost is no failure.
func (t *Transport) Flush(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, drainTime) // perhaps nobody receives
	defer cancel()
	for _, in := range t.draining() {
		if err := t.wait(limited, in.over); err != nil && limited.Err() == nil {
			return err
		}
	}
	if err := t.wait(ctx, t.idle()); err != nil {
		return err
	}
	done := make(chan struct{})
	t.start(func() {
		defer close(done)
		t.roundTrip(ctx)
	})
	return t.wait(ctx, done)
}

func (t *Transport) wait(ctx context.Context, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	case <-t.life.Done():
		return callback.ErrClosed
	case <-ctx.Done():
		return gaveUp(ctx)
	}
}

// roundTrip waits until the server has seen all that was given to nats.go, the
// connection breaks, or ctx or the Transport ends.
func (t *Transport) roundTrip(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, time.Minute) // nats.go insists on one
	defer cancel()
	defer context.AfterFunc(t.life, cancel)()
	if t.nc.IsConnected() {
		_ = t.nc.FlushWithContext(limited)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func idString(id callback.ID) string {
	if id.IsZero() {
		return ""
	}
	return id.String()
}
