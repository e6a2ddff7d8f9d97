package wscallback

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"

	"github.com/coder/websocket"

	"github.com/antiphon-go/antiphon/callback"
)

// A Server is the http.Handler that accepts connections.
//
// Browsers are let in from the server's own host and from Options.Origins alone;
// programs send no Origin and are not held by it, so use Options.Authorize for them.
//
// Concurrency: all methods may be called by any number of goroutines.
//
// Closing: Shutdown and Close end what http.Server.Shutdown does not: connections
// that were upgraded.
type Server struct {
	serve func(context.Context, *Conn) error
	opts  *Options
	wrong error

	life context.Context
	die  context.CancelCauseFunc

	mu       sync.Mutex
	closed   bool
	conns    map[*Conn]struct{}
	serving  int // of conns, those that are not about to say whether they resume
	sessions map[callback.ID]*Conn
	running  int           // calls of ServeHTTP that hold a place
	none     chan struct{} // closed when there are none; nil if nobody waits
}

// Handler returns a server that calls serve for each connection, or session, and
// closes that when serve returns. serve usually makes a callback.Peer and runs it;
// its context carries the values of the request's, ends with the server, and not
// with the request. A panic of serve ends its connection, and is net/http's then,
// as that of any handler.
func Handler(serve func(context.Context, *Conn) error, o *Options) *Server {
	s := &Server{serve: serve, conns: map[*Conn]struct{}{}, sessions: map[callback.ID]*Conn{}}
	s.opts, s.wrong = o.filled()
	if serve == nil {
		s.wrong = misuse("Handler needs a function")
	}
	s.life, s.die = context.WithCancelCause(context.Background())
	return s
}

// ServeHTTP accepts a connection and serves it until it ends.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.wrong != nil {
		http.Error(w, s.wrong.Error(), http.StatusInternalServerError)
		return
	}
	if s.opts.Authorize != nil {
		if err := s.opts.Authorize(r); err != nil {
			status, text := http.StatusForbidden, http.StatusText(http.StatusForbidden)
			if e := (*StatusError)(nil); errors.As(err, &e) {
				status, text = e.Status, e.Error()
			}
			http.Error(w, text, status)
			return
		}
	}
	switch {
	case !asksForWebSocket(r.Header):
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "websocket")
		http.Error(w, "this is for WebSocket, over HTTP/1.1", http.StatusUpgradeRequired)
		return
	case !canHijack(w):
		http.Error(w, "the server's ResponseWriter is no http.Hijacker", http.StatusNotImplemented)
		return
	}
	c := newConn(s.opts)
	c.onClose = s.forget
	spoken := s.spoken(r.Header)
	c.text = spoken == textProtocol
	if !s.enter(c, spoken == resumeProtocol) {
		http.Error(w, "too many connections, or shutting down", http.StatusServiceUnavailable)
		return
	}
	defer s.leave()
	defer func() { _ = c.Close() }()
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(r.Context()))
	defer cancel(nil)
	defer context.AfterFunc(s.life, func() { cancel(context.Cause(s.life)) })()
	c.request = r.WithContext(ctx)
	if !s.accept(c, spoken, w, r) {
		return
	}
	if err := s.serve(ctx, c); err != nil && ctx.Err() == nil {
		c.observe("ws.ended", err, 0)
	}
}

// accept upgrades the connection. It reports whether c is to be served.
func (s *Server) accept(c *Conn, spoken string, w http.ResponseWriter, r *http.Request) bool {
	under := &upgraded{ResponseWriter: w}
	ws, err := websocket.Accept(under, r, &websocket.AcceptOptions{
		Subprotocols:    []string{spoken},
		OriginPatterns:  s.opts.Origins,
		CompressionMode: s.opts.compression(),
	})
	if err != nil {
		return false // it has been answered
	}
	l := newLink(ws, under.wire)
	taken, served := false, false
	defer func() {
		if !taken {
			l.end(s.opts.Clock, err)
		}
	}()
	switch spoken {
	case "":
		err = &violation{"no common subprotocol: use " + callback.Subprotocol}
	case resumeProtocol:
		taken, served, err = s.greet(c, l)
	default:
		taken = c.attach(l, nil, 0)
		served = taken
	}
	return served
}

