package ways

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// A wire lies between two ends on the loopback: it counts what goes over it, and can be
// cut.
type wire struct {
	listener net.Listener
	to       string
	bytes    atomic.Int64 // both ways
	opened   atomic.Int64 // connections
	running  sync.WaitGroup

	mu     sync.Mutex
	closed bool
	conns  map[*net.TCPConn]bool // both ends of each connection
}

// lay lays a wire to an address.
func lay(to string) *wire {
	w := &wire{listener: Must(net.Listen("tcp", "127.0.0.1:0")), to: to, conns: map[*net.TCPConn]bool{}}
	w.running.Go(func() {
		for {
			c, err := w.listener.Accept()
			if err != nil {
				return
			}
			w.running.Go(func() { w.connect(c.(*net.TCPConn)) })
		}
	})
	return w
}

func (w *wire) connect(asker *net.TCPConn) {
	defer asker.Close()
	c, err := net.Dial("tcp", w.to)
	if err != nil {
		return
	}
	answerer := c.(*net.TCPConn)
	defer answerer.Close()
	if !w.add(asker, answerer) {
		return
	}
	w.opened.Add(1)
	var there sync.WaitGroup
	there.Go(func() { w.carry(answerer, asker) })
	w.carry(asker, answerer)
	there.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.conns, asker)
	delete(w.conns, answerer)
}

func (w *wire) add(asker, answerer *net.TCPConn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return false
	}
	w.conns[asker], w.conns[answerer] = true, true
	return true
}

// carry carries what from says, until it says no more.
func (w *wire) carry(to, from *net.TCPConn) {
	_, _ = io.Copy(to, counted{from, &w.bytes})
	_ = to.CloseWrite()
	_ = from.CloseRead()
}

// counted counts what is read.
type counted struct {
	io.Reader
	n *atomic.Int64
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// cut breaks all connections that there are, without a goodbye to either end, and says
// how many. What is on its way is lost.
func (w *wire) cut() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.conns {
		_ = c.SetLinger(0)
		_ = c.Close()
	}
	return len(w.conns) / 2
}

// close ends the wire.
func (w *wire) close() {
	_ = w.listener.Close()
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.cut()
	w.running.Wait()
}
