package wscallback_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

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
	down  bool // refuses connections
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
	a, b := net.Pipe()
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
	defer n.mu.Unlock()
	for _, c := range n.conns {
		_ = c.Close()
	}
	n.conns = nil
}

func (n *memoryNet) refuse(down bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = down
}

func (n *memoryNet) client() *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: n.dial, DisableKeepAlives: true}}
}

// inMemory serves on a memoryNet until the test ends.
func inMemory(t testing.TB, serve func(context.Context, *wscallback.Conn) error, o *wscallback.Options) (*memoryNet, *wscallback.Server) {
	n := newMemoryNet()
	h := wscallback.Handler(serve, o)
	srv := &http.Server{Handler: h}
	done := make(chan struct{})
	go func() { _ = srv.Serve(n); close(done) }()
	t.Cleanup(func() {
		_ = h.Close()
		_ = h.Shutdown(context.Background())
		_ = srv.Close()
		<-done
		n.cut()
	})
	return n, h
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
	c, err := wscallback.Dial(context.Background(), url, o)
	if err != nil {
		t.Fatal(err)
	}
	p := callback.NewPeer(c, po)
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
