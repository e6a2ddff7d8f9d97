// Package cutproxy is a TCP proxy on the loopback that misbehaves when it is told to:
// it cuts, stalls, half-closes and slices. It is for tests.
package cutproxy

import (
	"errors"
	"io"
	"net"
	"sync"
)

// A Proxy passes what comes to its address on to another.
//
// Concurrency: all methods may be called by any number of goroutines.
//
// Closing: Close cuts everything and waits for the goroutines.
type Proxy struct {
	target   string
	listener net.Listener
	tasks    sync.WaitGroup

	mu     sync.Mutex
	closed bool
	refuse bool
	slice  int
	stuck  chan struct{} // nil if bytes pass
	pairs  map[*pair]struct{}
}

// New listens on a free port of the loopback.
func New(target string) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{target: target, listener: l, pairs: map[*pair]struct{}{}}
	p.tasks.Go(p.accept)
	return p, nil
}

// Addr is where to connect to.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Cut resets all connections there are, as a crash does.
func (p *Proxy) Cut() { p.each(func(x *pair) { x.end(true) }) }

// End closes all connections there are, as a process that exits does.
func (p *Proxy) End() { p.each(func(x *pair) { x.end(false) }) }

// HalfClose ends one direction of all connections there are: no more comes from the
// end that dialed, or else from the other.
func (p *Proxy) HalfClose(fromDialer bool) { p.each(func(x *pair) { x.halfClose(fromDialer) }) }

// Refuse has further connections closed at once, or not.
func (p *Proxy) Refuse(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = on
}

// Stall lets no byte pass, or again; connections remain, also those that are made
// meanwhile.
func (p *Proxy) Stall(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case on && p.stuck == nil:
		p.stuck = make(chan struct{})
	case !on && p.stuck != nil:
		close(p.stuck)
		p.stuck = nil
	}
}

// Slice passes n bytes at a time; 0 means as many as come.
func (p *Proxy) Slice(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.slice = n
}

// Close ends everything.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	err := p.listener.Close()
	p.Cut()
	p.tasks.Wait()
	return err
}

func (p *Proxy) each(do func(*pair)) {
	p.mu.Lock()
	all := make([]*pair, 0, len(p.pairs))
	for x := range p.pairs {
		all = append(all, x)
	}
	p.mu.Unlock()
	for _, x := range all {
		do(x)
	}
}

func (p *Proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		p.tasks.Go(func() { p.connect(c.(*net.TCPConn)) })
	}
}

func (p *Proxy) connect(c *net.TCPConn) {
	x := &pair{dialer: c, ended: make(chan struct{})}
	p.mu.Lock()
	if p.refuse || p.closed {
		p.mu.Unlock()
		_ = c.Close()
		return
	}
	p.pairs[x] = struct{}{} // before there is anything to see of it at the target
	p.mu.Unlock()
	defer func() {
		x.end(false)
		p.mu.Lock()
		delete(p.pairs, x)
		p.mu.Unlock()
	}()
	t, err := net.Dial("tcp", p.target)
	if err != nil || !x.reaches(t.(*net.TCPConn)) {
		return
	}
	var wg sync.WaitGroup
	wg.Go(func() { p.pass(x, x.dialer, x.target) })
	wg.Go(func() { p.pass(x, x.target, x.dialer) })
	wg.Wait()
}

// pass copies one direction until it ends.
func (p *Proxy) pass(x *pair, from, to *net.TCPConn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		for at := 0; at < n; {
			k, ok := p.gate(x, n-at)
			if !ok {
				return
			}
			if _, err := to.Write(buf[at : at+k]); err != nil {
				x.end(false)
				return
			}
			at += k
		}
		if errors.Is(err, io.EOF) {
			if _, ok := p.gate(x, 0); ok {
				_ = to.CloseWrite()
			}
			return
		}
		if err != nil {
			x.end(true)
			return
		}
	}
}

// gate waits until bytes pass, and says how many of n at once.
func (p *Proxy) gate(x *pair, n int) (int, bool) {
	for {
		p.mu.Lock()
		stuck, slice := p.stuck, p.slice
		p.mu.Unlock()
		if stuck == nil {
			if slice > 0 {
				n = min(n, slice)
			}
			return n, true
		}
		select {
		case <-stuck:
		case <-x.ended:
			return 0, false
		}
	}
}

// A pair is a connection and the one that it is passed on to.
type pair struct {
	dialer *net.TCPConn
	ended  chan struct{}

	mu     sync.Mutex
	target *net.TCPConn // nil until it is reached
	reset  bool
	over   bool
}

// reaches notes the other connection, and reports false if it comes too late.
func (x *pair) reaches(target *net.TCPConn) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.over {
		x.close(target)
		return false
	}
	x.target = target
	return true
}

func (x *pair) close(c *net.TCPConn) {
	if x.reset {
		_ = c.SetLinger(0)
	}
	_ = c.Close()
}

func (x *pair) halfClose(fromDialer bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case !fromDialer:
		_ = x.dialer.CloseWrite()
	case x.target != nil:
		_ = x.target.CloseWrite()
	}
}

func (x *pair) end(reset bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.over {
		return
	}
	x.over, x.reset = true, reset
	close(x.ended)
	x.close(x.dialer)
	if x.target != nil {
		x.close(x.target)
	}
}
