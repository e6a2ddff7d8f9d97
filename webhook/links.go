package webhook

import (
	"context"
	"net"
	"net/http"
	"sync"
)

// links are the connections of a transport whose only user ends them all in the end.
// net/http alone would leave some open for as long as they may be idle: those that were
// made in vain, and of HTTP/2 those whose last request has just been given up.
type links struct {
	mu    sync.Mutex
	ended bool
	open  map[*link]struct{}
}

// A link is one connection.
type link struct {
	net.Conn
	all *links
}

// of has the connections of t, which is not in use yet, be links.
func (l *links) of(t *http.Transport) {
	l.open = map[*link]struct{}{}
	dial := t.DialContext
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return l.add(c)
	}
}

func (l *links) add(c net.Conn) (net.Conn, error) {
	k := &link{c, l}
	l.mu.Lock()
	ended := l.ended
	if !ended {
		l.open[k] = struct{}{}
	}
	l.mu.Unlock()
	if ended {
		_ = c.Close()
		return nil, net.ErrClosed
	}
	return k, nil
}

func (k *link) Close() error {
	k.all.mu.Lock()
	delete(k.all.open, k)
	k.all.mu.Unlock()
	return k.Conn.Close()
}

// end closes all links, and those that are yet to be made.
func (l *links) end() {
	l.mu.Lock()
	l.ended = true
	open := l.open
	l.open = nil
	l.mu.Unlock()
	for k := range open {
		_ = k.Conn.Close()
	}
}
