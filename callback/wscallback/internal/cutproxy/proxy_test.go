package cutproxy

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// open returns both ends of a connection through a proxy.
func open(t *testing.T) (p *Proxy, dialer, target net.Conn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p, err = New(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	dialer, err = net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	target, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, _, _, _ = p.Close(), dialer.Close(), target.Close(), l.Close()
	})
	send(t, dialer, target, "ready") // the proxy has both, too
	return p, dialer, target
}

func send(t *testing.T, from, to net.Conn, text string) {
	t.Helper()
	if _, err := from.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(to, got); err != nil || string(got) != text {
		t.Fatalf("%q, %v", got, err)
	}
}

func TestPasses(t *testing.T) {
	p, a, b := open(t)
	send(t, a, b, "there")
	send(t, b, a, "and back")
	p.Slice(1)
	send(t, a, b, "a byte at a time")
	p.Slice(0)
	send(t, b, a, "again")
}

func TestCuts(t *testing.T) {
	p, a, b := open(t)
	p.Cut()
	for _, c := range []net.Conn{a, b} {
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("Cut: %v", err)
		}
	}
	p, a, b = open(t)
	p.End()
	for _, c := range []net.Conn{a, b} {
		if _, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("End: %v", err)
		}
	}
}

func TestHalfClose(t *testing.T) {
	for _, fromDialer := range []bool{true, false} {
		p, a, b := open(t)
		if !fromDialer {
			a, b = b, a
		}
		p.HalfClose(fromDialer)
		if _, err := b.Read(make([]byte, 1)); err != io.EOF {
			t.Error(err)
		}
		send(t, b, a, "the other way")
	}
}

func TestStall(t *testing.T) {
	p, a, b := open(t)
	p.Stall(true)
	if _, err := a.Write([]byte("late")); err != nil {
		t.Fatal(err)
	}
	_ = b.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := b.Read(make([]byte, 4)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
	_ = b.SetReadDeadline(time.Time{})
	p.Stall(false)
	got := make([]byte, 4)
	if _, err := io.ReadFull(b, got); err != nil || string(got) != "late" {
		t.Errorf("%q, %v", got, err)
	}
	p.Stall(true) // and Close does not wait for it
}

func TestRefuse(t *testing.T) {
	p, _, _ := open(t)
	p.Refuse(true)
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("it is not closed")
	}
}
