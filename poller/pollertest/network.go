package pollertest

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
)

// A Network is in memory: a listener, and clients that reach it whatever host they
// name. They speak to https URLs too, in plain text.
//
// It works in a testing/synctest bubble, and belongs to the bubble it was made in.
//
// Concurrency: all methods may be called by any number of goroutines.
//
// Closing: Close ends the listener and every connection, and waits for the handlers of
// Serve, whose requests' contexts have ended then. It may be called again.
type Network struct {
	// URL is that of a server on this network: no other is more right.
	URL string
	// Listener accepts the connections. Closing it refuses new ones, and no more.
	Listener net.Listener

	accept  chan net.Conn
	closed  chan struct{}  // the listener is
	serving sync.WaitGroup // what Serve has begun

	mu      sync.Mutex
	ended   bool
	dialed  int
	up      int64
	down    int64
	faults  func(i int) Fault
	links   map[*link]struct{}
	clients []*http.Transport
}

// Listen makes a network whose Listener somebody else will serve.
func Listen() *Network {
	n := &Network{
		URL:    "http://server.example",
		accept: make(chan net.Conn),
		closed: make(chan struct{}),
		links:  make(map[*link]struct{}),
	}
	n.Listener = &listener{n: n}
	return n
}

// Serve makes a network on which h is served.
func Serve(h http.Handler) *Network {
	n := Listen()
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !n.begin() {
			panic(http.ErrAbortHandler)
		}
		defer n.serving.Done()
		h.ServeHTTP(w, r)
	})}
	n.serving.Go(func() { _ = s.Serve(n.Listener) })
	return n
}

// begin counts a handler, unless it is too late for any.
func (n *Network) begin() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.ended {
		n.serving.Add(1)
	}
	return !n.ended
}

// Client returns a client all of whose connections are on this network. Close closes
// its idle ones too.
func (n *Network) Client() *http.Client {
	t := &http.Transport{DialContext: n.Dial, DialTLSContext: n.Dial, MaxIdleConnsPerHost: 64}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.clients = append(n.clients, t)
	return &http.Client{Transport: t}
}

// Dial connects to the listener, whatever the address.
func (n *Network) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	l, err := n.connect()
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: "memory", Addr: address{}, Err: err}
	}
	select {
	case n.accept <- l.far:
		return l, nil
	case <-n.closed:
		err = net.ErrClosed
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	_ = l.Close()
	return nil, &net.OpError{Op: "dial", Net: "memory", Addr: address{}, Err: err}
}

// connect makes the two ends of a connection.
func (n *Network) connect() (*link, error) {
	n.mu.Lock()
	faults, i := n.faults, n.dialed
	n.dialed++
	n.mu.Unlock()
	var f Fault
	if faults != nil {
		f = faults(i)
	}
	if f.Where == Dialing && !f.Stall {
		return nil, errRefused
	}
	l := newLink(n, f)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ended {
		return nil, net.ErrClosed
	}
	n.links[l] = struct{}{}
	return l, nil
}

var (
	errRefused = errors.New("connection refused")
	errReset   = errors.New("connection reset by peer")
)

type listener struct {
	n    *Network
	once sync.Once
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.n.accept:
		return c, nil
	case <-l.n.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.n.closed) })
	return nil
}

func (l *listener) Addr() net.Addr { return address{} }

// address is that of everybody.
type address struct{}

func (address) Network() string { return "memory" }
func (address) String() string  { return "memory" }

// Cut breaks all connections there are. New ones can be made.
func (n *Network) Cut() {
	for _, l := range n.all() {
		_ = l.Close()
	}
}

func (n *Network) all() []*link {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := make([]*link, 0, len(n.links))
	for l := range n.links {
		all = append(all, l)
	}
	return all
}

// Traffic tells how many connections were tried, and how many bytes of requests and of
// responses came through.
func (n *Network) Traffic() (dialed int, requests, responses int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.dialed, n.up, n.down
}

// Close ends it all.
func (n *Network) Close() error {
	n.mu.Lock()
	n.ended = true
	clients := n.clients
	n.mu.Unlock()
	_ = n.Listener.Close()
	for _, c := range clients {
		c.CloseIdleConnections()
	}
	n.Cut()
	n.serving.Wait()
	return nil
}
