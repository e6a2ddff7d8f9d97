package wscallback

import (
	"context"
	"errors"
	"net/http"
	"sync"

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
			if e := (*StatusError)(nil); errors.As(err, &e) && e.Status >= 400 && e.Status < 600 {
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
	err := s.serve(ctx, c)
	if err != nil && ctx.Err() == nil && !errors.Is(err, callback.ErrDisconnected) { // which has been told
		c.observe("ws.ended", err)
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
