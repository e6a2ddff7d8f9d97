package natscallback_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/callback/callbacktest"
	"github.com/antiphon-go/antiphon/callback/natscallback"
)

func TestTransport(t *testing.T) {
	for name, o := range map[string]*natscallback.Options{
		"default": nil,
		"narrow":  {Buffer: 1},
	} {
		t.Run(name, func(t *testing.T) {
			callbacktest.TestTransport(t, callbacktest.Wire{
				Patience: patience,
				Open:     func(tb testing.TB) *callbacktest.Ends { return open(tb, o) },
			})
		})
	}
}

// open connects two ends to a server, through a proxy.
func open(tb testing.TB, o *natscallback.Options) *callbacktest.Ends {
	s := sharedServer(tb)
	p := newProxy(tb, s.Addr().String())
	var conns []*nats.Conn
	native := connect(tb, s.ClientURL())
	tb.Cleanup(func() {
		p.close()
		for _, nc := range conns {
			nc.Close()
		}
		native.Close()
	})
	another := func() callback.Transport {
		nc := connect(tb, p.url())
		conns = append(conns, nc)
		return over(tb, nc, o)
	}
	a := another().(*natscallback.Transport)
	return &callbacktest.Ends{
		A: a, B: another(), Another: another,
		Cut: p.cut, Heal: p.heal, Stall: p.stall, Flow: p.flow,
		Garbage: func(b []byte) { garble(tb, native, a, b) },
		Foreign: &callbacktest.Foreign{
			Answer: func(name string) {
				if _, err := native.Subscribe(name, func(m *nats.Msg) { _ = m.Respond(m.Data) }); err != nil {
					tb.Fatal(err)
				}
				_ = native.Flush()
			},
			Ask: func(name string, body []byte) ([]byte, error) {
				m, err := native.Request(name, body, 10*time.Second)
				if err != nil {
					return nil, err
				}
				return m.Data, nil
			},
		},
	}
}

// garble sends to every inbox of a what is nonsense in one respect each.
func garble(tb testing.TB, nc *nats.Conn, a *natscallback.Transport, b []byte) {
	for _, addr := range a.Own() {
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
	_ = nc.Flush()
}
