package wscallback

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
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
	opts  Options
	wrong error

	life context.Context
	die  context.CancelCauseFunc

	mu       sync.Mutex
	closed   bool
	conns    map[*Conn]struct{}
	sessions map[callback.ID]*Conn
	running  sync.WaitGroup
}

// Handler returns a server that calls serve for each connection, or session, and
// closes that when serve returns. serve usually makes a callback.Peer and runs it;
// its context carries the values of the request's, ends with the server, and not
// with the request.
func Handler(serve func(context.Context, *Conn) error, o *Options) *Server {
	s := &Server{serve: serve, conns: map[*Conn]struct{}{}, sessions: map[callback.ID]*Conn{}}
	s.opts, s.wrong = o.filled()
	if serve == nil {
		s.wrong = errors.New("wscallback: Handler needs a function")
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
	c := newConn(s.opts)
	c.request = r.Clone(context.WithoutCancel(r.Context()))
	c.onClose = s.forget
	if !s.enter(c) {
		http.Error(w, "too many connections, or shutting down", http.StatusServiceUnavailable)
		return
	}
	defer s.running.Done()
	spoken := []string{callback.Subprotocol, textProtocol}
	if s.opts.Resume > 0 {
		spoken = append([]string{resumeProtocol}, spoken...)
	}
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols:    spoken,
		OriginPatterns:  s.opts.Origins,
		CompressionMode: s.opts.compression(),
	})
	if err != nil { // and it has been answered
		_ = c.Close()
		return
	}
	switch ws.Subprotocol() {
	case "":
		_ = ws.Close(websocket.StatusProtocolError, "no common subprotocol: use "+callback.Subprotocol)
		_ = c.Close()
		return
	case resumeProtocol:
		mine, err := s.greet(c, ws)
		if err != nil {
			_ = ws.CloseNow()
		}
		if err != nil || !mine {
			_ = c.Close()
			return
		}
		c.attach(ws, false)
	default:
		c.attach(ws, ws.Subprotocol() == textProtocol)
	}
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(r.Context()))
	stop := context.AfterFunc(s.life, func() { cancel(context.Cause(s.life)) })
	defer func() {
		stop()
		cancel(nil)
		_ = c.Close()
	}()
	if err := s.serve(ctx, c); err != nil && ctx.Err() == nil {
		c.observe("ws.ended", err, 0)
	}
}

func (s *Server) enter(c *Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.conns) >= s.opts.MaxConns {
		return false
	}
	s.conns[c] = struct{}{}
	s.running.Add(1)
	return true
}

func (s *Server) forget(c *Conn) {
	c.mu.Lock()
	session := c.session
	c.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	if session != nil && s.sessions[session.id] == c {
		delete(s.sessions, session.id)
	}
}

// greet gives ws to the session that it asks for, or to c, which begins one.
func (s *Server) greet(c *Conn, ws *websocket.Conn) (mine bool, err error) {
	ctx, cancel := context.WithTimeout(c.life, s.opts.ConnectTimeout)
	defer cancel()
	hello, window, err := hearHello(ctx, ws, &s.opts)
	if err != nil {
		return false, err
	}
	window = min(window, s.opts.Resume)
	s.mu.Lock()
	old := s.sessions[hello.ID]
	s.mu.Unlock()
	if old != nil {
		resumed, err := old.resume(ctx, ws, hello)
		if resumed || err != nil {
			return false, err
		}
	}
	var id callback.ID
	_, _ = rand.Read(id[:])
	if err := sayHello(ctx, ws, &s.opts, id, 0, window); err != nil {
		return false, err
	}
	c.mu.Lock()
	c.session = newSession(&s.opts, id, window)
	c.mu.Unlock()
	s.mu.Lock()
	s.sessions[id] = c
	s.mu.Unlock()
	return true, nil
}

// resume puts the session of c onto ws.
func (c *Conn) resume(ctx context.Context, ws *websocket.Conn, hello *callback.Message) (bool, error) {
	c.Reconnect(errReplaced) // if the old connection only looks alive
	c.mu.Lock()
	session := c.session
	if session == nil || c.closed || c.ws != nil || !session.ack(hello.Seq) {
		c.mu.Unlock()
		return false, nil
	}
	id, came, window := session.id, session.came, session.window
	c.mu.Unlock()
	if err := sayHello(ctx, ws, &c.opts, id, came, window); err != nil {
		return false, err
	}
	return c.attach(ws, false), nil
}

var errReplaced = errors.New("wscallback: the session was resumed on another connection")

// Shutdown refuses further connections, ends the contexts that serve was given,
// and waits until it has returned everywhere. If ctx ends before, it closes all and
// returns what ended ctx.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.die(callback.ErrClosed)
	done := make(chan struct{})
	go func() {
		s.running.Wait()
		close(done)
	}()
	select {
	case <-done:
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
