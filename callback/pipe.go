package callback

import (
	"context"
	"errors"
	"runtime"
	"sync"
)

// PipeOptions are the limits of a [Pipe]. A field that is zero or less means its
// default.
type PipeOptions struct {
	// Buffer is how many messages each end holds for its reader of each of three
	// sorts: answers and what belongs to running requests, requests, and events.
	// 0 means 256.
	Buffer int
	// MaxBody is how many bytes a body may have. 0 means no limit: nothing is
	// copied.
	MaxBody int
}

// Pipe returns the two ends of a connection in memory. It is a point-to-point
// wire that loses nothing and keeps the order of what is of one sort. Accepted
// means that the other end's inbox holds the message.
//
// Closing one end breaks the connection for the other: its Receive hands out what
// has arrived, fails once with [ErrDisconnected], and from then on with
// [ErrClosed].
//
// Concurrency, Closing: as [Transport] says. Nothing of a pipe is a goroutine, and
// it works in a synctest bubble.
func Pipe(o *PipeOptions) (a, b Transport) {
	var opts PipeOptions
	if o != nil {
		opts = *o
	}
	if opts.Buffer <= 0 {
		opts.Buffer = 256
	}
	x, y := newPipeEnd(opts), newPipeEnd(opts)
	x.other, y.other = y, x
	return x, y
}

// A pipeEnd is one end: a transport, and its only inbox.
type pipeEnd struct {
	opts  PipeOptions
	other *pipeEnd

	mu     sync.Mutex
	in     [lanes]ring
	closed bool // this end
	cut    bool // the other end is closed
	told   bool // that it is
	listen bool
	deaf   bool                 // its inbox is closed
	reader chan struct{}        // has room for one wake-up
	idle   bool                 // the reader waits for one
	room   [lanes]chan struct{} // closed when there is room again; nil if nobody waits
}

func newPipeEnd(o PipeOptions) *pipeEnd {
	return &pipeEnd{opts: o, reader: make(chan struct{}, 1)}
}

func (e *pipeEnd) Caps() Caps { return Caps{MaxBody: e.opts.MaxBody, PointToPoint: true} }

// put gives m to the other end's reader, or returns what to wait for.
func (e *pipeEnd) put(m *Message) (wait chan struct{}, err error) {
	to, l := e.other, laneOf(m.Kind)
	to.mu.Lock()
	switch {
	case to.cut: // which is this end
		err = ErrClosed
	case to.closed || to.deaf:
		err = ErrUndeliverable
	case to.in[l].n >= e.opts.Buffer:
		if to.room[l] == nil {
			to.room[l] = make(chan struct{})
		}
		wait = to.room[l]
	default:
		to.in[l].push(m)
		if to.idle {
			to.idle = false
			to.reader <- struct{}{}
		}
	}
	to.mu.Unlock()
	return wait, err
}

func (e *pipeEnd) TrySend(m *Message) (bool, error) {
	if err := m.check(e.opts.MaxBody); err != nil {
		return true, err
	}
	wait, err := e.put(m)
	return wait == nil, err
}

func (e *pipeEnd) Send(ctx context.Context, m *Message) error {
	if err := m.check(e.opts.MaxBody); err != nil {
		return err
	}
	for {
		wait, err := e.put(m)
		if wait == nil {
			return err
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return gaveUp(ctx, notAccepted)
		}
	}
}

func (e *pipeEnd) Listen(_ context.Context, addr string) (Inbox, error) {
	if addr != "" {
		return nil, errors.ErrUnsupported
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.closed:
		return nil, ErrClosed
	case e.listen:
		return nil, misuse("listening", "a point-to-point wire has one inbox")
	}
	e.listen = true
	return pipeInbox{e}, nil
}

// Close ends this end, and cuts off the other.
func (e *pipeEnd) Close() error {
	e.mu.Lock()
	e.closed = true
	e.wake()
	e.mu.Unlock()
	o := e.other
	o.mu.Lock()
	o.cut = true
	o.wake()
	o.mu.Unlock()
	return nil
}

// Close ends the inbox. The end can still send.
func (e pipeInbox) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.deaf = true
	e.wake()
	return nil
}

// wake lets everybody look again. The caller holds the lock.
func (e *pipeEnd) wake() {
	if e.idle {
		e.idle = false
		e.reader <- struct{}{}
	}
	for l, c := range e.room {
		if c != nil {
			close(c)
			e.room[l] = nil
		}
	}
}

type pipeInbox struct{ *pipeEnd }

func (pipeInbox) Addr() string { return "" }

func (e pipeInbox) Receive(ctx context.Context) (Delivery, error) {
	for yielded := false; ; yielded = true {
		e.mu.Lock()
		m, err := e.get()
		if m == nil && err == nil && !yielded {
			// To let others run is cheaper than to be woken by them.
			e.mu.Unlock()
			runtime.Gosched()
			continue
		}
		e.idle = m == nil && err == nil
		e.mu.Unlock()
		if m != nil {
			return Delivery{Message: m}, nil
		}
		if err != nil {
			return Delivery{}, err
		}
		select {
		case <-e.reader:
		case <-ctx.Done():
			e.mu.Lock()
			if !e.idle { // a wake-up is on its way, and nobody would take it
				<-e.reader
			}
			e.idle = false
			e.mu.Unlock()
			return Delivery{}, gaveUp(ctx, notAccepted)
		}
	}
}

// get returns the next message of the first lane that has one. The caller holds
// the lock.
func (e *pipeEnd) get() (*Message, error) {
	for l := range e.in {
		if e.in[l].n > 0 {
			m := e.in[l].pop()
			if c := e.room[l]; c != nil && e.in[l].n <= e.opts.Buffer/2 {
				close(c)
				e.room[l] = nil
			}
			return m, nil
		}
	}
	switch {
	case e.closed || e.told || e.deaf:
		return nil, ErrClosed
	case e.cut:
		e.told = true
		return nil, ErrDisconnected
	}
	return nil, nil
}

// A ring is a queue of messages that reuses its memory, and gives it back after a
// flood.
type ring struct {
	buf     []*Message
	head, n int
}

func (r *ring) push(m *Message) {
	if r.n == len(r.buf) {
		r.resize(max(8, 2*r.n))
	}
	r.buf[(r.head+r.n)&(len(r.buf)-1)] = m
	r.n++
}

func (r *ring) pop() *Message {
	m := r.buf[r.head]
	r.buf[r.head] = nil
	r.head = (r.head + 1) & (len(r.buf) - 1)
	r.n--
	if r.n == 0 && len(r.buf) > 64 {
		*r = ring{}
	}
	return m
}

func (r *ring) resize(n int) {
	buf := make([]*Message, n)
	for i := range r.n {
		buf[i] = r.buf[(r.head+i)&(len(r.buf)-1)]
	}
	r.buf, r.head = buf, 0
}
