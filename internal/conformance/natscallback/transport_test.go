package natscallback_test

import (
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/antiphon-go/antiphon/callback/callbacktest"
	"github.com/antiphon-go/antiphon/internal/conformance/natscallback/wire"
	"github.com/antiphon-go/antiphon/internal/conformance/natsd"
)

func TestTransportOverLoopback(t *testing.T) {
	s := natsd.Run(t, nil)
	callbacktest.TestTransport(t, callbacktest.Wire{
		Patience: patience,
		Open: func(tb testing.TB) *callbacktest.Ends {
			p := natsd.NewProxy(tb, s.Embedded().Addr().String())
			ends := wire.Open(tb, nil, func() *nats.Conn { return connect(tb, p.URL()) }, func() *nats.Conn { return connect(tb, s.URL()) })
			ends.Cut, ends.Heal = p.Cut, p.Heal
			ends.Stall, ends.Flow = p.Freeze, p.Heal
			return ends
		},
	})
}
