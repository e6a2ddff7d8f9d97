package wscallback

import (
	"context"
	"encoding/binary"

	"github.com/coder/websocket"
)

// Held is what the server remembers: connections, those that have a place, sessions,
// and requests under way.
func (s *Server) Held() [4]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return [4]int{len(s.conns), s.serving, len(s.sessions), s.running}
}

// Garble sends b as a frame of a message of its own.
func (c *Conn) Garble(b []byte) {
	c.mu.Lock()
	l := c.link
	if c.session != nil {
		c.session.sent++ // as the other end counts it
	}
	c.mu.Unlock()
	frame := append(binary.AppendUvarint(nil, uint64(len(b))), b...)
	typ := websocket.MessageBinary
	if c.text {
		frame, typ = b, websocket.MessageText
	}
	if l != nil {
		_ = l.ws.Write(context.Background(), typ, frame)
	}
}

// Ended is closed when Close has ended everything.
func (c *Conn) Ended() <-chan struct{} { return c.ended }
