package wscallback

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/antiphon-go/antiphon/callback"
)

// greet gives l to the session that it asks for, or to c, which begins one. It
// reports whether l has been taken, and whether c is to be served.
func (s *Server) greet(c *Conn, l *link) (taken, served bool, err error) {
	ctx, cancel := context.WithCancelCause(c.life)
	defer cancel(nil)
	timer := s.opts.Clock.AfterFunc(s.opts.ConnectTimeout, func() { cancel(errSlow) })
	defer timer.Stop()
	hello, window, err := hearHello(ctx, l.ws, s.opts)
	if err != nil {
		return false, false, err
	}
	s.mu.Lock()
	old := s.sessions[hello.ID]
	s.mu.Unlock()
	if old != nil && s.same(old, c) {
		if taken, err = old.resume(ctx, l, hello.Seq); taken || err != nil {
			return taken, false, err
		}
	}
	session := newSession(s.opts, callback.ID{}, min(window, s.opts.Resume))
	_, _ = rand.Read(session.id[:]) // never fails
	if !s.register(c, session) {
		return false, false, errCrowded
	}
	// From now on c may be resumed, even if what follows fails. The hello is the
	// first frame: what serve sends waits for attach.
	if err = sayHello(ctx, l.ws, s.opts, session.id, 0, session.window); err == nil {
		taken = c.attach(l, session, 0)
	}
	c.mu.Lock()
	served = taken || c.session == session && session.turn > 0
	c.mu.Unlock()
	return taken, served, err
}

// same reports whether the sender of the request of now may resume the session of
// began.
func (s *Server) same(began, now *Conn) bool {
	return s.opts.Same == nil || s.opts.Same(began.request, now.request)
}

// register makes the session c's, and c one that is served, if there is room.
func (s *Server) register(c *Conn, session *session) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.closed || s.closed || s.serving >= s.opts.MaxConns {
		return false
	}
	c.session, c.name, c.serving = session, session.id, true
	s.serving++
	s.sessions[session.id] = c
	return true
}

// resume puts the session of c onto l, unless the other end lacks what is not kept:
// the session is over then. Of several that try at once the last one wins.
func (c *Conn) resume(ctx context.Context, l *link, came uint32) (bool, error) {
	c.mu.Lock()
	if s := c.session; s != nil && !s.was(came) {
		c.mu.Unlock()
		return false, errSession
	}
	for l := c.link; l != nil; l = c.link { // it only looks alive
		c.mu.Unlock()
		c.lost(l, errReplaced)
		c.mu.Lock()
	}
	s := c.session
	if s == nil || c.closed {
		c.mu.Unlock()
		return false, nil
	}
	if !s.resumable(came) {
		c.breaks(errForgotten)
		c.wake()
		c.mu.Unlock()
		signal(c.in.reader)
		return false, nil
	}
	s.turn++
	turn, mine := s.turn, s.came
	c.mu.Unlock()
	if err := sayHello(ctx, l.ws, c.opts, s.id, mine, s.window); err != nil {
		return false, err
	}
	if !c.attach(l, s, turn) {
		return false, errReplaced
	}
	c.observe("ws.resumed", nil)
	return true, nil
}

var (
	errReplaced  = errors.New("wscallback: the session was resumed on another connection")
	errForgotten = errors.New("wscallback: more was lost than was kept")
)
