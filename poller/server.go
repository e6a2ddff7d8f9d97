package poller

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/antiphon-go/antiphon"
)

// A Server is the HTTP face of [Operations]: a URL that starts them, and under it a
// status resource for each. docs/http.md has the wire.
//
// It answers wherever a request reaches it, at the path of a mux (see Mount), behind
// http.StripPrefix or as the handler of all: what is before "/operations" is the URL
// that starts operations, and may not end in that word itself.
//
// Behind http.TimeoutHandler, and all else that cannot flush, event streams are answered
// with the status.
//
// Concurrency: all methods may be called by any number of goroutines.
//
// Ownership: the Operations of Serve are the caller's, who closes what is behind them
// after Shutdown.
//
// Closing: Shutdown accepts no more, releases what is held, and waits for the work of
// ServeFunc. What there is can still be looked at afterwards.
//
// Memory: the requests that are held are bounded by ServerOptions.MaxHeld, each is read
// up to MaxBody, and an event stream keeps the latest status alone, however slow it is
// read. A page of a list ends with 4 MiB of results. Of 65536 operations the ids are
// remembered. A request whose body comes slowly is not held, and has a goroutine as long
// as http.Server.ReadTimeout lets it.
//
// Zero value: none; use Serve or ServeFunc.
type Server struct {
	ops    Operations
	opts   ServerOptions
	clock  clock.Clock
	wrong  error // the mistake in the options
	origin *http.CrossOriginProtection
	tombs  tombstones
	held   atomic.Int64
	gate   gate
	life   context.Context // ends when Shutdown begins
	end    context.CancelCauseFunc
	drain  func(context.Context) error // nil unless there is work to wait for
}

// Serve makes a Server of ops. The metadata of its operations have the owner under
// OwnerHeader, if ServerOptions.Owner tells owners, and the key of one is the owner, a line
// break, and the key that the client sent.
func Serve(ops Operations, o *ServerOptions) *Server {
	s := &Server{ops: ops}
	if o != nil {
		s.opts = *o
	}
	if s.wrong = s.opts.configure(); s.wrong == nil && ops == nil {
		s.wrong = badServer("Serve needs Operations")
	}
	s.clock = s.opts.Clock
	s.life, s.end = context.WithCancelCause(context.Background())
	if s.wrong == nil {
		s.origin, s.wrong = guard(&s.opts)
	}
	return s
}

func badServer(text string) *antiphon.Error {
	return &antiphon.Error{
		Code:      antiphon.CodeInvalidArgument,
		Class:     antiphon.ClassNotAccepted,
		Reason:    "poller.options",
		Message:   "poller: " + text,
		Permanent: true,
	}
}

// Mount registers the server in mux at path, and for all that is under it. path may have
// a host and wildcards, and no method; it begins with a slash after the host, and does not
// end in "/operations". Mount panics otherwise, and where mux does.
func (s *Server) Mount(mux *http.ServeMux, path string) {
	switch {
	case strings.ContainsAny(path, " \t"):
		panic(fmt.Sprintf("poller: Mount takes a path without a method, not %q", path))
	case !strings.Contains(path, "/"):
		panic(fmt.Sprintf("poller: the path of Mount begins with a slash: %q", path))
	}
	path = strings.TrimRight(path, "/")
	if strings.HasSuffix(path, "/operations") {
		panic(fmt.Sprintf("poller: the path of Mount must not end in /operations, as that of the status resources does: %q", path))
	}
	depth := strings.Count(path, "/")
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, routes, depth) })
	if depth > 0 {
		mux.Handle(path, h)
	}
	mux.Handle(path+"/", h)
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.serve(w, r, routes, -1) }

// Shutdown accepts no more operations, answers the requests that are held with what is
// known, ends event streams, and waits for the work of ServeFunc, if it is that. When ctx
// ends, that work is canceled, which is how clients see it end, and Shutdown returns the
// cause.
//
// It does not close connections; call it before http.Server.Shutdown, which waits for
// the requests under way.
func (s *Server) Shutdown(ctx context.Context) error {
	if ctx == nil {
		ctx = context.Background()
	}
	idle := s.gate.close()
	s.end(errStopping)
	late := false
	select {
	case <-idle:
	case <-ctx.Done():
		late = true
	}
	if s.drain != nil {
		if err := s.drain(ctx); err != nil {
			return err
		}
	}
	if late {
		return context.Cause(ctx)
	}
	return s.wrong
}

var errStopping = &antiphon.Error{
	Code:       antiphon.CodeUnavailable,
	Class:      antiphon.ClassNotAccepted,
	Reason:     "poller.stopping",
	Message:    "poller: the server accepts no more",
	RetryAfter: time.Second,
}

// A gate lets submissions in until it is closed, and tells when the last is through.
type gate struct {
	mu     sync.Mutex
	n      int
	closed bool
	idle   chan struct{} // nil before it is closed
}

func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.n++
	return true
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.n--; g.n == 0 && g.closed {
		close(g.idle)
	}
}

func (g *gate) close() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.closed, g.idle = true, make(chan struct{})
		if g.n == 0 {
			close(g.idle)
		}
	}
	return g.idle
}

// An exchange is one request, and its answer.
type exchange struct {
	s     *Server
	w     http.ResponseWriter
	r     *http.Request
	route *route
	id    string
	owner string
	began bool // to answer
	aip   bool // speaks AIP-151
}

// serve answers a request by table. The path before that of the route has depth
// segments, unless that is negative.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, table []route, depth int) {
	x := exchange{s: s, w: w, r: r, aip: &table[0] == &aipRoutes[0]}
	defer x.recover()
	w.Header()["X-Content-Type-Options"] = nosniff
	if s.wrong != nil {
		x.refuse(&refusal{status: http.StatusInternalServerError, err: antiphon.FromError(s.wrong)})
		return
	}
	preflight := x.cors()
	path := r.URL.EscapedPath()
	var before string
	x.route, x.id, before = find(table, path)
	if x.route == nil || depth >= 0 && strings.Count(before, "/") != depth {
		x.refuse(errNoPath)
		return
	}
	do := x.route.method(r.Method)
	switch {
	case r.Method == http.MethodOptions:
		x.options(preflight)
	case do == nil:
		w.Header()["Allow"] = x.route.allow
		x.refuse(errMethod)
	case s.origin != nil && s.origin.Check(r) != nil:
		x.refuse(errOrigin)
	case x.admit():
		do(&x)
	}
}

// recover answers for user code that panicked.
func (x *exchange) recover() {
	v := recover()
	if v == nil {
		return
	}
	if v == http.ErrAbortHandler || x.began {
		panic(http.ErrAbortHandler) // what was sent is no answer
	}
	x.refuse(errPanicked)
}

var nosniff = []string{"nosniff"}
