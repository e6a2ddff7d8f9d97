package natsd

import (
	"bytes"
	"net"
	"sync"
	"testing"
)

// few is how much a proxy before a server holds: what is stuck is soon felt. One between
// servers holds more: they hand each other all that one of them has missed.
const few = 16 << 10

// A Proxy stands before a server, for clients or for routes, and cuts, refuses and
// stalls when it is told to.
//
// Concurrency: all methods may be called at any time.
type Proxy struct {
	listener net.Listener
	wide     bool
	tasks    sync.WaitGroup

	mu     sync.Mutex
	target string
	refuse bool
	stuck  chan struct{} // nil if bytes pass
	cue    []byte        // what a client sends before the server is muted; nil if nothing is waited for
	mute   chan struct{} // nil if what the server says passes
	ended  chan struct{} // of the connections that there are
	conns  map[*net.TCPConn]struct{}
}

// NewProxy is a proxy before the server at an address, until the test ends.
func NewProxy(tb testing.TB, target string) *Proxy {
	tb.Helper()
	return newProxy(tb, target, false)
}

func newProxy(tb testing.TB, target string, wide bool) *Proxy {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p := &Proxy{target: target, wide: wide, listener: l, ended: make(chan struct{}), conns: map[*net.TCPConn]struct{}{}}
	p.tasks.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.tasks.Go(func() { p.connect(c.(*net.TCPConn)) })
		}
	})
	tb.Cleanup(func() {
		_ = l.Close()
		p.Cut()
		p.tasks.Wait()
	})
	return p
}

// URL is where the proxy listens.
func (p *Proxy) URL() string { return "nats://" + p.listener.Addr().String() }

// To has new connections go to another address.
func (p *Proxy) To(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
}

// Cut ends all connections, and lets none be made until Heal.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = true
	close(p.ended)
	p.ended = make(chan struct{})
	for c := range p.conns {
		_ = c.SetLinger(0)
		_ = c.Close()
	}
}

// Freeze holds what comes from either side, and tells neither, until Heal.
func (p *Proxy) Freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stuck == nil {
		p.stuck = make(chan struct{})
	}
}

// MuteAfter holds what the server says, from when a client has sent text, until Heal.
func (p *Proxy) MuteAfter(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cue = []byte(text)
}

// Drop ends all connections as if they had broken; new ones can be made.
func (p *Proxy) Drop() {
	p.Cut()
	p.Heal()
}

// Heal undoes Cut, Freeze and MuteAfter: what was held goes on.
func (p *Proxy) Heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = false
	if p.stuck != nil {
		close(p.stuck)
		p.stuck = nil
	}
	if p.cue = nil; p.mute != nil {
		close(p.mute)
		p.mute = nil
	}
}

func (p *Proxy) connect(c *net.TCPConn) {
	defer c.Close()
	p.mu.Lock()
	target := p.target
	p.mu.Unlock()
	to, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	s := to.(*net.TCPConn)
	defer s.Close()
	if !p.wide {
		for _, x := range []*net.TCPConn{c, s} {
			_ = x.SetReadBuffer(few)
			_ = x.SetWriteBuffer(few)
		}
	}
	p.mu.Lock()
	if p.refuse {
		p.mu.Unlock()
		return
	}
	p.conns[c], p.conns[s] = struct{}{}, struct{}{}
	ended := p.ended
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { p.pass(c, s, ended, false) })
	both.Go(func() { p.pass(s, c, ended, true) })
	both.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
	delete(p.conns, s)
}

func (p *Proxy) pass(from, to net.Conn, ended chan struct{}, server bool) {
	defer from.Close()
	defer to.Close()
	buf := make([]byte, few)
	for {
		n, err := from.Read(buf)
		p.mu.Lock()
		stuck := p.stuck
		switch {
		case server && stuck == nil:
			stuck = p.mute
		case !server && p.cue != nil && bytes.Contains(buf[:n], p.cue):
			p.cue, p.mute = nil, make(chan struct{})
		}
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
