package wscallback

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"time"

	"github.com/coder/websocket"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
)

// garbage marks what was received and is no message.
const garbage callback.Kind = 254

// attach makes ws the connection, and starts to read from it.
func (c *Conn) attach(ws *websocket.Conn, text bool) bool {
	ws.SetReadLimit(int64(c.opts.MaxBody) + slack)
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		_ = ws.CloseNow()
		return false
	}
	c.ws, c.text = ws, text
	c.epoch++
	c.writing = false
	c.heard = c.opts.Clock.Now()
	epoch := c.epoch
	if c.session != nil {
		c.session.replay(c)
	}
	c.startPulse(ws, epoch)
	c.pump()
	c.wake()
	c.tasks.Add(1)
	c.mu.Unlock()
	go c.read(ws, epoch)
	c.observe("ws.connected", nil, 0)
	return true
}

// read is the goroutine that reads from one connection until it breaks.
func (c *Conn) read(ws *websocket.Conn, epoch int) {
	defer c.tasks.Done()
	for {
		typ, b, err := c.message(ws)
		if err == nil {
			err = c.frames(epoch, typ, b)
		}
		if err != nil {
			c.lost(epoch, err)
			return
		}
	}
}

// message reads one message whole, within the limit on its inflated size.
func (c *Conn) message(ws *websocket.Conn) (websocket.MessageType, []byte, error) {
	typ, r, err := ws.Reader(c.life)
	if err != nil {
		return 0, nil, err
	}
	b := make([]byte, 0, 512)
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err == io.EOF {
			return typ, b, nil
		}
		if err != nil {
			return 0, nil, err
		}
	}
}

// frames takes a message apart. An envelope that makes no sense is told and
// skipped; lengths that make none end the connection.
func (c *Conn) frames(epoch int, typ websocket.MessageType, b []byte) error {
	now := c.opts.Clock.Now()
	if typ == websocket.MessageText {
		m, err := callback.ParseMessageText(b, now)
		return c.arrived(epoch, m, err, now)
	}
	whole := len(b)
	for len(b) > 0 {
		size, k := binary.Uvarint(b)
		if k <= 0 || size > uint64(len(b)-k) {
			return errFraming
		}
		frame := b[k : k+int(size)]
		b = b[k+int(size):]
		m, err := callback.ParseMessage(frame, now)
		if m != nil && whole > 2*len(m.Body)+1024 {
			m.Body = append([]byte(nil), m.Body...) // not to hold the others
		}
		if err := c.arrived(epoch, m, err, now); err != nil {
			return err
		}
	}
	return nil
}

var errFraming = errors.New("wscallback: a length that exceeds its message")

// arrived puts m into the inbox when there is room. What comes over a connection
// that has been given up is not taken: a session's other end sends it again.
func (c *Conn) arrived(epoch int, m *callback.Message, err error, now time.Time) error {
	if err == nil && m.Kind >= helloKind && m.Kind <= ackKind {
		return c.sessionFrame(epoch, m)
	}
	if err != nil {
		m = &callback.Message{Kind: garbage}
	}
	w := weight(m)
	c.mu.Lock()
	c.heard = now
	for c.epoch == epoch && c.inBytes > 0 && c.inBytes+w > c.opts.Inbox {
		c.mu.Unlock()
		select {
		case <-c.drained:
		case <-c.life.Done():
			return context.Cause(c.life)
		}
		c.mu.Lock()
	}
	if c.epoch != epoch {
		c.mu.Unlock()
		return errOld
	}
	c.in = append(c.in, m)
	c.inBytes += w
	if c.session != nil {
		c.session.received(c, w)
	}
	c.mu.Unlock()
	signal(c.reader)
	return nil
}

var errOld = errors.New("wscallback: the connection has been replaced")

// weight is about what a message weighs while it waits.
func weight(m *callback.Message) int {
	n := 200 + len(m.To) + len(m.Body)
	for k, v := range m.Header {
		n += 32 + len(k) + len(v)
	}
	return n
}

// lost: the connection of epoch is of no use any more.
func (c *Conn) lost(epoch int, cause error) {
	c.mu.Lock()
	if c.epoch != epoch || c.ws == nil {
		c.mu.Unlock()
		return
	}
	ws := c.ws
	c.ws = nil
	c.epoch++
	c.writing = false
	c.stopPulse()
	c.out, c.texts, c.waiting = nil, nil, 0
	if c.quiet != nil {
		close(c.quiet)
		c.quiet = nil
	}
	closed := c.closed
	switch {
	case closed:
	case c.session != nil && c.session.survives():
		c.session.wait(c, cause)
	default:
		c.breaks(cause)
	}
	redial := c.request == nil && !c.closed && !c.final
	if redial {
		c.tasks.Add(1)
	}
	c.wake()
	c.mu.Unlock()
	signal(c.drained)
	_ = ws.CloseNow()
	signal(c.reader)
	if !closed {
		c.observe("ws.disconnected", cause, 0)
	}
	if redial {
		go c.redial()
	}
}

// breaks has Receive tell that everything under way is lost. The caller holds the
// lock.
func (c *Conn) breaks(cause error) {
	c.session = nil
	err := antiphon.Errorf(antiphon.CodeUnavailable, "%w: %w", callback.ErrDisconnected, cause)
	err.Class = antiphon.ClassUnknown
	c.broke = err
	if c.request != nil {
		c.final = true // nobody will come back
	}
}

// startPulse pings the other end when it is silent. The caller holds the lock.
func (c *Conn) startPulse(ws *websocket.Conn, epoch int) {
	every := c.opts.Heartbeat
	c.pulse = c.opts.Clock.AfterFunc(every, func() { c.beat(ws, epoch) })
}

func (c *Conn) stopPulse() {
	if c.pulse != nil {
		c.pulse.Stop()
		c.pulse = nil
	}
}

func (c *Conn) beat(ws *websocket.Conn, epoch int) {
	every := c.opts.Heartbeat
	c.mu.Lock()
	if c.epoch != epoch || c.closed || c.ws == nil {
		c.mu.Unlock()
		return
	}
	silent := c.opts.Clock.Since(c.heard)
	if silent < every {
		c.pulse = c.opts.Clock.AfterFunc(every-silent, func() { c.beat(ws, epoch) })
		c.mu.Unlock()
		return
	}
	c.tasks.Add(1)
	c.mu.Unlock()
	defer c.tasks.Done()
	ctx, cancel := context.WithCancelCause(c.life)
	timer := c.opts.Clock.AfterFunc(every, func() { cancel(errSilent) })
	err := ws.Ping(ctx)
	timer.Stop()
	cancel(nil)
	if err != nil {
		c.lost(epoch, err)
		return
	}
	c.mu.Lock()
	if c.epoch == epoch && !c.closed {
		c.heard = c.opts.Clock.Now()
		c.startPulse(ws, epoch)
	}
	c.mu.Unlock()
}

var errSilent = errors.New("wscallback: the other end does not answer pings")

func (c *Conn) observe(name string, err error, d time.Duration) {
	if c.opts.Observer != nil {
		c.opts.Observer.Emit(antiphon.Event{Name: name, Err: err, Duration: d})
	}
}
