package wscallback

import (
	"context"
	"encoding/binary"
	"runtime"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
)

// An outgoing is what a Conn has accepted and not written. The lock of the Conn
// guards it.
type outgoing struct {
	packets []packet
	held    weights       // of them, and of the one that is being written
	writing bool          // it is being written
	crowd   bool          // packets have more than one frame, lately
	room    chan struct{} // closed when there is room, or a connection; nil if nobody waits
}

// A packet is what goes into one WebSocket message: frames, each after its length,
// or one text.
type packet struct {
	b      []byte
	frames int
	held   weights
	buf    *[]byte // what b is a part of, if that goes back to the pool
}

// weights are bytes by lane: of answers and the like, of requests, and of events.
type weights [3]int

func lane(k callback.Kind) int {
	switch k {
	case callback.Request:
		return 1
	case callback.Event:
		return 2
	}
	return 0
}

func (w *weights) all() int { return w[0] + w[1] + w[2] }

const (
	// batch is how many bytes of frames share a packet.
	batch = 32 << 10
	// apart is the size from which on a frame has a packet of its own, and is
	// encoded without holding anybody up.
	apart = 16 << 10
	// fragment is how many bytes of a packet are written at once, so that pings
	// and their answers get through in between.
	fragment = 32 << 10
)

// buffers are what small frames are gathered in, and messages read into.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

// pooled is the size up to which one goes back to the pool.
const pooled = 64 << 10

func giveBack(b *[]byte) {
	if cap(*b) <= pooled {
		*b = (*b)[:0]
		buffers.Put(b)
	}
}

func (o *outgoing) empty() bool { return len(o.packets) == 0 }

// reset drops everything.
func (o *outgoing) reset() { *o = outgoing{room: o.room} }

// wake lets those look again who wait for room. The caller holds the lock.
func (c *Conn) wake() {
	if c.out.room != nil {
		close(c.out.room)
		c.out.room = nil
	}
}

// put takes m, or returns what to wait for: if willing, what is closed then, else
// anything.
func (c *Conn) put(m *callback.Message, willing bool) (wait <-chan struct{}, err error) {
	switch {
	case len(m.Body) > c.opts.MaxBody:
		return nil, antiphon.Errorf(antiphon.CodeResourceExhausted, "wscallback: %d bytes of body, of at most %d: %w",
			len(m.Body), c.opts.MaxBody, antiphon.ErrTooLarge)
	case m.Kind == 0 || m.Kind == helloKind || m.Kind == ackKind:
		return nil, antiphon.Errorf(antiphon.CodeInvalidArgument, "wscallback: %v is not to be sent", m.Kind)
	}
	var frame []byte
	size, now := estimate(m), c.opts.Clock.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	wait, err = c.room(m.Kind, size, willing)
	if wait != nil || err != nil {
		return wait, err
	}
	if c.text || size > apart {
		c.mu.Unlock()
		frame, err = c.encode(m, now)
		c.mu.Lock()
		if err != nil {
			return nil, err
		}
		if wait, err = c.room(m.Kind, size, willing); wait != nil || err != nil {
			return wait, err
		}
	}
	return nil, c.take(m, frame, now)
}

// share is which part of a buffer each lane may fill.
var share = weights{1, 2, 4}

// room reports whether a message of about size bytes can be taken, or what to wait
// for. The caller holds the lock.
func (c *Conn) room(kind callback.Kind, size int, willing bool) (wait <-chan struct{}, err error) {
	l := lane(kind)
	able := c.in.broken == 0
	switch {
	case c.link != nil: // one of each sort always fits
		able = able && (c.out.held[l] == 0 || c.out.held.all()+size <= c.opts.Buffer/share[l])
	case c.session != nil: // what is not kept is lost
		able = able && c.session.bytes+size <= c.opts.ResumeBuffer/share[l]
	default:
		able = false
	}
	switch {
	case c.closed:
		return nil, callback.ErrClosed
	case c.final:
		return nil, callback.ErrUndeliverable
	case able:
		return nil, nil
	case !willing:
		return c.ended, nil
	}
	if c.out.room == nil {
		c.out.room = make(chan struct{})
	}
	return c.out.room, nil
}

// estimate is about how long m will be when it is encoded.
func estimate(m *callback.Message) int {
	n := 48 + len(m.To) + len(m.ReplyTo) + len(m.Body)
	for k, v := range m.Header {
		n += 4 + len(k) + len(v)
	}
	if m.Err != nil {
		n += 100 + len(m.Err.Message)
	}
	return n
}

// encode returns m in the form of the connection: a text, or a frame after its
// length.
func (c *Conn) encode(m *callback.Message, now time.Time) ([]byte, error) {
	if c.text {
		return callback.AppendMessageText(nil, m, now)
	}
	return appendFrame(make([]byte, 0, estimate(m)), m, now)
}

// appendFrame appends m after its length. If it fails, b is as before.
func appendFrame(b []byte, m *callback.Message, now time.Time) ([]byte, error) {
	start := len(b)
	var room [binary.MaxVarintLen64]byte
	k := binary.PutUvarint(room[:], uint64(estimate(m)))
	b, err := callback.AppendMessage(append(b, room[:k]...), m, now)
	if err != nil {
		return b[:start], err
	}
	size := len(b) - start - k
	if n := binary.PutUvarint(room[:], uint64(size)); n != k { // the estimate was wrong
		b = append(b, room[:max(n-k, 0)]...)
		copy(b[start+n:], b[start+k:start+k+size])
		b = b[:start+n+size]
		k = n
	}
	copy(b[start:], room[:k])
	return b, nil
}

