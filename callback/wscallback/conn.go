package wscallback

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
)

// A Conn is a [callback.Transport] over WebSocket: over one connection after the
// other, where it comes from [Dial] or keeps a session.
//
// Accepted means that Conn holds the message and will write it. A message that was
// accepted is lost when the connection breaks, unless there is a session.
//
// Concurrency, Ownership: as callback.Transport says.
//
// Closing: Close is polite for half a second: it writes what was accepted, says
// goodbye, and waits for the other end to agree; then it ends the connection
// anyhow. The session ends at both ends. What was received is still handed out.
//
// Delivery and order: at most once, in the order of acceptance.
type Conn struct {
	opts    *Options
	request *http.Request // of a server's
	text    bool          // the form of messages
	url     string        // of one that was dialed
	life    context.Context
	die     context.CancelCauseFunc
	tasks   sync.WaitGroup // reader, writers, redialer, ping
	onClose func(*Conn)    // tells the server; nil for one that was dialed
	serving bool           // it has a place; the lock of the server guards it
	name    callback.ID    // under which the server finds its session, or zero

	mu      sync.Mutex
	link    *link    // nil while there is none
	session *session // nil if there is none
	closed  bool
	final   bool // it will not be connected again
	attempt int  // how often it was tried to connect, in vain or for a short time

	out   outgoing
	in    incoming
	quiet chan struct{} // closed when all is written; nil if nobody waits
	ended chan struct{} // closed when Close has ended everything
}

func newConn(o *Options) *Conn {
	c := &Conn{opts: o, ended: make(chan struct{})}
	c.in.reader, c.in.drained = make(chan struct{}, 1), make(chan struct{}, 1)
	c.life, c.die = context.WithCancelCause(context.Background())
	return c
}

// Request returns the request that a server's connection began with, for its
// header and address, and nil for one that was dialed. Its context is the one that
// serve was given.
func (c *Conn) Request() *http.Request { return c.request }

// Caps says that the wire is point-to-point.
func (c *Conn) Caps() callback.Caps {
	return callback.Caps{MaxBody: c.opts.MaxBody, PointToPoint: true}
}

// TrySend takes m if there is a connection, or a session, and room.
func (c *Conn) TrySend(m *callback.Message) (bool, error) {
	wait, err := c.put(m, false)
	return wait == nil, err
}

// Send waits until TrySend would take m.
func (c *Conn) Send(ctx context.Context, m *callback.Message) error {
	for {
		wait, err := c.put(m, true)
		if wait == nil {
			return err
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return ctxError(ctx)
		}
	}
}

// ctxError is the error of who waited in vain: the message was not taken.
func ctxError(ctx context.Context) error {
	err := antiphon.Errorf(antiphon.CodeOf(ctx.Err()), "wscallback: gave up: %w", context.Cause(ctx))
	err.Class = antiphon.ClassNotAccepted
	return err
}

// Reconnect drops the connection as if it had broken.
func (c *Conn) Reconnect(cause error) {
	c.mu.Lock()
	l := c.link
	c.mu.Unlock()
	if l != nil {
		c.lost(l, cause)
	}
}

// attach makes l the connection, if the Conn is not closed and has none, and its
// session is s. The caller does not hold the lock.
func (c *Conn) attach(l *link, s *session, turn int) bool {
	l.ws.SetReadLimit(c.opts.limit(c.text))
	l.hear()
	l.up = l.now()
	c.mu.Lock()
	if c.closed || c.final || c.link != nil || c.session != s || s != nil && s.turn != turn {
		c.mu.Unlock()
		return false
	}
	c.link = l
	if s != nil {
		s.replay(c)
	}
	c.watched(l)
	c.pump()
	c.wake()
	c.mu.Unlock()
	signal(c.in.reader) // who feeds waits for it
	c.observe("ws.connected", nil)
	return true
}

