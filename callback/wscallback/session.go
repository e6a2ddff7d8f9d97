package wscallback

import (
	"context"
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

// A session is what outlives a connection. The lock of its Conn guards it. Frames
// are counted from 1, modulo 2^32, without hellos and acks.
type session struct {
	id     callback.ID
	window time.Duration
	limit  int
	timer  *clock.Timer // while there is no connection
	turn   int          // counts the attempts to resume: the last one wins

	sent  uint32 // how many frames there were of ours
	acked uint32 // how many of them the other end has
	kept  []kept // the last of ours, at least those that have not been acked unless they exceed limit
	bytes int

	came      uint32 // how many frames came
	unsaid    int    // of them, not acknowledged
	unsaidLen int
}

// A kept is a frame after its length, and when it was encoded.
type kept struct {
	b  []byte
	at time.Time
}

// weight is what a kept frame weighs.
func (k kept) weight() int { return len(k.b) + 64 }

func newSession(o *Options, id callback.ID, window time.Duration) *session {
	return &session{id: id, window: window, limit: o.ResumeBuffer}
}

// keep remembers a frame until it is acknowledged, or newer ones need the room.
func (s *session) keep(frame []byte, at time.Time) {
	s.sent++
	k := kept{frame, at}
	s.kept = append(s.kept, k)
	for s.bytes += k.weight(); s.bytes > s.limit; {
		s.forget(1)
	}
}

// forget drops the n oldest that are kept.
func (s *session) forget(n int) {
	for i, k := range s.kept[:n] {
		s.bytes -= k.weight()
		s.kept[i] = kept{}
	}
	if s.kept = s.kept[n:]; len(s.kept) == 0 {
		s.kept = nil
	}
}

// was reports whether there ever were so many frames of ours.
func (s *session) was(upTo uint32) bool { return s.sent-upTo < 1<<31 }

// ack forgets what has arrived. It reports false for what never was.
func (s *session) ack(upTo uint32) bool {
	switch {
	case !s.was(upTo):
		return false
	case upTo-s.acked > s.sent-s.acked:
		return true // it was said before
	}
	s.acked = upTo
	if over := len(s.kept) - int(s.sent-upTo); over > 0 {
		s.forget(over)
	}
	return true
}

// resumable reports whether all is kept that the other end lacks, of which upTo
// frames came.
func (s *session) resumable(upTo uint32) bool {
	return s.ack(upTo) && upTo == s.acked && int(s.sent-upTo) <= len(s.kept)
}

// Acknowledge at the latest after so many frames, or bytes.
const (
	ackFrames = 32
	ackBytes  = 64 << 10
)

// received counts a frame of n bytes, and acknowledges now and then, if nothing
// else is written that an acknowledgement can go along with. The caller holds the
// lock of c.
func (s *session) received(c *Conn, n int) {
	s.came++
	s.unsaid++
	s.unsaidLen += n
	if (s.unsaid >= ackFrames || s.unsaidLen >= ackBytes) && c.out.empty() {
		c.acknowledge(s)
		c.pump()
	}
}

// acknowledge says what came. The caller holds the lock.
func (c *Conn) acknowledge(s *session) {
	s.unsaid, s.unsaidLen = 0, 0
	_ = c.gather(&callback.Message{Kind: ackKind, Seq: s.came}, time.Time{})
}

func (s *session) stop() { halt(&s.timer) }

// wait gives the session up when nobody comes back in time. The caller holds the
// lock of c.
func (s *session) wait(c *Conn, cause error) {
	s.stop()
	s.timer = c.opts.Clock.AfterFunc(s.window, func() {
		c.mu.Lock()
		if c.session == s && c.link == nil && !c.closed {
			c.breaks(cause)
			c.wake()
			c.unquiet()
		}
		c.mu.Unlock()
		signal(c.in.reader)
	})
}

// replay has written again what has not arrived. The caller holds the lock of c,
// and nothing else is to be written yet.
func (s *session) replay(c *Conn) {
	s.stop()
	s.unsaid, s.unsaidLen = 0, 0 // the hello has said it
	now := c.opts.Clock.Now()
	for _, k := range s.kept {
		frame := k.renewed(now)
		kind, _, _ := cutFrame(frame)
		c.enqueue(frame, callback.Kind(kind[0]))
	}
}

// renewed returns the frame with the time that remains now.
func (k kept) renewed(now time.Time) []byte {
	frame, _, _ := cutFrame(k.b)
	m, err := callback.ParseMessage(frame, k.at)
	if err != nil || m.Deadline.IsZero() {
		return k.b
	}
	b, err := appendFrame(make([]byte, 0, len(k.b)+8), m, now)
	if err != nil {
		return k.b
	}
	return b
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
		return nil, 0, errSession
	}
	return m, max(m.Deadline.Sub(now), 0), nil
}
