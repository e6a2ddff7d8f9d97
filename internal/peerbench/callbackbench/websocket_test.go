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
	spend(b, flight, "raw", muxJSON)
	b.Run("TCP ping-pong", func(b *testing.B) { reportCPU(b, pingPong(b, flight)) })
	spend(b, flight, "antiphon", ourWebSocket)
	spend(b, flight, "antiphon, ctx that cannot end", ourWebSocketForever)
	spend(b, flight, "jrpc2", jrpc2WebSocket)
	spend(b, flight, "sourcegraph/jsonrpc2", jsonrpc2WebSocket)
}

// The same with bytes that nobody encodes: what is left is the way.
func BenchmarkWebSocketBytes1(b *testing.B)   { webSocketBytes(b, 1) }
func BenchmarkWebSocketBytes64(b *testing.B)  { webSocketBytes(b, 64) }
func BenchmarkWebSocketBytes512(b *testing.B) { webSocketBytes(b, 512) }

func webSocketBytes(b *testing.B, flight int) {
	spend(b, flight, "raw", muxBytes)
	spend(b, flight, "antiphon", ourWebSocketBytes)
	spend(b, flight, "antiphon, ctx that cannot end", ourWebSocketBytesForever)
}

// spend is asks that reports the CPU too.
func spend(b *testing.B, flight int, name string, open func(testing.TB) asker) {
	b.Run(name, func(b *testing.B) { reportCPU(b, spread(b, flight, open(b))) })
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
