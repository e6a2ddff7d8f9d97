package callbackbench

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// A question and its answer over one WebSocket on the loopback, so many at once.
func BenchmarkWebSocketAsk1(b *testing.B)   { webSocketAsk(b, 1) }
func BenchmarkWebSocketAsk64(b *testing.B)  { webSocketAsk(b, 64) }
func BenchmarkWebSocketAsk512(b *testing.B) { webSocketAsk(b, 512) }

func webSocketAsk(b *testing.B, flight int) {
	spend := func(name string, open func(testing.TB) asker) {
		b.Run(name, func(b *testing.B) { reportCPU(b, spread(b, flight, open(b))) })
	}
	spend("raw", muxWebSocket)
	b.Run("TCP ping-pong", func(b *testing.B) { reportCPU(b, pingPong(b, flight)) })
	spend("antiphon", ourWebSocket)
	spend("antiphon, ctx that cannot end", ourWebSocketForever)
	spend("jrpc2", jrpc2WebSocket)
	spend("sourcegraph/jsonrpc2", jsonrpc2WebSocket)
}

func reportCPU(b *testing.B, used time.Duration) {
	b.ReportMetric(float64(used)/float64(b.N), "CPU-ns/op")
}

// webSockets returns the asking end of a WebSocket; serve has the other.
func webSockets(t testing.TB, serve func(ws *websocket.Conn)) *websocket.Conn {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if ws, err := websocket.Accept(w, r, nil); err == nil {
			serve(ws)
			_ = ws.CloseNow()
		}
	}))
	t.Cleanup(srv.Close)
	ws, _, err := websocket.Dial(context.Background(), "ws"+strings.TrimPrefix(srv.URL, "http"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ws.CloseNow() })
	return ws
}
