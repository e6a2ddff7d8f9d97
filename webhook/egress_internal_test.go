package webhook

import (
	"errors"
	"net"
	"net/netip"
	"testing"
)

// The hook is the last word: it judges even what nothing else has looked at.
func TestS1_TheHookOfTheDialer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := netip.MustParseAddrPort(l.Addr().String()).Port()
	e := &Egress{Ports: []uint16{port}}
	_, number, _ := net.SplitHostPort(l.Addr().String())
	for _, host := range []string{"127.0.0.1", "localhost", "::ffff:127.0.0.1", "::1", ""} {
		conn, err := e.dial(t.Context(), "tcp", net.JoinHostPort(host, number))
		if !errors.Is(err, ErrForbidden) {
			t.Errorf("%q: %v", host, err)
		}
		if conn != nil {
			conn.Close()
		}
	}
	e.Allow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	conn, err := e.dial(t.Context(), "tcp", net.JoinHostPort("127.0.0.1", number))
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

func TestS1_TheHookRefusesWhatItCannotRead(t *testing.T) {
	var e *Egress
	for _, tt := range [][2]string{
		{"unix", "/run/docker.sock"}, {"unix", "8.8.8.8:443"}, {"udp4", "8.8.8.8:443"}, {"tcp", "8.8.8.8:443"},
		{"tcp4", ""}, {"tcp4", "8.8.8.8"}, {"tcp4", "example.com:443"}, {"tcp4", "8.8.8.8:https"}, {"tcp4", "0x8.8.8.8:443"},
		{"tcp6", "[2600::1%eth0]:443"}, {"tcp6", "[fe80::1%25]:443"}, {"tcp6", "[::1%]:443"}, {"tcp6", "2600::1:443"}, {"tcp4", "8.8.8.8:80"},
	} {
		if err := e.control(t.Context(), tt[0], tt[1], nil); !errors.Is(err, ErrForbidden) {
			t.Errorf("%v: %v", tt, err)
		}
	}
	for _, tt := range [][2]string{{"tcp4", "8.8.8.8:443"}, {"tcp6", "[2600::1]:443"}} {
		if err := e.control(t.Context(), tt[0], tt[1], nil); err != nil {
			t.Errorf("%v: %v", tt, err)
		}
	}
}

func FuzzEgressHook(f *testing.F) {
	f.Add("tcp6", "[fe80::1%eth0]:443")
	f.Add("tcp4", "8.8.8.8:443")
	f.Add("tcp6", "[::ffff:127.0.0.1]:443")
	f.Fuzz(func(t *testing.T, network, address string) {
		var e *Egress
		if e.control(t.Context(), network, address, nil) != nil {
			return
		}
		to, err := netip.ParseAddrPort(address)
		if err != nil || to.Port() != 443 || to.Addr().Zone() != "" {
			t.Errorf("%q %q is permitted", network, address)
		}
		if a := to.Addr().Unmap(); !a.IsGlobalUnicast() || a.IsPrivate() {
			t.Errorf("%q is permitted", address)
		}
	})
}

// The environment is read once in a process, so that no test of behaviour sees a change:
// nothing of the transport may ask it.
func TestS3_TheTransportHasNoProxy(t *testing.T) {
	tr := (&Egress{}).Transport().(*guard).transport
	if tr.Proxy != nil || tr.GetProxyConnectHeader != nil || tr.DialTLSContext != nil || tr.DialContext == nil {
		t.Errorf("%+v", tr)
	}
}
