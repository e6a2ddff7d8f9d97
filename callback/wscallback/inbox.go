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
	shut   bool // what comes is dropped
	queue  []arrival
	bytes  int
	broken int // how many breaks are in the queue

	reader  chan struct{} // has room for one: something came for Receive
	drained chan struct{} // has room for one: there is room
}

// A mode is how a Conn is read.
type mode uint8

const (
	unread mode = iota // not at all: nobody listens yet
	pulled             // by a goroutine, into the queue
)

// An arrival is a message, or what Receive is to fail with.
type arrival struct {
	m   *callback.Message
	err error
}

func (in *incoming) init() {
	in.reader, in.drained = make(chan struct{}, 1), make(chan struct{}, 1)
}

func (in *incoming) push(a arrival) {
	in.queue = append(in.queue, a)
	in.bytes += a.weight()
}

// pop takes the first arrival of a queue that is not empty.
func (in *incoming) pop() arrival {
	a := in.queue[0]
	in.queue[0] = arrival{}
	if in.queue = in.queue[1:]; len(in.queue) == 0 {
		in.queue = nil
	}
	in.bytes -= a.weight()
	return a
}

// weight is about what a message weighs while it waits.
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

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Listen opens the one inbox, which has the empty address. Nothing is read from the
// connection before its Receive is called.
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
		return nil, antiphon.Errorf(antiphon.CodeFailedPrecondition, "wscallback: a connection has one inbox")
	}
	c.in.mode = pulled
	if l := c.link; l != nil {
		l.heard.Store(int64(c.now()))
		c.startPulse(l, c.opts.Heartbeat)
		c.tasks.Add(1)
		go c.read(l)
	}
	return inbox{c}, nil
}

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

func (in inbox) Receive(ctx context.Context) (callback.Delivery, error) {
	c := in.c
	for {
		c.mu.Lock()
		if len(c.in.queue) > 0 {
			a := c.in.pop()
			if a.m == nil && a.err != callback.ErrMalformed {
				c.in.broken--
				c.wake() // what is sent from now on goes over the next connection
			}
			c.mu.Unlock()
			signal(c.in.drained)
			return callback.Delivery{Message: a.m}, a.err
		}
		over := c.closed || c.final || c.in.shut
		c.mu.Unlock()
		if over {
			return callback.Delivery{}, callback.ErrClosed
		}
		select {
		case <-c.in.reader:
		case <-ctx.Done():
			return callback.Delivery{}, ctxError(ctx)
		}
	}
}
