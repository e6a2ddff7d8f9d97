package ways

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A Stage is what a way is set up on: it serves, counts, cuts, and tidies up.
type Stage struct {
	ctx      context.Context
	stop     context.CancelFunc
	running  sync.WaitGroup
	bare     bool // without wires
	wires    []*wire
	requests atomic.Int64
	client   *http.Client
	others   []func() string // that cut what is no wire
	ends     []func()
}

// Conns is how many connections a Client has at the most.
const Conns = 2 * Lanes

func newStage(ctx context.Context, bare bool) *Stage {
	s := &Stage{bare: bare}
	s.ctx, s.stop = context.WithCancel(ctx)
	transport := &http.Transport{MaxConnsPerHost: Conns, MaxIdleConnsPerHost: Conns}
	s.client = &http.Client{Transport: transport}
	s.Defer(transport.CloseIdleConnections)
	return s
}

// Must returns v. What goes wrong in setting up is a mistake in this program.
func Must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Go runs f until the stage ends, or a cut ends it.
func (s *Stage) Go(f func(context.Context) error) {
	s.running.Go(func() { _ = f(s.ctx) })
}

// Worker runs work until the stage ends. A cut kills it, and another takes its place.
func (s *Stage) Worker(work func(context.Context) error) {
	begin := func() (kill func()) {
		ctx, cancel := context.WithCancel(s.ctx)
		s.Go(func(context.Context) error { return work(ctx) })
		return cancel
	}
	kill := begin()
	s.OnCut("the worker", func() {
		kill()
		kill = begin()
	})
}

// OnCut has f cut what is no wire.
func (s *Stage) OnCut(what string, f func()) {
	s.others = append(s.others, func() string { f(); return what })
}

// Defer has fs called when the stage ends, the last one first.
func (s *Stage) Defer(fs ...func()) { s.ends = append(s.ends, fs...) }

// Serve serves h over HTTP until the stage ends, and returns the URL of a wire to it.
func (s *Stage) Serve(h http.Handler) string {
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		h.ServeHTTP(w, r)
	})}
	l := Must(net.Listen("tcp", "127.0.0.1:0"))
	s.Go(func(context.Context) error { return server.Serve(l) })
	s.Defer(func() { _ = server.Close() })
	return "http://" + s.Wire(l.Addr().String())
}

// Client is one for what Serve serves. It has few connections, and keeps them.
func (s *Stage) Client() *http.Client { return s.client }

// Wire lays a wire to an address, and returns that of its other end.
func (s *Stage) Wire(to string) string {
	if s.bare {
		return to
	}
	w := lay(to)
	s.wires = append(s.wires, w)
	s.Defer(w.close)
	return w.listener.Addr().String()
}

// cut cuts whatever there is, and says what that was.
func (s *Stage) cut() string {
	var what []string
	conns := 0
	for _, w := range s.wires {
		conns += w.cut()
	}
	switch {
	case conns == 1:
		what = append(what, "one connection")
	case conns > 1:
		what = append(what, fmt.Sprint(conns, " connections"))
	}
	for _, f := range s.others {
		what = append(what, f())
	}
	return strings.Join(what, ", ")
}

// bytes is what has gone over all wires.
func (s *Stage) bytes() (n int64) {
	for _, w := range s.wires {
		n += w.bytes.Load()
	}
	return n
}

func (s *Stage) end() {
	s.stop()
	for i := len(s.ends) - 1; i >= 0; i-- {
		s.ends[i]()
	}
	s.running.Wait()
}
