// Package wire connects the ends that the suite of transports tests to servers of NATS.
package wire

import (
	"context"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/callback/callbacktest"
	"github.com/antiphon-go/antiphon/callback/natscallback"
)

// narrow dials connections that hold little.
type narrow struct{}

func (narrow) Dial(network, addr string) (net.Conn, error) {
	c, err := net.Dial(network, addr)
	if err == nil {
		_ = c.(*net.TCPConn).SetWriteBuffer(16 << 10)
	}
	return c, err
}

// Connect makes a connection that never gives up.
func Connect(tb testing.TB, url string, o ...nats.Option) *nats.Conn {
	tb.Helper()
	nc, err := nats.Connect(url, append([]nats.Option{
		nats.MaxReconnects(-1),
		nats.ReconnectWait(10 * time.Millisecond),
		nats.ReconnectJitter(0, 0),
		nats.SetCustomDialer(narrow{}),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}),
	}, o...)...)
	if err != nil {
		tb.Fatal(err)
	}
	return nc
}

// Open connects two ends to a server with dial, and with foreign a client that knows
// nothing of us. What is foreign is not cut.
func Open(tb testing.TB, o *natscallback.Options, dial, foreign func() *nats.Conn) *callbacktest.Ends {
	conns := []*nats.Conn{foreign()}
	native := conns[0]
	tb.Cleanup(func() {
		for _, nc := range conns {
			nc.Close()
		}
	})
	another := func() *listening {
		nc := dial()
		conns = append(conns, nc)
		t, err := natscallback.New(nc, o)
		if err != nil {
			tb.Fatal(err)
		}
		return &listening{Transport: t}
	}
	a := another()
	return &callbacktest.Ends{
		A: a, B: another(), Another: func() callback.Transport { return another() },
		Garbage: func(b []byte) { garble(tb, native, a.own(), b) },
		Foreign: &callbacktest.Foreign{
			Answer: func(name string) {
				if _, err := native.Subscribe(name, func(m *nats.Msg) { _ = m.Respond(m.Data) }); err != nil {
					tb.Fatal(err)
				}
				if err := flush(native); err != nil {
					tb.Fatal(err)
				}
			},
			Ask: func(name string, body []byte) ([]byte, error) {
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				defer cancel()
				m, err := native.RequestWithContext(ctx, name, body)
				if err != nil {
					return nil, err
				}
				return m.Data, nil
			},
		},
	}
}

// A listening is a transport that remembers which inboxes nobody else has.
type listening struct {
	*natscallback.Transport

	mu    sync.Mutex
	addrs []string
}

func (l *listening) Listen(ctx context.Context, addr string) (callback.Inbox, error) {
	in, err := l.Transport.Listen(ctx, addr)
	if err == nil && addr == "" {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.addrs = append(l.addrs, in.Addr())
	}
	return in, err
}

func (l *listening) own() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.addrs)
}

// garble sends to some inboxes what is nonsense in one respect each.
func garble(tb testing.TB, nc *nats.Conn, addrs []string, b []byte) {
	for _, addr := range addrs {
		id := callback.ID{1}.String()
		for _, m := range []*nats.Msg{
			{Subject: addr + "nonsense", Data: b},
			{Subject: addr + id, Data: b},
			{Subject: addr + id, Header: nats.Header{"Antiphon-Kind": {"nonsense"}}, Data: b},
			{Subject: addr + id, Header: nats.Header{"Antiphon-Kind": {"part"}}, Data: b},
			{Subject: addr + id, Header: nats.Header{"Antiphon-Seq": {"-1"}}, Data: b},
			{Subject: addr + id, Header: nats.Header{"Antiphon-Timeout": {string(b) + "x"}}},
			{Subject: addr + id, Header: nats.Header{"Antiphon-Error": {string(b)}}},
			{Subject: addr + id, Header: nats.Header{"Antiphon-Header": {"%" + string(b)}}},
		} {
			if err := nc.PublishMsg(m); err != nil {
				tb.Fatal(err)
			}
		}
	}
	_ = flush(nc)
}

const patience = 10 * time.Second

func flush(nc *nats.Conn) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return nc.FlushWithContext(ctx)
}
