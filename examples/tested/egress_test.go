package tested

import (
	"context"
	"net"
	"net/netip"

	"github.com/antiphon-go/antiphon/poller/pollertest"
	"github.com/antiphon-go/antiphon/webhook"
)

// memory is the guard of a sender whose network is n: all names are at one address, which
// is nowhere.
func memory(n *pollertest.Network) webhook.Egress {
	somewhere := netip.MustParseAddr("192.0.2.1")
	return webhook.Egress{
		PlainHTTP: true,
		Allow:     []netip.Prefix{netip.PrefixFrom(somewhere, 32)},
		Lookup:    func(context.Context, string) ([]netip.Addr, error) { return []netip.Addr{somewhere}, nil },
		Dial:      func(ctx context.Context, to netip.AddrPort) (net.Conn, error) { return n.Dial(ctx, "tcp", to.String()) },
	}
}
