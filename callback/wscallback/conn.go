package wscallback

import (
	"context"
	"encoding/binary"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/benbjohnson/clock"
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
// Concurrency, Ownership, Closing: as callback.Transport says. An idle connection
// costs one goroutine, which reads.
type Conn struct {
	opts    Options
	request *http.Request // of a server's
	life    context.Context
	die     context.CancelCauseFunc
	tasks   sync.WaitGroup // reader, writer, redialer, ping
	onClose func(*Conn)    // tells the server

	mu     sync.Mutex
	ws     *websocket.Conn // nil while there is none
	text   bool
	closed bool
	final  bool // it will not be connected again
	listen bool
	epoch  int

	out     []byte        // frames to be written: binary with their lengths
	texts   [][]byte      // or text
	waiting int           // bytes of texts
	spare   []byte        // the buffer that was written last
	writing bool          // there is a writer
	room    chan struct{} // closed when there is room, or a connection; nil if nobody waits
	quiet   chan struct{} // closed when all is written; nil if nobody waits

	in      []*callback.Message
	inBytes int
	broke   error         // why the connection broke, if Receive has yet to say so
	reader  chan struct{} // has room for one: something came for Receive
	drained chan struct{} // has room for one: the inbox has room

	heard   time.Time
	pulse   *clock.Timer
	session *session // nil if there is none
	url     string   // of one that was dialed
}

func newConn(o Options) *Conn {
	c := &Conn{opts: o, reader: make(chan struct{}, 1), drained: make(chan struct{}, 1)}
	c.life, c.die = context.WithCancelCause(context.Background())
	return c
}

// Request returns the request that a server's connection began with, for its
// header and address, and nil for one that was dialed. Its context has ended.
func (c *Conn) Request() *http.Request { return c.request }

// Caps says that the wire is point-to-point.
func (c *Conn) Caps() callback.Caps {
	return callback.Caps{MaxBody: c.opts.MaxBody, PointToPoint: true}
}

// Listen opens the one inbox, which has the empty address.
func (c *Conn) Listen(_ context.Context, addr string) (callback.Inbox, error) {
	if addr != "" {
		return nil, errors.ErrUnsupported
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return nil, callback.ErrClosed
	case c.listen:
		return nil, antiphon.Errorf(antiphon.CodeFailedPrecondition, "wscallback: a connection has one inbox")
	}
	c.listen = true
	return inbox{c}, nil
}

type inbox struct{ c *Conn }

func (inbox) Addr() string { return "" }

func (in inbox) Close() error { return nil } // it ends with its connection

func (in inbox) Receive(ctx context.Context) (callback.Delivery, error) {
	c := in.c
	for {
		c.mu.Lock()
		switch {
		case len(c.in) > 0:
			m := c.in[0]
			c.in[0] = nil
			if c.in = c.in[1:]; len(c.in) == 0 {
				c.in = nil
			}
			c.inBytes -= weight(m)
			c.mu.Unlock()
			signal(c.drained)
			if m.Kind == garbage {
				return callback.Delivery{}, callback.ErrMalformed
			}
			return callback.Delivery{Message: m}, nil
		case c.broke != nil:
			err := c.broke
			c.broke = nil
			c.wake() // what is sent from now on goes over the next connection
			c.mu.Unlock()
			return callback.Delivery{}, err
		case c.closed || c.final:
			c.mu.Unlock()
			return callback.Delivery{}, callback.ErrClosed
		}
		c.mu.Unlock()
		select {
		case <-c.reader:
		case <-ctx.Done():
			return callback.Delivery{}, ctxError(ctx)
		}
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// ctxError is the error of who waited in vain: the message was not taken.
func ctxError(ctx context.Context) error {
	err := antiphon.Errorf(antiphon.CodeOf(ctx.Err()), "wscallback: gave up: %w", context.Cause(ctx))
	err.Class = antiphon.ClassNotAccepted
	return err
}

// wake lets those look again who wait for room. The caller holds the lock.
func (c *Conn) wake() {
	if c.room != nil {
		close(c.room)
		c.room = nil
	}
}

// TrySend takes m if there is a connection, or a session, and room.
func (c *Conn) TrySend(m *callback.Message) (bool, error) {
	frame, err := c.encode(m)
	if err != nil {
		return true, err
	}
	wait, err := c.put(m.Kind, frame, false)
	return wait == nil, err
}

// Send waits until TrySend would take m.
func (c *Conn) Send(ctx context.Context, m *callback.Message) error {
	frame, err := c.encode(m)
	if err != nil {
		return err
	}
	for {
		wait, err := c.put(m.Kind, frame, true)
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

// encode writes m in the form of the connection, without a length.
func (c *Conn) encode(m *callback.Message) ([]byte, error) {
	if len(m.Body) > c.opts.MaxBody {
		return nil, antiphon.Errorf(antiphon.CodeResourceExhausted, "wscallback: %d bytes of body, of at most %d: %w",
			len(m.Body), c.opts.MaxBody, antiphon.ErrTooLarge)
	}
	c.mu.Lock()
	text := c.text
	c.mu.Unlock()
	now := c.opts.Clock.Now()
	if text {
		return callback.AppendMessageText(nil, m, now)
	}
	return callback.AppendMessage(make([]byte, 0, len(m.Body)+len(m.To)+64), m, now)
}

var waitForever = make(chan struct{})

// put takes a frame, or returns what to wait for.
func (c *Conn) put(kind callback.Kind, frame []byte, willing bool) (wait chan struct{}, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	share := c.opts.Buffer
	switch kind {
	case callback.Request:
		share /= 2
	case callback.Event:
		share /= 4
	}
	held := len(c.out) + c.waiting
	able := (c.ws != nil || c.session != nil) && c.broke == nil
	switch {
	case c.closed:
		return nil, callback.ErrClosed
	case c.final:
		return nil, callback.ErrUndeliverable
	case able && (held == 0 || held+len(frame) <= share):
		c.append(frame)
		return nil, nil
	case !willing:
		return waitForever, nil
	}
	if c.room == nil {
		c.room = make(chan struct{})
	}
	return c.room, nil
}

// append enters a frame and sees to it that it is written. The caller holds the
// lock.
func (c *Conn) append(frame []byte) {
	if c.session != nil {
		c.session.keep(frame)
	}
	c.enqueue(frame)
	c.pump()
}

func (c *Conn) enqueue(frame []byte) {
	if c.text {
		c.texts = append(c.texts, frame)
		c.waiting += len(frame)
		return
	}
	if c.out == nil {
		c.out, c.spare = c.spare[:0], nil
	}
	c.out = append(binary.AppendUvarint(c.out, uint64(len(frame))), frame...)
}

// pump starts a writer if there is something to write, somewhere to write it, and
// no writer. The caller holds the lock.
func (c *Conn) pump() {
	if c.ws == nil || c.writing || c.closed || len(c.out) == 0 && len(c.texts) == 0 {
		return
	}
	c.writing = true
	c.tasks.Add(1)
	go c.write(c.ws, c.epoch)
}

// batch is how many bytes share a message, unless one frame has more.
const batch = 32 << 10

// write is the goroutine that writes until nothing is left.
func (c *Conn) write(ws *websocket.Conn, epoch int) {
	defer c.tasks.Done()
	var buf, rest []byte
	for {
		c.mu.Lock()
		if len(rest) == 0 {
			if cap(buf) <= 2*batch {
				c.spare = buf[:0]
			}
			buf, rest = c.out, c.out
			c.out = nil
		}
		texts := c.texts
		c.texts, c.waiting = nil, 0
		if len(rest) == 0 && len(texts) == 0 || c.epoch != epoch {
			if c.epoch == epoch {
				c.writing = false
			}
			if c.quiet != nil {
				close(c.quiet)
				c.quiet = nil
			}
			c.mu.Unlock()
			return
		}
		c.wake()
		c.mu.Unlock()
		var err error
		for _, t := range texts {
			if err == nil {
				err = c.writeOne(ws, websocket.MessageText, t)
			}
		}
		if n := first(rest); n > 0 && err == nil {
			err = c.writeOne(ws, websocket.MessageBinary, rest[:n])
			rest = rest[n:]
		}
		if err != nil {
			c.lost(epoch, err)
			return
		}
	}
}

// first returns how many bytes of frames go into one message.
func first(b []byte) (n int) {
	for n < len(b) {
		size, k := binary.Uvarint(b[n:])
		if n > 0 && n+k+int(size) > batch {
			break
		}
		n += k + int(size)
	}
	return n
}

func (c *Conn) writeOne(ws *websocket.Conn, typ websocket.MessageType, b []byte) error {
	ctx, cancel := context.WithTimeout(c.life, c.opts.WriteTimeout)
	defer cancel()
	return ws.Write(ctx, typ, b)
}

// Flush waits until what was accepted is written.
func (c *Conn) Flush(ctx context.Context) error {
	c.mu.Lock()
	if !c.writing && len(c.out) == 0 && len(c.texts) == 0 || c.ws == nil {
		c.mu.Unlock()
		return nil
	}
	if c.quiet == nil {
		c.quiet = make(chan struct{})
	}
	quiet := c.quiet
	c.mu.Unlock()
	select {
	case <-quiet:
		return nil
	case <-ctx.Done():
		return ctxError(ctx)
	}
}

// Reconnect drops the connection as if it had broken.
func (c *Conn) Reconnect(cause error) {
	c.mu.Lock()
	epoch := c.epoch
	c.mu.Unlock()
	c.lost(epoch, cause)
}

// closeTimeout is how long Close waits for the other end to agree.
const closeTimeout = 500 * time.Millisecond

// Close says goodbye, ends the connection and the session, and waits for its
// goroutines.
func (c *Conn) Close() error {
	c.mu.Lock()
	first := !c.closed
	c.closed = true
	ws := c.ws
	c.wake()
	c.stopPulse()
	if c.session != nil {
		c.session.stop()
	}
	c.mu.Unlock()
	signal(c.reader)
	if first {
		if ws != nil {
			timer := c.opts.Clock.AfterFunc(closeTimeout, func() { _ = ws.CloseNow() })
			_ = ws.Close(websocket.StatusNormalClosure, "")
			timer.Stop()
			_ = ws.CloseNow()
		}
		c.die(callback.ErrClosed)
		if c.onClose != nil {
			c.onClose(c)
		}
	}
	c.tasks.Wait()
	return nil
}
