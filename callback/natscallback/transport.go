package natscallback

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
)

// A Transport is a callback.Transport over a connection to NATS. It is also a
// [callback.TrySender], a [callback.Flusher] and a [callback.GroupListener].
//
// Concurrency: all methods may be called by any number of goroutines.
//
// Ownership: the connection remains its user's, and several may share it. A Transport
// does not close it. Of its handlers it changes one: it puts itself before that for
// errors, until Close, because nobody else is told of what the server does not allow.
//
// Closing: Close drops what was not published, and unsubscribes; [callback.Peer]'s
// Shutdown, or Flush, before it loses nothing. It waits for the Transport's
// goroutines, but not longer than a second for one that is stuck in nats.go, whose
// connection does not take a write: that one ends when nats.go lets go of it. When
// the connection is closed by its user, so is the Transport: Receive fails with
// callback.ErrDisconnected, and from then on all calls fail with callback.ErrClosed.
//
// Delivery and order: at most once, in the order in which it was sent, by lanes:
// answers, requests, events.
type Transport struct {
	nc         *nats.Conn
	opts       Options
	caps       callback.Caps
	maxPayload int

	life   context.Context // ends with the Transport
	stop   context.CancelFunc
	status chan nats.Status
	tasks  sync.WaitGroup

	mu         sync.Mutex
	up         bool   // there is a connection
	reconnects uint64 // how many there were when it came
	closed     bool
	waited     bool              // for tasks: there are to be no more
	inboxes    map[string]*inbox // those that nobody else has
	named      map[*inbox]struct{}
	out        outbox
	asked      ring[asked] // over this connection
}

var (
	_ callback.Transport     = (*Transport)(nil)
	_ callback.TrySender     = (*Transport)(nil)
	_ callback.Flusher       = (*Transport)(nil)
	_ callback.GroupListener = (*Transport)(nil)
)

// New carries messages over nc. It fails if nc is closed, or its server knows no
// headers, as those before NATS 2.2; a connection that is not there yet is assumed
// to be of another, with the usual limits.
func New(nc *nats.Conn, o *Options) (*Transport, error) {
	opts, err := o.filled()
	if err != nil {
		return nil, err
	}
	switch {
	case nc == nil:
		return nil, misuse("connection", "there is no connection")
	case nc.IsClosed():
		return nil, callback.ErrClosed
	}
	t := &Transport{nc: nc, opts: opts, maxPayload: 1 << 20, inboxes: map[string]*inbox{}, named: map[*inbox]struct{}{}}
	if n := int(nc.MaxPayload()); n > 0 {
		t.maxPayload = n
		if !nc.HeadersSupported() {
			return nil, antiphon.Errorf(antiphon.CodeFailedPrecondition, "natscallback: the server knows no headers: %w", errors.ErrUnsupported)
		}
	}
	t.caps = callback.Caps{MaxBody: max(t.maxPayload-headroom, t.maxPayload/2), Bounces: true}
	t.out.work = make(chan struct{}, 1)
	t.life, t.stop = context.WithCancel(context.Background())
	t.status = nc.StatusChanged()
	t.hear()
	t.look()
	t.start(t.watch)
	t.start(t.publish)
	return t, nil
}

// Caps says that nobody is there is found out at once, and how large a body may be: what
// the server's max_payload leaves beside headers.
func (t *Transport) Caps() callback.Caps { return t.caps }

// Close ends everything but the connection.
func (t *Transport) Close() error {
	t.close()
	t.mu.Lock()
	t.waited = true
	t.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		t.nc.RemoveStatusListener(t.status)
		t.tasks.Wait()
	}()
	limit := time.NewTimer(time.Second)
	defer limit.Stop()
	select {
	case <-done:
	case <-limit.C:
	}
	return nil
}

// counts has one more be waited for, which says t.tasks.Done, unless it is too late for
// that.
func (t *Transport) counts() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.waited {
		t.tasks.Add(1)
	}
	return !t.waited
}

// start has f run on a goroutine that Close waits for. What is started after Close ends
// by itself, and soon.
func (t *Transport) start(f func()) {
	counted := t.counts()
	go func() {
		if counted {
			defer t.tasks.Done()
		}
		f()
	}()
}

// close has every call end.
func (t *Transport) close() {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return
	}
	t.closed = true
	for l := range t.out.lane {
		t.out.lane[l] = queue{}
	}
	all := t.all()
	t.mu.Unlock()
	t.stop()
	t.start(t.unhear)
	for _, in := range all {
		in.end()
		t.leave(in)
	}
}

// all returns the inboxes. The caller holds the lock.
func (t *Transport) all() []*inbox {
	all := make([]*inbox, 0, len(t.inboxes)+len(t.named))
	for _, in := range t.inboxes {
		all = append(all, in)
	}
	for in := range t.named {
		all = append(all, in)
	}
	return all
}

func (t *Transport) enter(in *inbox) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.closed:
		return callback.ErrClosed
	case in.own:
		t.inboxes[in.addr] = in
	default:
		t.named[in] = struct{}{}
	}
	return nil
}

func (t *Transport) leave(in *inbox) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.named, in)
	if t.inboxes[in.addr] == in {
		delete(t.inboxes, in.addr)
	}
}

// draining returns the inboxes that were closed and still hand out what they have.
func (t *Transport) draining() (some []*inbox) {
	t.mu.Lock()
	all := t.all()
	t.mu.Unlock()
	for _, in := range all {
		in.mu.Lock()
		if in.closing && !in.told {
			some = append(some, in)
		}
		in.mu.Unlock()
	}
	return some
}

func (t *Transport) connected() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.up && !t.closed
}

// pause lets d pass, and reports false if the Transport was closed meanwhile.
func (t *Transport) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-t.life.Done():
		return false
	}
}

func (t *Transport) observe(e antiphon.Event) {
	if o := t.opts.Observer; o != nil {
		o.Emit(e)
	}
}
