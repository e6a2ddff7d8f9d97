package callbackbench

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/coder/websocket"
	"github.com/creachadair/jrpc2"
	"github.com/creachadair/jrpc2/channel"
	"github.com/creachadair/jrpc2/handler"
)

var (
	jrpc2Serves  = handler.Map{"echo": handler.New(func(_ context.Context, q echo) (echo, error) { return q, nil })}
	jrpc2Options = &jrpc2.ServerOptions{Concurrency: 64}
)

func jrpc2Direct(t testing.TB) asker {
	mine, theirs := channel.Direct()
	srv := jrpc2.NewServer(jrpc2Serves, jrpc2Options).Start(theirs)
	ask, cli := jrpc2Client(mine)
	t.Cleanup(func() {
		_ = cli.Close()
		srv.Stop()
		_ = srv.Wait()
	})
	return ask
}

func jrpc2WebSocket(t testing.TB) asker {
	ws := webSockets(t, func(ws *websocket.Conn) {
		_ = jrpc2.NewServer(jrpc2Serves, jrpc2Options).Start(jrpc2Channel{ws}).Wait()
	})
	ask, cli := jrpc2Client(jrpc2Channel{ws})
	t.Cleanup(func() { _ = cli.Close() })
	return ask
}

func jrpc2Client(c channel.Channel) (asker, *jrpc2.Client) {
	cli := jrpc2.NewClient(c, nil)
	return func(ctx context.Context, n int) error {
		var a echo
		err := cli.CallResult(ctx, "echo", question(n), &a)
		return wrong(n, a, err)
	}, cli
}

// A jrpc2Channel sends each record as a message.
type jrpc2Channel struct{ ws *websocket.Conn }

func (c jrpc2Channel) Send(b []byte) error {
	return c.ws.Write(context.Background(), websocket.MessageText, b)
}

func (c jrpc2Channel) Recv() ([]byte, error) {
	_, b, err := c.ws.Read(context.Background())
	if err != nil {
		return nil, io.EOF
	}
	return b, nil
}

func (c jrpc2Channel) Close() error { return c.ws.CloseNow() }

func jrpc2Pending(testing.TB) (func([]struct{}), func()) {
	sink := &jrpc2Sink{sent: make(chan struct{}), closed: make(chan struct{})}
	cli := jrpc2.NewClient(sink, nil)
	var all sync.WaitGroup
	return func(held []struct{}) {
			sink.want = int64(len(held))
			for i := range held {
				all.Go(func() { _ = cli.CallResult(context.Background(), "echo", question(i), new(echo)) })
			}
			<-sink.sent
		}, func() {
			_ = cli.Close()
			all.Wait()
		}
}

// A jrpc2Sink takes all and answers nothing.
type jrpc2Sink struct {
	n, want int64
	sent    chan struct{} // closed when it has what it wants
	closed  chan struct{}
	once    sync.Once
}

func (s *jrpc2Sink) Send([]byte) error {
	if atomic.AddInt64(&s.n, 1) == s.want {
		close(s.sent)
	}
	return nil
}

func (s *jrpc2Sink) Recv() ([]byte, error) {
	<-s.closed
	return nil, io.EOF
}

func (s *jrpc2Sink) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}
