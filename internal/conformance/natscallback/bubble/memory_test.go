// Package bubble_test tests natscallback in virtual time. All tests here do so: nats.go
// keeps timers for others to use, and those of a bubble are for nobody outside of it.
package bubble_test

import (
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// A memory is a server in this process and what connects to it, without a network. It
// does for a synctest bubble, as long as nothing is stuck: in nats.go others wait then,
// for a mutex, and virtual time waits for them.
type memory struct {
	server *server.Server

	mu     sync.Mutex
	refuse bool
	conns  []net.Conn
}

// inMemory runs a server until the test, or the bubble, ends.
func inMemory(tb testing.TB) *memory {
	tb.Helper()
	// The timers of another bubble are forgotten when garbage has been collected twice.
	runtime.GC()
	runtime.GC()
	s, err := server.NewServer(&server.Options{DontListen: true, NoSigs: true, NoLog: true})
	if err != nil {
		tb.Fatal(err)
	}
	go s.Start()
	if !s.ReadyForConnections(time.Minute) {
		tb.Fatal("the server did not start")
	}
	tb.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	return &memory{server: s}
}

// InProcessConn is what nats.go connects with.
func (m *memory) InProcessConn() (net.Conn, error) {
	m.mu.Lock()
	refuse := m.refuse
	m.mu.Unlock()
	if refuse {
		return nil, net.ErrClosed
	}
	c, err := m.server.InProcessConn()
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	m.conns = append(m.conns, c)
	m.mu.Unlock()
	return c, nil
}

// cut ends all connections, and lets none be made until heal.
func (m *memory) cut() {
	m.mu.Lock()
	m.refuse = true
	conns := m.conns
	m.conns = nil
	m.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
	}
}

func (m *memory) heal() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refuse = false
}