// spoken is the first of our protocols that the other end speaks too.
func (s *Server) spoken(h http.Header) string {
	for _, p := range []string{resumeProtocol, callback.Subprotocol, textProtocol} {
		if hasToken(h, "Sec-WebSocket-Protocol", p) && (p != resumeProtocol || s.opts.Resume > 0) {
			return p
		}
	}
	return ""
}

func asksForWebSocket(h http.Header) bool {
	return hasToken(h, "Connection", "upgrade") && hasToken(h, "Upgrade", "websocket")
}

// hasToken reports whether the list in the header name has token, in any case.
func hasToken(h http.Header, name, token string) bool {
	for _, list := range h.Values(name) {
		for t := range strings.SplitSeq(list, ",") {
			if strings.EqualFold(strings.TrimSpace(t), token) {
				return true
			}
		}
	}
	return false
}

// upgraded notes the connection that is upgraded.
type upgraded struct {
	http.ResponseWriter
	wire io.Closer
}

func (u *upgraded) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(u.ResponseWriter).Hijack()
	u.wire = conn
	return conn, rw, err
}

// WriteHeaderNow is what websocket.Accept calls where there is one: frameworks put
// their own writers around the real one.
func (u *upgraded) WriteHeaderNow() {
	if w, ok := u.ResponseWriter.(interface{ WriteHeaderNow() }); ok {
		w.WriteHeaderNow()
	}
}

func canHijack(w http.ResponseWriter) bool {
	for {
		switch t := w.(type) {
		case http.Hijacker:
			return true
		case interface{ Unwrap() http.ResponseWriter }:
			w = t.Unwrap()
		default:
			return false
		}
	}
}

// enter gives c a place. Those that may resume a session, which has one, get an
// extra one until they have said so.
func (s *Server) enter(c *Conn, mayResume bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return false
	case mayResume:
		if len(s.conns)-s.serving >= s.opts.MaxConns {
			return false
		}
	case s.serving >= s.opts.MaxConns:
		return false
	default:
		c.serving = true
		s.serving++
	}
	s.conns[c] = struct{}{}
	s.running++
	return true
}

// leave gives the place back.
func (s *Server) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running--
	if s.running == 0 && s.none != nil {
		close(s.none)
		s.none = nil
	}
}

// forget is called once for each Conn that was closed.
func (s *Server) forget(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	if c.serving {
		c.serving = false
		s.serving--
	}
	if s.sessions[c.name] == c {
		delete(s.sessions, c.name)
	}
}

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
	c.observe("ws.resumed", nil, 0)
	return true, nil
}

var (
	errReplaced  = errors.New("wscallback: the session was resumed on another connection")
	errForgotten = errors.New("wscallback: more was lost than was kept")
	errCrowded   = &violation{"too many connections"}
)

// Shutdown refuses further connections, ends the contexts that serve was given,
// and waits until it has returned everywhere. If ctx ends before, it closes all and
// returns what ended ctx.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	running := s.running
	if running > 0 && s.none == nil {
		s.none = make(chan struct{})
	}
	none := s.none
	s.mu.Unlock()
	s.die(callback.ErrClosed)
	if running == 0 {
		return nil
	}
	select {
	case <-none:
		return nil
	case <-ctx.Done():
		_ = s.Close()
		return ctxError(ctx)
	}
}

// Close refuses further connections and closes all there are. It does not wait for
// serve.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	all := make([]*Conn, 0, len(s.conns))
	for c := range s.conns {
		all = append(all, c)
	}
	s.mu.Unlock()
	s.die(callback.ErrClosed)
	var wg sync.WaitGroup
	for _, c := range all {
		wg.Go(func() { _ = c.Close() })
	}
	wg.Wait()
	return nil
}
