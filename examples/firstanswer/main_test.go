package main

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/antiphon-go/antiphon/poller/pollertest"
)

// In virtual time: a push comes with the end of the work, but for the pace of the sender,
// and a poll at the pace of the server.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var (
			out bytes.Buffer
			net memory
		)
		defer net.close()
		if err := run(t.Context(), &out, network{net.listen, net.dial}); err != nil {
			t.Fatalf("%v; printed:\n%s", err, &out)
		}
		printed := strings.Split(strings.TrimSpace(out.String()), "\n\n")
		if len(printed) != len(scenes) {
			t.Fatalf("%d scenes:\n%s", len(printed), &out)
		}
		for i, says := range []struct{ each, sum string }{
			{`by push after 7\d\dms$`, `settled: 4 by push, 0 by poll; lost: 0 pushes, 0 polls$`},
			{`by poll after 1(\.\d+)?s$`, `settled: 0 by push, 4 by poll; lost: 4 pushes, 0 polls$`},
			{`by push after 7\d\dms$`, `settled: 4 by push, 0 by poll; lost: 0 pushes, [1-9]\d* polls$`},
		} {
			lines := strings.Split(printed[i], "\n")
			for _, stone := range stones { // once each
				at := slices.IndexFunc(lines, regexp.MustCompile(`^  `+stone+` +\d carats, `+says.each).MatchString)
				if at < 0 || strings.Count(printed[i], stone) != 1 {
					t.Errorf("%s is not settled once, %s:\n%s", stone, says.each, printed[i])
				}
			}
			if sum := lines[len(lines)-1]; !strings.Contains(sum, "each weighed once: true") || !regexp.MustCompile(says.sum).MatchString(sum) {
				t.Errorf("it does not say %q:\n%s", says.sum, printed[i])
			}
		}
	})
}

// And on a real network.
func TestRunOverLoopback(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), &out, loopback); err != nil {
		t.Fatalf("%v; printed:\n%s", err, &out)
	}
	for _, want := range []string{"settled: 0 by push, 4 by poll", "settled: 4 by push, 0 by poll; lost: 0 pushes"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it does not print %q:\n%s", want, &out)
		}
	}
}

// A memory has as many listeners as are asked for, at ports from 1 on.
type memory struct{ nets []*pollertest.Network }

func (m *memory) listen() (net.Listener, error) {
	n := pollertest.Listen()
	m.nets = append(m.nets, n)
	return at{n.Listener, len(m.nets)}, nil
}

func (m *memory) dial(ctx context.Context, network, address string) (net.Conn, error) {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, err
	}
	return m.nets[to.Port()-1].Dial(ctx, network, address)
}

func (m *memory) close() {
	for _, n := range m.nets {
		_ = n.Close()
	}
}

type at struct {
	net.Listener
	port int
}

func (l at) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: l.port} }
