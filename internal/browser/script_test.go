package browser_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/callback/wscallback"
	"github.com/antiphon-go/antiphon/future/futuretest"
	"github.com/antiphon-go/antiphon/internal/browser"
)

// serve serves a page whose module is script, the client for browsers, and the other
// end of it, which setUp makes.
func serve(t testing.TB, script string, setUp func(*callback.Peer), o *callback.PeerOptions) *httptest.Server {
	h := wscallback.Handler(func(ctx context.Context, c *wscallback.Conn) error {
		p := callback.NewPeer(c, o)
		setUp(p)
		return p.Run(ctx)
	}, nil)
	mux := http.NewServeMux()
	mux.Handle("/ws", h)
	mux.Handle("/antiphon.js", wscallback.Script())
	mux.HandleFunc("/page.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		_, _ = w.Write([]byte(script))
	})
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; connect-src 'self'; img-src data:")
		_, _ = w.Write([]byte(`<!doctype html><link rel="icon" href="data:,"><title>test</title><script type="module" src="/page.js"></script>`))
	})
	s := httptest.NewServer(mux)
	t.Cleanup(func() {
		_ = h.Close()
		s.Close()
	})
	return s
}

// opaque is a codec whose values are no JSON: a browser passes them on as they are,
// and does not know large numbers as it knows them.
type opaque struct{ json antiphon.JSON }

func (opaque) ContentType() string { return "application/x-opaque" }

func (c opaque) Marshal(v any) ([]byte, error) {
	b, err := c.json.Marshal(v)
	return append([]byte{0xff}, b...), err
}

func (c opaque) Unmarshal(b []byte, v any) error {
	if len(b) == 0 || b[0] != 0xff {
		return antiphon.Errorf(antiphon.CodeInvalidArgument, "no opaque value")
	}
	return c.json.Unmarshal(b[1:], v)
}

// relay answers each ask by asking back: so the law holds for what a page answers and
// for what it asks.
const relay = `
import { connect } from "/antiphon.js";
const peer = connect("/ws");
peer.serve("law", (q, ctx) => peer.ask("f", q, { within: ctx, onProgress: (p) => ctx.report(p.percent, p.message, p.data) }), { concurrency: 512 });
`

func TestX8_InChromium(t *testing.T) {
	b := browser.Start(t)
	futuretest.TestAsker(t, futuretest.Way{
		ExactlyOnce: true,
		Codec:       opaque{},
		Open: func(t testing.TB, f futuretest.Func) futuretest.Asker {
			peers := make(chan *callback.Peer, 1)
			s := serve(t, relay, func(p *callback.Peer) {
				callback.Serve(p, "f", f, &callback.ServeOptions{Concurrency: 512})
				peers <- p
			}, &callback.PeerOptions{Codec: opaque{}})
			page := b.Open(t, s.URL)
			select {
			case p := <-peers:
				return callback.Dial[futuretest.Query, futuretest.Answer](p, "law", nil)
			case <-time.After(time.Minute):
				t.Fatalf("the page did not connect within a minute; what went wrong: %q", page.Wrong())
				return nil
			}
		},
	})
}
