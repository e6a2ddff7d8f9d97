package bubble_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/callback/callbacktest"
	"github.com/antiphon-go/antiphon/callback/natscallback"
	"github.com/antiphon-go/antiphon/internal/conformance/natscallback/wire"
)

// The rules in virtual time, but for those that need a wire that is stuck.
func TestTransport(t *testing.T) {
	for name, o := range map[string]*natscallback.Options{
		"default": nil,
		"narrow":  {Buffer: 1},
	} {
		t.Run(name, func(t *testing.T) {
			callbacktest.TestTransport(t, callbacktest.Wire{
				Bubble: true,
				Open: func(tb testing.TB) *callbacktest.Ends {
					m := inMemory(tb)
					ends := wire.Open(tb, o, func() *nats.Conn { return connect(tb, m) }, func() *nats.Conn { return connect(tb, m.server) })
					ends.Cut, ends.Heal = m.cut, m.heal
					return ends
				},
			})
		})
	}
}

// connect connects without a network.
func connect(tb testing.TB, to nats.InProcessConnProvider) *nats.Conn {
	tb.Helper()
	return wire.Connect(tb, "nats://memory", nats.InProcessServer(to))
}

// A month of waiting takes no time, and ends to the nanosecond.
func TestC3_VirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := inMemory(t)
		nc := connect(t, m.server)
		defer nc.Close()
		tr, err := natscallback.New(nc, nil)
		if err != nil {
			t.Fatal(err)
		}
		p := callback.NewPeer(tr, nil)
		callback.Serve(p, "never", func(ctx context.Context, _ int) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		}, nil)
		ran := make(chan error)
		go func() { ran <- p.Run(t.Context()) }()
		start := time.Now()
		_, err = callback.Dial[int, int](p, "never", &callback.DialOptions{Timeout: 30 * 24 * time.Hour})(t.Context(), 1).Await(t.Context())
		if !errors.Is(err, callback.ErrExpired) || time.Since(start) != 30*24*time.Hour {
			t.Error(err, time.Since(start))
		}
		_ = p.Close()
		if err := <-ran; err != nil {
			t.Error(err)
		}
	})
}
