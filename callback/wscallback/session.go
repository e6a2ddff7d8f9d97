package wscallback

import (
	"context"
	"errors"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/coder/websocket"

	"github.com/antiphon-go/antiphon/callback"
)

// The kinds that keep a session; see docs/wire.md.
const (
	helloKind callback.Kind = 32 // ID: of the session; Seq: how many frames came; the deadline: how long it lives
	ackKind   callback.Kind = 33 // Seq: how many frames came
)

// protocols are what we speak, in order of preference.
const (
	textProtocol   = callback.Subprotocol + ".json"
	resumeProtocol = callback.Subprotocol + ".resume"
)

// A session is what outlives a connection. The lock of its Conn guards it.
type session struct {
	id     callback.ID
	window time.Duration
	timer  *clock.Timer // while there is no connection

	acked   uint32   // how many of our frames the other end has, modulo 2^32
	unacked [][]byte // those after that
	bytes   int
	limit   int
	over    bool // it would have taken more: the session dies with its connection

	came      uint32 // how many frames came
	unsaid    int    // of them, not acknowledged
	unsaidLen int
}

// keep remembers a frame until it is acknowledged.
func (s *session) keep(frame []byte) {
	if s.over {
		return
	}
	s.unacked = append(s.unacked, frame)
	if s.bytes += len(frame); s.bytes > s.limit {
		s.over, s.unacked = true, nil
	}
}

// ack forgets what has arrived. It reports false for what never was.
func (s *session) ack(upTo uint32) bool {
	if s.over {
		return true
	}
	n := upTo - s.acked
	if n > uint32(len(s.unacked)) {
		return n > 1<<31 // it was said before
	}
	for _, f := range s.unacked[:n] {
		s.bytes -= len(f)
	}
	s.unacked = append(s.unacked[:0:0], s.unacked[n:]...)
	s.acked = upTo
	return true
}

// Acknowledge at the latest after so many frames, or bytes.
const (
	ackFrames = 32
	ackBytes  = 64 << 10
)

// received counts a frame of n bytes, and acknowledges now and then.
func (s *session) received(c *Conn, n int) {
	s.came++
	s.unsaid++
	s.unsaidLen += n
	if s.unsaid < ackFrames && s.unsaidLen < ackBytes {
		return
	}
	s.unsaid, s.unsaidLen = 0, 0
	frame, _ := callback.AppendMessage(nil, &callback.Message{Kind: ackKind, Seq: s.came}, time.Time{})
	c.enqueue(frame)
	c.pump()
}

func (s *session) survives() bool { return !s.over }

func (s *session) stop() {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
}

// wait gives the session up when nobody comes back in time.
func (s *session) wait(c *Conn, cause error) {
	s.stop()
	s.timer = c.opts.Clock.AfterFunc(s.window, func() {
		c.mu.Lock()
		gone := c.session == s && c.ws == nil && !c.closed
		if gone {
			c.breaks(cause)
			c.wake()
		}
		c.mu.Unlock()
		signal(c.reader)
	})
}

// replay sends again what has not arrived, which includes all that was to be
// written.
func (s *session) replay(c *Conn) {
	s.stop()
	c.out = nil
	s.unsaid, s.unsaidLen = 0, 0
	for _, f := range s.unacked {
		c.enqueue(f)
	}
}

func (c *Conn) sessionFrame(epoch int, m *callback.Message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.epoch != epoch {
		return errOld
	}
	if m.Kind == ackKind && c.session != nil && c.session.ack(m.Seq) {
		return nil
	}
	return errProtocol
}

var errProtocol = errors.New("wscallback: a session frame out of place")

func newSession(o *Options, id callback.ID, window time.Duration) *session {
	return &session{id: id, window: window, limit: o.ResumeBuffer}
}

// sayHello writes a hello, the first frame each way.
func sayHello(ctx context.Context, ws *websocket.Conn, o *Options, id callback.ID, came uint32, window time.Duration) error {
	now := o.Clock.Now()
	frame, _ := callback.AppendMessage(nil, &callback.Message{Kind: helloKind, ID: id, Seq: came, Deadline: now.Add(window)}, now)
	return ws.Write(ctx, websocket.MessageBinary, frame)
}

// hearHello reads the other end's.
func hearHello(ctx context.Context, ws *websocket.Conn, o *Options) (*callback.Message, time.Duration, error) {
	ws.SetReadLimit(1024)
	typ, b, err := ws.Read(ctx)
	if err != nil {
		return nil, 0, err
	}
	now := o.Clock.Now()
	m, err := callback.ParseMessage(b, now)
	if err != nil || typ != websocket.MessageBinary || m.Kind != helloKind {
		return nil, 0, errProtocol
	}
	return m, m.Deadline.Sub(now), nil
}
