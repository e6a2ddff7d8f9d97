package callbackbench

import (
	"context"
	"encoding/json"
	"io"
	"sync"
	"testing"

	"github.com/coder/websocket"
	"github.com/sourcegraph/jsonrpc2"
)

func jsonrpc2WebSocket(t testing.TB) asker {
	ctx := context.Background()
	serves := jsonrpc2.AsyncHandler(jsonrpc2.HandlerWithError(
		func(_ context.Context, _ *jsonrpc2.Conn, r *jsonrpc2.Request) (any, error) {
			var q echo
			err := json.Unmarshal(*r.Params, &q)
			return q, err
		}))
	ws := webSockets(t, func(ws *websocket.Conn) {
		<-jsonrpc2.NewConn(ctx, jsonrpc2Stream{ws}, serves).DisconnectNotify()
	})
	c := jsonrpc2.NewConn(ctx, jsonrpc2Stream{ws}, nil)
	t.Cleanup(func() { _ = c.Close() })
	return func(ctx context.Context, n int) error {
		var a echo
		err := c.Call(ctx, "echo", question(n), &a)
		return wrong(n, a, err)
	}
}

// A jsonrpc2Stream sends each object as a message, as the package's own stream for
// another WebSocket library does.
type jsonrpc2Stream struct{ ws *websocket.Conn }

func (s jsonrpc2Stream) WriteObject(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return s.ws.Write(context.Background(), websocket.MessageText, b)
}

func (s jsonrpc2Stream) ReadObject(v any) error {
	_, b, err := s.ws.Read(context.Background())
	if err != nil {
		return io.EOF
	}
	return json.Unmarshal(b, v)
}

func (s jsonrpc2Stream) Close() error { return s.ws.CloseNow() }

func jsonrpc2Pending(t testing.TB) (func([]jsonrpc2.Waiter), func()) {
	ctx := context.Background()
	c := jsonrpc2.NewConn(ctx, &jsonrpc2Sink{closed: make(chan struct{})}, nil)
	return func(held []jsonrpc2.Waiter) {
			for i := range held {
				var err error
				if held[i], err = c.DispatchCall(ctx, "echo", question(i)); err != nil {
					t.Fatal(err)
				}
			}
		}, func() {
			_ = c.Close()
			<-c.DisconnectNotify()
		}
}

// A jsonrpc2Sink takes all and answers nothing.
type jsonrpc2Sink struct {
	closed chan struct{}
	once   sync.Once
}

func (s *jsonrpc2Sink) WriteObject(v any) error {
	_, err := json.Marshal(v)
	return err
}

func (s *jsonrpc2Sink) ReadObject(any) error {
	<-s.closed
	return io.EOF
}

func (s *jsonrpc2Sink) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}
