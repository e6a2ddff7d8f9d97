package pollertest

import (
	"net"
	"time"
)

// A Fault is what is wrong with a connection. The zero value is nothing.
type Fault struct {
	// Where is what gets stuck.
	Where Where
	// After is how many bytes of it come through first.
	After int64
	// Stall goes silent for good, where otherwise the connection breaks.
	Stall bool
}

// Where is a part of a connection's life.
type Where int

// What can get stuck.
const (
	Nowhere   Where = iota
	Dialing         // the connection is refused, or accepted and never heard of
	Requests        // what the client sends
	Responses       // what the server sends
)

// Fail has connections fail as faults says, which is told the number of each, from 0.
// It is called by who dials, at once for connections that are made at once. Nil ends it.
func (n *Network) Fail(faults func(i int) Fault) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.faults = faults
}

// A link is the client's end of a connection. Its fault is there.
type link struct {
	net.Conn // the pipe to far
	far      net.Conn
	net      *Network
	fault    Fault
	left     int64    // of fault.After; used by reads or by writes alone
	void     net.Conn // what is silent: nobody is at its other end
}

func newLink(n *Network, f Fault) *link {
	l := &link{net: n, fault: f, left: f.After}
	l.Conn, l.far = net.Pipe()
	l.far = &farEnd{l.far, l}
	l.void, _ = net.Pipe()
	return l
}

// farEnd tells the network when the server closes its end.
type farEnd struct {
	net.Conn
	l *link
}

func (e *farEnd) Close() error {
	e.l.forget()
	return e.Conn.Close()
}

func (l *link) Read(p []byte) (int, error) {
	if l.fault.Where == Dialing || l.fault.Where == Responses && l.left <= 0 {
		return l.stuck(l.void.Read, p)
	}
	if l.fault.Where == Responses {
		p = p[:min(int64(len(p)), l.left)]
	}
	k, err := l.Conn.Read(p)
	if l.fault.Where == Responses {
		l.left -= int64(k)
	}
	l.count(&l.net.down, k)
	return k, err
}

func (l *link) Write(p []byte) (k int, err error) {
	switch l.fault.Where {
	case Dialing:
		return l.stuck(l.void.Write, p)
	case Requests:
		if some := p[:min(int64(len(p)), l.left)]; len(some) < len(p) {
			if len(some) > 0 {
				k, err = l.Conn.Write(some)
				l.left -= int64(k)
				l.count(&l.net.up, k)
			}
			if err != nil {
				return k, err
			}
			more, err := l.stuck(l.void.Write, p[k:])
			return k + more, err
		}
		defer func() { l.left -= int64(k) }()
	}
	k, err = l.Conn.Write(p)
	l.count(&l.net.up, k)
	return k, err
}

// stuck is what has come to its fault.
func (l *link) stuck(wait func([]byte) (int, error), p []byte) (int, error) {
	if l.fault.Stall {
		return wait(p)
	}
	_ = l.Close()
	return 0, errCut
}

var errCut = &net.OpError{Op: "read", Net: "memory", Err: errReset}

func (l *link) count(which *int64, k int) {
	l.net.mu.Lock()
	defer l.net.mu.Unlock()
	*which += int64(k)
}

func (l *link) forget() {
	l.net.mu.Lock()
	defer l.net.mu.Unlock()
	delete(l.net.links, l)
}

// Close closes both ends: whatever is under way in either breaks.
func (l *link) Close() error {
	_ = l.far.Close() // and forgets
	_ = l.void.Close()
	return l.Conn.Close()
}

func (l *link) SetDeadline(t time.Time) error {
	_ = l.void.SetDeadline(t)
	return l.Conn.SetDeadline(t)
}

func (l *link) SetReadDeadline(t time.Time) error {
	_ = l.void.SetReadDeadline(t)
	return l.Conn.SetReadDeadline(t)
}

func (l *link) SetWriteDeadline(t time.Time) error {
	_ = l.void.SetWriteDeadline(t)
	return l.Conn.SetWriteDeadline(t)
}
