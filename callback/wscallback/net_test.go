package wscallback_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/callback/wscallback"
)

// A memoryNet is a network of one listener in memory, which works in a bubble.
type memoryNet struct {
	accept chan net.Conn
	closed chan struct{}
	once   sync.Once

	mu    sync.Mutex
	conns []net.Conn
	down  bool          // refuses connections
	stuck chan struct{} // nil if bytes pass
}

func newMemoryNet() *memoryNet {
	return &memoryNet{accept: make(chan net.Conn), closed: make(chan struct{})}
}

func (n *memoryNet) Accept() (net.Conn, error) {
	select {
	case c := <-n.accept:
		return c, nil
	case <-n.closed:
		return nil, net.ErrClosed
	}
}

func (n *memoryNet) Close() error { n.once.Do(func() { close(n.closed) }); return nil }

func (n *memoryNet) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

func (n *memoryNet) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	n.mu.Lock()
	down := n.down
	n.mu.Unlock()
	if down {
		return nil, net.ErrClosed
	}
	x, y := net.Pipe()
	a, b := &wire{Conn: x, net: n, closed: make(chan struct{})}, &wire{Conn: y, net: n, closed: make(chan struct{})}
	select {
	case n.accept <- b:
		n.mu.Lock()
		n.conns = append(n.conns, a, b)
		n.mu.Unlock()
		return a, nil
	case <-n.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// cut breaks all connections there are.
func (n *memoryNet) cut() {
	n.mu.Lock()
	conns := n.conns
	n.conns = nil
	n.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
	}
}

func (n *memoryNet) refuse(down bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = down
}

// stall has no byte pass any more, or again.
func (n *memoryNet) stall(stuck bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case stuck && n.stuck == nil:
		n.stuck = make(chan struct{})
	case !stuck && n.stuck != nil:
		close(n.stuck)
		n.stuck = nil
	}
}

// A wire is one end of a connection on a memoryNet.
type wire struct {
	net.Conn
	net    *memoryNet
	once   sync.Once
	closed chan struct{}
}

func (w *wire) Write(p []byte) (int, error) {
	if err := w.pass(); err != nil {
		return 0, err
	}
	return w.Conn.Write(p)
}

func (w *wire) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if err == nil {
		err = w.pass()
	}
	return n, err
}

func (w *wire) Close() error {
	w.once.Do(func() { close(w.closed) })
	return w.Conn.Close()
}

// pass waits until bytes pass.
func (w *wire) pass() error {
	w.net.mu.Lock()
	stuck := w.net.stuck
	w.net.mu.Unlock()
	if stuck == nil {
		return nil
	}
	select {
	case <-stuck:
		return nil
	case <-w.closed:
		return net.ErrClosed
	}
}

func (n *memoryNet) client() *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: n.dial, DisableKeepAlives: true}}
}

// foreign is a client of another make: the bare library, with a protocol of its
// choice.
func (n *memoryNet) foreign(t testing.TB, o *websocket.DialOptions) *websocket.Conn {
	t.Helper()
	o.HTTPClient = n.client()
	ws, _, err := websocket.Dial(t.Context(), "ws://memory/", o)
	if err != nil {
		t.Fatal(err)
	}
	ws.SetReadLimit(16 << 20)
	t.Cleanup(func() { _ = ws.CloseNow() })
	return ws
}

func speaking(protocol string) *websocket.DialOptions {
	return &websocket.DialOptions{Subprotocols: []string{protocol}}
}

// inMemory serves on a memoryNet until the test ends.
func inMemory(t testing.TB, serve func(context.Context, *wscallback.Conn) error, o *wscallback.Options) (*memoryNet, *wscallback.Server) {
	h := wscallback.Handler(serve, o)
	return listening(t, h, h), h
}

// listening serves h, of which s is a part, on a memoryNet until the test ends.
func listening(t testing.TB, h http.Handler, s *wscallback.Server) *memoryNet {
	n := newMemoryNet()
	srv := &http.Server{Handler: h}
	done := make(chan struct{})
	go func() { _ = srv.Serve(n); close(done) }()
	t.Cleanup(func() {
		n.stall(false)
		_ = s.Close()
		_ = s.Shutdown(context.Background())
		_ = srv.Close()
		<-done
		n.cut()
	})
	return n
}

// overLoopback serves on a real port until the test ends.
func overLoopback(t testing.TB, serve func(context.Context, *wscallback.Conn) error, o *wscallback.Options) string {
	h := wscallback.Handler(serve, o)
	srv := httptest.NewServer(h)
	t.Cleanup(func() {
		_ = h.Close()
		srv.Close()
	})
	return srv.URL
}

// peerOn dials and runs a peer until the test ends.
func peerOn(t testing.TB, url string, o *wscallback.Options, po *callback.PeerOptions) *callback.Peer {
	t.Helper()
	c, err := wscallback.Dial(context.Background(), url, o)
	if err != nil {
		t.Fatal(err)
	}
	return running(t, callback.NewPeer(c, po))
}

// running runs p until the test ends.
func running(t testing.TB, p *callback.Peer) *callback.Peer {
	ended := make(chan error, 1)
	go func() { ended <- p.Run(context.Background()) }()
	t.Cleanup(func() {
		_ = p.Close()
		<-ended
	})
	return p
}

func serving(setUp func(*callback.Peer), po *callback.PeerOptions) func(context.Context, *wscallback.Conn) error {
	return func(ctx context.Context, c *wscallback.Conn) error {
		p := callback.NewPeer(c, po)
		setUp(p)
		return p.Run(ctx)
	}
}

// A journal is an observer that remembers.
type journal struct {
	mu     sync.Mutex
	events []antiphon.Event
}

func (j *journal) note(e antiphon.Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.events = append(j.events, e)
}

// named returns the events of that name.
func (j *journal) named(name string) (found []antiphon.Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, e := range j.events {
		if e.Name == name {
			found = append(found, e)
		}
	}
	return found
}
