package wscallback_test

import (
	"context"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/callback/callbacktest"
	"github.com/antiphon-go/antiphon/callback/wscallback"
	"github.com/antiphon-go/antiphon/callback/wscallback/internal/cutproxy"
)

var forms = map[string]wscallback.Options{
	"binary":     {},
	"text":       {Text: true},
	"compressed": {Compress: true},
	"resume":     {Resume: time.Hour},
	"narrow":     {Buffer: 1, Inbox: 1},
}

func TestTransport(t *testing.T) {
	for name, o := range forms {
		t.Run(name, func(t *testing.T) {
			callbacktest.TestTransport(t, callbacktest.Wire{
				Bubble:  true,
				Resumes: o.Resume > 0,
				Open: func(tb testing.TB) *callbacktest.Ends {
					came, serve := handedOver()
					n, _ := inMemory(tb, serve, &o)
					mine := o
					mine.Client, mine.Backoff = n.client(), antiphon.Constant(10*time.Millisecond)
					ends := dialedAndServed(tb, "ws://memory/", &mine, came)
					ends.Cut = func() { n.refuse(true); n.cut() }
					ends.Heal = func() { n.refuse(false) }
					ends.Stall = func() { n.stall(true) }
					ends.Flow = func() { n.stall(false) }
					return ends
				},
			})
		})
	}
}

func TestTransportOverLoopback(t *testing.T) {
	for _, name := range []string{"binary"} {
		o := forms[name]
		t.Run(name, func(t *testing.T) {
			callbacktest.TestTransport(t, callbacktest.Wire{
				Resumes: o.Resume > 0,
				Open: func(tb testing.TB) *callbacktest.Ends {
					came, serve := handedOver()
					h := wscallback.Handler(serve, &o)
					srv := httptest.NewServer(h)
					proxy, err := cutproxy.New(srv.Listener.Addr().String())
					if err != nil {
						tb.Fatal(err)
					}
					tb.Cleanup(func() {
						_ = proxy.Close()
						_ = h.Close()
						srv.Close()
					})
					mine := o
					mine.Backoff = antiphon.Constant(10 * time.Millisecond)
					ends := dialedAndServed(tb, "ws://"+proxy.Addr(), &mine, came)
					ends.Cut = func() { proxy.Refuse(true); proxy.Cut() }
					ends.Heal = func() { proxy.Refuse(false) }
					ends.Stall = func() { proxy.Stall(true) }
					ends.Flow = func() { proxy.Stall(false) }
					return ends
				},
			})
		})
	}
}

// handedOver is a serve that hands its Conn over and leaves the rest to others.
func handedOver() (chan *wscallback.Conn, func(context.Context, *wscallback.Conn) error) {
	came := make(chan *wscallback.Conn, 100)
	return came, func(ctx context.Context, c *wscallback.Conn) error {
		came <- c
		select {
		case <-ctx.Done():
		case <-c.Ended():
		}
		return nil
	}
}

// dialedAndServed are the end that dials and the one that is served.
func dialedAndServed(tb testing.TB, url string, o *wscallback.Options, came chan *wscallback.Conn) *callbacktest.Ends {
	a, err := wscallback.Dial(context.Background(), url, o)
	if err != nil {
		tb.Fatal(err)
	}
	b := <-came
	ends := &callbacktest.Ends{A: a, B: b, Garbage: func(bytes []byte) { b.Garble(bytes) }}
	if o.Resume == 0 {
		ends.Again = func() callback.Transport {
			_ = b.Close()
			select {
			case b = <-came:
				return b
			case <-time.After(10 * time.Second):
				return nil
			}
		}
	}
	return ends
}