// take enters m, which frame is if it is not nil, and sees to it that it is
// written. The caller holds the lock, and there is room.
func (c *Conn) take(m *callback.Message, frame []byte, now time.Time) (err error) {
	if s := c.session; s != nil {
		if frame == nil {
			if frame, err = c.encode(m, now); err != nil {
				return err
			}
		}
		s.keep(frame, now)
		if c.link == nil {
			return nil // it is written when there is one
		}
	}
	if frame != nil {
		c.enqueue(frame, m.Kind)
	} else if err = c.gather(m, now); err != nil {
		return err
	}
	c.pump()
	return nil
}

// enqueue enters a frame that is encoded.
func (c *Conn) enqueue(frame []byte, kind callback.Kind) {
	o := &c.out
	var p *packet
	if c.text || len(frame) > apart {
		o.packets = append(o.packets, packet{b: frame})
		p = &o.packets[len(o.packets)-1]
	} else {
		p = o.gathering()
		p.b = append(p.b, frame...)
	}
	o.holds(p, kind, len(frame))
}

// holds notes that p has one more frame, of n bytes.
func (o *outgoing) holds(p *packet, kind callback.Kind, n int) {
	p.frames++
	p.held[lane(kind)] += n
	o.held[lane(kind)] += n
}

// gather encodes a small message to where it is written from.
func (c *Conn) gather(m *callback.Message, now time.Time) error {
	p := c.out.gathering()
	before := len(p.b)
	b, err := appendFrame(p.b, m, now)
	if err != nil {
		if o := &c.out; p.frames == 0 {
			o.packets = o.packets[:len(o.packets)-1]
		}
		return err
	}
	p.b = b
	c.out.holds(p, m.Kind, len(b)-before)
	return nil
}

// gathering returns the packet that takes another small frame.
func (o *outgoing) gathering() *packet {
	if n := len(o.packets); n > 0 {
		if p := &o.packets[n-1]; p.buf != nil && len(p.b) < batch-apart {
			return p
		}
	}
	buf := buffers.Get().(*[]byte)
	o.packets = append(o.packets, packet{b: *buf, buf: buf})
	return &o.packets[len(o.packets)-1]
}

// pump has what is to be written written, if there is somewhere to write it. The
// caller holds the lock.
func (c *Conn) pump() {
	l := c.link
	if l == nil || c.out.writing || c.out.empty() {
		return
	}
	c.out.writing = true
	if l.more != nil {
		l.more <- struct{}{} // it has room: the writer waits
		return
	}
	l.more = make(chan struct{}, 1)
	c.tasks.Add(1)
	go c.write(l, l.more)
}

// write is the goroutine that writes to l. It stays for a while when nothing is
// left, for the stack that it has grown: a new one for each burst costs more than
// the burst.
func (c *Conn) write(l *link, more <-chan struct{}) {
	defer c.tasks.Done()
	for {
		c.writeAll(l)
		select {
		case _, ok := <-more:
			if !ok {
				return
			}
		case <-l.gone:
			return
		}
	}
}

// writeAll writes until nothing is left.
func (c *Conn) writeAll(l *link) {
	c.mu.Lock()
	for c.link == l {
		if c.out.crowd {
			c.mu.Unlock()
			runtime.Gosched() // others are about to send: what they send goes along
			c.mu.Lock()
			if c.link != l {
				break
			}
		}
		p, ok := c.takeOut()
		if !ok {
			c.out.writing = false
			c.unquiet()
			break
		}
		c.begin(l)
		c.mu.Unlock()
		err := c.send(l, p.b)
		if p.buf != nil {
			*p.buf = p.b
			giveBack(p.buf)
		}
		if err != nil {
			c.lost(l, err)
			return
		}
		c.mu.Lock()
		l.since = 0
		if c.link == l {
			for i, n := range p.held {
				c.out.held[i] -= n
			}
			c.wake()
		}
	}
	c.mu.Unlock()
}

// takeOut takes the packet that is to be written now. The caller holds the lock.
func (c *Conn) takeOut() (p packet, ok bool) {
	o := &c.out
	if len(o.packets) == 0 {
		return p, false
	}
	if s := c.session; s != nil && s.unsaid > 0 {
		c.acknowledge(s)
	}
	p = o.packets[0]
	o.packets[0] = packet{}
	if o.packets = o.packets[1:]; len(o.packets) == 0 {
		o.packets = nil
	}
	o.crowd = p.frames > 1
	return p, true
}

// send writes one message.
func (c *Conn) send(l *link, b []byte) error {
	ctx, typ := context.Background(), websocket.MessageBinary // l.cut ends it
	if c.text {
		typ = websocket.MessageText
	}
	if len(b) <= 2*fragment || c.opts.Compress {
		return l.ws.Write(ctx, typ, b)
	}
	w, err := l.ws.Writer(ctx, typ)
	for len(b) > 0 && err == nil {
		n := min(fragment, len(b))
		c.mu.Lock()
		c.begin(l)
		c.mu.Unlock()
		_, err = w.Write(b[:n])
		b = b[n:]
	}
	if err != nil {
		return err
	}
	return w.Close()
}
