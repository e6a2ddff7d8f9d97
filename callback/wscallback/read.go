package wscallback

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"slices"

	"github.com/coder/websocket"

	"github.com/antiphon-go/antiphon/callback"
)

// read is the goroutine that reads from one connection until it breaks.
func (c *Conn) read(l *link) {
	defer c.tasks.Done()
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
			l.heard.Store(int64(c.now())) // it is alive, however slow
		}
	}
	if cap(b) <= 2*batch {
		*buf = b
	}
	return c.frames(l, b)
}

// frames takes a message apart. An envelope that makes no sense is told and
// skipped; lengths that make none end the connection.
func (c *Conn) frames(l *link, b []byte) error {
	now := c.opts.Clock.Now()
	l.heard.Store(int64(now.Sub(c.start)))
	if c.text {
		m, err := callback.ParseMessageText(b, now)
		return c.arrived(l, m, err)
	}
	shared := cap(b) <= 2*batch // with what is read next
	whole := len(b)
	for len(b) > 0 {
		frame, rest, ok := cutFrame(b)
		if !ok {
			return errFraming
		}
		b = rest
		m, err := callback.ParseMessage(frame, now)
		if m != nil && (shared || whole > 2*len(m.Body)+1024) {
			m.Body = append([]byte(nil), m.Body...) // not to hold the others
		}
		if err := c.arrived(l, m, err); err != nil {
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

// arrived puts m into the inbox when there is room. What comes over a connection
// that has been given up is not taken: a session's other end sends it again.
func (c *Conn) arrived(l *link, m *callback.Message, err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session != nil && err == nil && (m.Kind == helloKind || m.Kind == ackKind) {
		if c.link == l && !(m.Kind == ackKind && c.session.ack(m.Seq)) {
			return errSession
		}
		return nil
	}
	a := arrival{m: m}
	if err != nil || len(m.Body) > c.opts.MaxBody {
		a = arrival{err: callback.ErrMalformed}
	}
	w := a.weight()
	for c.link == l && !c.in.shut && len(c.in.queue) > 0 && c.in.bytes+w > c.opts.Inbox {
		l.blocked.Store(true)
		c.mu.Unlock()
		select {
		case <-c.in.drained:
		case <-l.gone:
		case <-c.life.Done():
		}
		c.mu.Lock()
		l.blocked.Store(false)
		if c.life.Err() != nil {
			return callback.ErrClosed
		}
	}
	if c.link != l {
		return errOld
	}
	if c.session != nil {
		c.session.received(c, w)
	}
	if !c.in.shut {
		c.in.push(a)
		signal(c.in.reader)
	}
	return nil
}

var errOld = errors.New("wscallback: the connection has been replaced")
