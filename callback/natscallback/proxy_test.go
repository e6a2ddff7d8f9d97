package natscallback_test

import (
	"net"
	"sync"
	"testing"
)

// A proxy stands between clients and a server, and cuts, refuses and stalls when it
// is told to. It holds little itself: what is stuck is soon felt.
type proxy struct {
	target   string
	listener net.Listener
	tasks    sync.WaitGroup

	mu     sync.Mutex
	closed bool
	refuse bool
	stuck  chan struct{} // nil if bytes pass
	ended  chan struct{} // of the connections that there are
	conns  map[net.Conn]struct{}
}

const fewBytes = 16 << 10

func newProxy(tb testing.TB, target string) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p := &proxy{target: target, listener: l, ended: make(chan struct{}), conns: map[net.Conn]struct{}{}}
	p.tasks.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.tasks.Go(func() { p.connect(c) })
		}
	})
	return p
}

func (p *proxy) url() string { return "nats://" + p.listener.Addr().String() }

func (p *proxy) connect(c net.Conn) {
	defer c.Close()
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer server.Close()
	for _, x := range []net.Conn{c, server} {
		_ = x.(*net.TCPConn).SetReadBuffer(fewBytes)
		_ = x.(*net.TCPConn).SetWriteBuffer(fewBytes)
	}
	p.mu.Lock()
	if p.refuse || p.closed {
		p.mu.Unlock()
		return
	}
	p.conns[c], p.conns[server] = struct{}{}, struct{}{}
	ended := p.ended
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { p.pass(c, server, ended) })
	both.Go(func() { p.pass(server, c, ended) })
	both.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
	delete(p.conns, server)
}

func (p *proxy) pass(from, to net.Conn, ended chan struct{}) {
	defer from.Close()
	defer to.Close()
	buf := make([]byte, fewBytes)
	for {
		n, err := from.Read(buf)
		p.mu.Lock()
		stuck := p.stuck
		p.mu.Unlock()
		if stuck != nil {
			select {
			case <-stuck:
			case <-ended:
				return
			}
		}
		if _, worse := to.Write(buf[:n]); err != nil || worse != nil {
			return
		}
	}
}

// cut ends all connections, and lets none be made until heal.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = true
	close(p.ended)
	p.ended = make(chan struct{})
	for c := range p.conns {
		_ = c.(*net.TCPConn).SetLinger(0)
		_ = c.Close()
	}
}

func (p *proxy) heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = false
}

func (p *proxy) stall() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stuck == nil {
		p.stuck = make(chan struct{})
	}
}

func (p *proxy) flow() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stuck != nil {
		close(p.stuck)
		p.stuck = nil
	}
}

func (p *proxy) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	_ = p.listener.Close()
	p.cut()
	p.tasks.Wait()
}