// lost: l is of no use any more.
func (c *Conn) lost(l *link, cause error) {
	goodbye := websocket.CloseStatus(cause) == websocket.StatusNormalClosure
	now := l.now()
	c.mu.Lock()
	if c.link != l {
		c.mu.Unlock()
		return
	}
	c.link = nil
	close(l.gone)
	l.stop()
	c.out.reset()
	closed := c.closed
	switch {
	case closed:
	case c.session != nil && !goodbye:
		c.session.wait(c, cause)
	default:
		c.breaks(cause)
	}
	if now-l.up >= steady {
		c.attempt = 0
	}
	redial := c.onClose == nil && !closed
	if redial {
		c.tasks.Add(1)
	}
	c.wake()
	c.unquiet()
	c.mu.Unlock()
	if !closed {
		told := cause
		if goodbye {
			told = nil
		}
		c.observe("ws.disconnected", told)
	}
	signal(c.in.reader)
	l.end(cause)
	if redial {
		go c.redial()
	}
}

// breaks has Receive tell that everything under way is lost. The caller holds the
// lock.
func (c *Conn) breaks(cause error) {
	if c.session != nil {
		c.session.stop()
		c.session = nil
	}
	err := antiphon.Errorf(antiphon.CodeUnavailable, "wscallback: the connection broke: %w", cause)
	err.Class = antiphon.ClassUnknown
	err.Marks = append(err.Marks, disconnected)
	c.in.push(arrival{err: err})
	if c.onClose != nil {
		c.final = true // nobody will come back
	}
}

// disconnected is what makes an error callback.ErrDisconnected.
var disconnected = antiphon.FromError(callback.ErrDisconnected).Reason

// Flush waits until what was accepted is written, or lost.
func (c *Conn) Flush(ctx context.Context) error {
	quiet := c.written()
	if quiet == nil {
		return nil
	}
	select {
	case <-quiet:
		return nil
	case <-ctx.Done():
		return ctxError(ctx)
	}
}

// written returns what is closed when all is written, or nil if it is.
func (c *Conn) written() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.idle() {
		return nil
	}
	if c.quiet == nil {
		c.quiet = make(chan struct{})
	}
	return c.quiet
}

// idle reports whether nothing is to be written. The caller holds the lock.
func (c *Conn) idle() bool {
	if c.link == nil {
		return c.closed || c.session == nil || len(c.session.kept) == 0
	}
	return !c.out.writing && c.out.empty()
}

// unquiet tells those who wait for that. The caller holds the lock.
func (c *Conn) unquiet() {
	if c.quiet != nil && c.idle() {
		close(c.quiet)
		c.quiet = nil
	}
}

// closeTimeout is how long Close is polite.
const closeTimeout = 500 * time.Millisecond

// Close writes what was accepted, says goodbye, ends the connection and the
// session, and waits for its goroutines.
func (c *Conn) Close() error {
	c.mu.Lock()
	first := !c.closed
	c.closed = true
	l := c.link
	c.wake()
	if c.session != nil {
		c.session.stop()
	}
	if l != nil {
		halt(&l.pulse)
	}
	c.unquiet()
	c.mu.Unlock()
	signal(c.in.reader)
	if !first {
		<-c.ended
		return nil
	}
	if l != nil {
		c.goodbye(l)
	}
	c.die(callback.ErrClosed)
	if c.onClose != nil {
		c.onClose(c)
	}
	c.tasks.Wait()
	close(c.ended)
	return nil
}

// goodbye closes l politely, in time.
func (c *Conn) goodbye(l *link) {
	timer := c.opts.Clock.AfterFunc(closeTimeout, l.cut)
	defer timer.Stop()
	if quiet := c.written(); quiet != nil {
		select {
		case <-quiet:
		case <-l.gone:
		}
	}
	_ = l.ws.Close(websocket.StatusNormalClosure, "")
	c.lost(l, callback.ErrClosed)
}

func (c *Conn) observe(name string, err error) {
	c.opts.Observer.Emit(antiphon.Event{Name: name, Err: err})
}
