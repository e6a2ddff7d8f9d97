package wscallback

import (
	"context"
	"errors"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
)

// An incoming is what was received and not handed out yet. The lock of the Conn
// guards it.
type incoming struct {
	mode   mode
	take   func(callback.Delivery, error) // of one that is fed
	shut   bool                           // what comes is dropped
	queue  []arrival                      // of one that is fed, breaks alone
	bytes  int
	broken int // how many breaks are in the queue

	reader  chan struct{} // has room for one: something came for Receive
	drained chan struct{} // has room for one: there is room
}

// A mode is how a Conn is read.
type mode uint8

const (
	unread mode = iota // not at all
	opened             // not yet: there is an inbox
	pulled             // by a goroutine, into the queue, for Receive
	fed                // by the goroutine that called Feed
)

// An arrival is a message, or what Receive is to fail with.
type arrival struct {
	m   *callback.Message
	err error
}

func (a arrival) breaks() bool { return a.m == nil && a.err != callback.ErrMalformed }

// weight is about what an arrival weighs while it waits.
func (a arrival) weight() int {
	n := 200
	if m := a.m; m != nil {
		n += len(m.To) + len(m.ReplyTo) + len(m.Body)
		for k, v := range m.Header {
			n += 32 + len(k) + len(v)
		}
	}
	return n
}

func (in *incoming) push(a arrival) {
	in.queue = append(in.queue, a)
	in.bytes += a.weight()
	if a.breaks() {
		in.broken++
	}
}

// pop takes the first arrival out of the queue, if there is one. What is sent after
// Receive has told of a break goes over the next connection. The caller holds the
// lock.
func (c *Conn) pop() (a arrival, ok bool) {
	in := &c.in
	if len(in.queue) == 0 {
		return a, false
	}
	a = in.queue[0]
	in.queue[0] = arrival{}
	if in.queue = in.queue[1:]; len(in.queue) == 0 {
		in.queue = nil
	}
	in.bytes -= a.weight()
	if a.breaks() {
		in.broken--
		c.wake()
	}
	return a, true
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Listen opens the one inbox, which has the empty address. Nothing is read from the
// connection before its Receive, or Feed, is called.
func (c *Conn) Listen(_ context.Context, addr string) (callback.Inbox, error) {
	if addr != "" {
		return nil, errors.ErrUnsupported
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return nil, callback.ErrClosed
	case c.in.mode != unread:
		return nil, failed("a connection has one inbox")
	}
	c.in.mode = opened
	return inbox{c}, nil
}

func failed(text string) error {
	return antiphon.Errorf(antiphon.CodeFailedPrecondition, "wscallback: %s", text)
}

// reads has the Conn read in the mode m. It reports false if it is read in another.
// The caller holds the lock.
func (c *Conn) reads(m mode) bool {
	if c.in.mode != opened {
		return c.in.mode == m
	}
	c.in.mode = m
	if l := c.link; l != nil {
		l.hear()
		c.watched(l)
	}
	return true
}

// watched sees to it that l, which is the connection, is read and does not fall
// silent, once the Conn is read at all. The caller holds the lock.
func (c *Conn) watched(l *link) {
	if c.in.mode < pulled || c.closed {
		return
	}
	c.startPulse(l, l.every)
	if c.in.mode == pulled {
		c.tasks.Add(1)
		go func() {
			defer c.tasks.Done()
			c.read(l)
		}()
	}
}

// inbox is a callback.Inbox and a callback.Feeder.
type inbox struct{ c *Conn }

func (inbox) Addr() string { return "" }

// Close has what comes from now on dropped.
func (in inbox) Close() error {
	c := in.c
	c.mu.Lock()
	c.in.shut = true
	c.mu.Unlock()
	signal(c.in.reader)
	signal(c.in.drained)
	return nil
}

// over reports whether nothing will come any more. The caller holds the lock.
func (c *Conn) over() bool { return c.closed || c.final || c.in.shut }

func (in inbox) Receive(ctx context.Context) (callback.Delivery, error) {
	c := in.c
	for {
		c.mu.Lock()
		a, ok := c.pop()
		over, able := c.over(), c.reads(pulled)
		c.mu.Unlock()
		switch {
		case ok:
			signal(c.in.drained)
			return callback.Delivery{Message: a.m}, a.err
		case over:
			return callback.Delivery{}, callback.ErrClosed
		case !able:
			return callback.Delivery{}, failed("it is fed already")
		}
		select {
		case <-c.in.reader:
		case <-ctx.Done():
			return callback.Delivery{}, ctxError(ctx)
		}
	}
}

// Feed reads on the goroutine that calls it. When ctx ends, it closes the Conn,
// politely: there is no other way to stop reading.
func (in inbox) Feed(ctx context.Context, take func(callback.Delivery, error)) error {
	c := in.c
	c.mu.Lock()
	able := c.in.take == nil && c.reads(fed)
	if able {
		c.in.take = take
	}
	c.mu.Unlock()
	if !able {
		return failed("it is read already")
	}
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	for {
		c.mu.Lock()
		a, ok := c.pop()
		l, over := c.link, c.over()
		c.mu.Unlock()
		switch {
		case ok:
			take(callback.Delivery{}, a.err)
		case l != nil: // to its end, even if nothing is taken any more
			c.read(l)
		case over && ctx.Err() != nil:
			return ctxError(ctx)
		case over:
			return callback.ErrClosed
		default:
			<-c.in.reader // there is a connection, or an end
		}
	}
}
