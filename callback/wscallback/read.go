package wscallback

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/coder/websocket"

	"github.com/antiphon-go/antiphon/callback"
)

// read reads from a connection until that breaks.
func (c *Conn) read(l *link) {
	for {
		if err := c.readOne(l); err != nil {
			c.lost(l, err)
			return
		}
	}
}

// readOne reads one message whole, within the limit on its inflated size, and takes
// it apart.
func (c *Conn) readOne(l *link) error {
	typ, r, err := l.ws.Reader(context.Background()) // l.cut ends it
	if err != nil {
		return err
	}
	if (typ == websocket.MessageText) != c.text {
		return errForm
	}
	buf := buffers.Get().(*[]byte)
	defer giveBack(buf)
	b := *buf
	for {
		if len(b) == cap(b) {
			b = slices.Grow(b, len(b))
		}
		n, err := r.Read(b[len(b):min(cap(b), len(b)+fragment)])
		b = b[:len(b)+n]
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if len(b) > 2<<10 {
			l.hear() // it is alive, however slow
		}
	}
	if cap(b) <= pooled {
		*buf = b
	}
	now := c.opts.Clock.Now()
	l.heard.Store(int64(now.Sub(l.born)))
	if c.text {
		m, err := callback.ParseMessageText(b, now)
		return c.arrived(l, m, err)
	}
	return frames(b, cap(b) <= pooled, now, func(m *callback.Message, err error) error {
		return c.arrived(l, m, err)
	})
}

// frames takes a message apart. An envelope that makes no sense is told and
// skipped; lengths that make none end the connection. What is given to take shares
// no memory with b if that is lent, and if it does not it holds little else.
func frames(b []byte, lent bool, now time.Time, take func(*callback.Message, error) error) error {
	whole := len(b)
	for len(b) > 0 {
		frame, rest, ok := cutFrame(b)
		if !ok {
			return errFraming
		}
		b = rest
		m, err := callback.ParseMessage(frame, now)
		if err == nil && (lent || whole > 2*len(m.Body)+1024) {
			m.Body = append([]byte(nil), m.Body...)
		}
		if err := take(m, err); err != nil {
			return err
		}
	}
	return nil
}

// cutFrame takes the first frame off b.
func cutFrame(b []byte) (frame, rest []byte, ok bool) {
	size, k := binary.Uvarint(b)
	if k <= 0 || size > uint64(len(b)-k) {
		return nil, b, false
	}
	return b[k : k+int(size)], b[k+int(size):], true
}

// arrived hands m on, or puts it into the inbox when there is room. What comes over
// a connection that has been given up is not taken: a session's other end sends it
// again.
func (c *Conn) arrived(l *link, m *callback.Message, err error) error {
	a := arrival{m: m}
	if err != nil {
		a = arrival{err: callback.ErrMalformed}
	}
	w := a.weight()
	c.mu.Lock()
	if c.session != nil && err == nil && (m.Kind == helloKind || m.Kind == ackKind) {
		ok := m.Kind == ackKind && c.session.ack(m.Seq)
		c.mu.Unlock()
		if !ok {
			return errSession
		}
		return nil
	}
	for c.full(l, w) {
		l.blocked.Store(true)
		c.mu.Unlock()
		select {
		case <-c.in.drained:
		case <-l.gone:
		case <-c.life.Done():
		}
		c.mu.Lock()
		l.hear() // the silence was ours
		l.blocked.Store(false)
	}
	if c.link != l {
		c.mu.Unlock()
		return errOld
	}
	if c.session != nil {
		c.session.received(c, w)
	}
	feeds := c.in.mode == fed && !c.in.shut
	if c.in.mode == pulled && !c.in.shut {
		c.in.push(a)
		signal(c.in.reader)
	}
	c.mu.Unlock()
	if feeds {
		c.in.take(callback.Delivery{Message: a.m}, a.err)
	}
	return nil
}

// full reports whether the inbox has no room for w bytes that came over l. The
// caller holds the lock.
func (c *Conn) full(l *link, w int) bool {
	return c.in.mode == pulled && c.link == l && !c.in.shut && c.life.Err() == nil &&
		len(c.in.queue) > 0 && c.in.bytes+w > c.opts.Inbox
}

var errOld = errors.New("wscallback: the connection has been replaced")
