package callbackbench

import (
	"context"
	"errors"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/callback/wscallback"
	"github.com/antiphon-go/antiphon/future"
)

func ourExpectResolve(r *callback.Registry[echo], ctx context.Context, n int) error {
	id, f, err := r.Expect(ctx, time.Minute)
	if err != nil {
		return err
	}
	if err := r.Resolve(id, question(n)); err != nil {
		return err
	}
	a, err := f.Await(ctx)
	return wrong(n, a, err)
}

func ourRegistry[T any](t testing.TB) *callback.Registry[T] {
	r := callback.NewRegistry[T](nil)
	t.Cleanup(func() { r.Close(nil) })
	return r
}

func ourExpected(testing.TB) (func([]*future.Future[int]), func()) {
	r := callback.NewRegistry[int](nil)
	return func(held []*future.Future[int]) {
		for i := range held {
			var err error
			if _, held[i], err = r.Expect(context.Background(), time.Hour); err != nil {
				panic(err)
			}
		}
	}, func() { r.Close(nil) }
}

func ourExpiring(t testing.TB, n int, due time.Time) (await func() error) {
	r := ourRegistry[int](t)
	held := make([]*future.Future[int], n)
	for i := range held {
		var err error
		if _, held[i], err = r.Expect(context.Background(), max(time.Until(due), 1)); err != nil {
			t.Fatal(err)
		}
	}
	return func() error {
		for _, f := range held {
			if _, err := f.Await(context.Background()); !errors.Is(err, callback.ErrExpired) {
				return errors.New("it has been answered")
			}
		}
		return nil
	}
}

// ourPipe asks with a body that nobody has to encode: as the raw rows do.
func ourPipe(t testing.TB) asker {
	return ourBytes(ourPair(t, &callback.PeerOptions{Codec: callback.Bytes{}}, serveBytes))
}

// ourPipeForever asks in a context that cannot end.
func ourPipeForever(t testing.TB) asker {
	ask := ourPipe(t)
	return func(_ context.Context, n int) error { return ask(context.Background(), n) }
}

func ourPipeJSON(t testing.TB) asker { return ourEcho(ourPair(t, nil, serveEcho)) }

func serveEcho(p *callback.Peer) {
	callback.Serve(p, "echo", func(_ context.Context, q echo) (echo, error) { return q, nil }, nil)
}

func ourEcho(p *callback.Peer) asker {
	ask := callback.Dial[echo, echo](p, "echo", nil)
	return func(ctx context.Context, n int) error {
		a, err := ask(ctx, question(n)).Await(ctx)
		return wrong(n, a, err)
	}
}

func serveBytes(p *callback.Peer) {
	callback.Serve(p, "echo", func(_ context.Context, q []byte) ([]byte, error) { return q, nil }, nil)
}

func ourBytes(p *callback.Peer) asker {
	ask := callback.Dial[[]byte, []byte](p, "echo", nil)
	return func(ctx context.Context, n int) error {
		a, err := ask(ctx, questionBytes(n)).Await(ctx)
		return wrongBytes(n, a, err)
	}
}

// ourPair is a peer with another that answers at the other end of a pipe.
func ourPair(t testing.TB, o *callback.PeerOptions, serve func(*callback.Peer)) *callback.Peer {
	x, y := callback.Pipe(nil)
	answerer := callback.NewPeer(y, o)
	serve(answerer)
	runPeer(t, answerer)
	return runPeer(t, callback.NewPeer(x, o))
}

func runPeer(t testing.TB, p *callback.Peer) *callback.Peer {
	ended := make(chan error, 1)
	go func() { ended <- p.Run(context.Background()) }()
	t.Cleanup(func() {
		_ = p.Close()
		<-ended
	})
	return p
}

func ourPending(testing.TB) (func([]*future.Future[echo]), func()) {
	return pendingAsks(context.Background())
}

func ourPendingCancellable(testing.TB) (func([]*future.Future[echo]), func()) {
	ctx, cancel := context.WithCancel(context.Background())
	fill, end := pendingAsks(ctx)
	return fill, func() {
		end()
		cancel()
	}
}

// pendingAsks asks an end that receives and never answers.
func pendingAsks(ctx context.Context) (func([]*future.Future[echo]), func()) {
	x, y := callback.Pipe(&callback.PipeOptions{Buffer: million})
	p := callback.NewPeer(x, nil)
	var ends sync.WaitGroup
	ends.Go(func() { _ = p.Run(context.Background()) })
	ask := callback.Dial[echo, echo](p, "echo", &callback.DialOptions{Timeout: time.Hour})
	return func(held []*future.Future[echo]) {
			came := make(chan struct{})
			ends.Go(func() {
				in, err := y.Listen(context.Background(), "")
				if err != nil {
					panic(err)
				}
				for n := 0; err == nil; n++ {
					if n == len(held) {
						close(came)
					}
					_, err = in.Receive(context.Background())
				}
			})
			for i := range held {
				held[i] = ask(ctx, question(i))
			}
			<-came
		}, func() {
			_ = p.Close()
			_ = y.Close()
			ends.Wait()
		}
}

func ourWebSocket(t testing.TB) asker { return ourEcho(overWebSocket(t, nil, serveEcho)) }

func ourWebSocketForever(t testing.TB) asker {
	ask := ourWebSocket(t)
	return func(_ context.Context, n int) error { return ask(context.Background(), n) }
}

func ourWebSocketBytes(t testing.TB) asker {
	return ourBytes(overWebSocket(t, &callback.PeerOptions{Codec: callback.Bytes{}}, serveBytes))
}

func ourWebSocketBytesForever(t testing.TB) asker {
	ask := ourWebSocketBytes(t)
	return func(_ context.Context, n int) error { return ask(context.Background(), n) }
}

// overWebSocket is a peer with another that answers at the other end of a WebSocket.
func overWebSocket(t testing.TB, o *callback.PeerOptions, serve func(*callback.Peer)) *callback.Peer {
	h := wscallback.Handler(func(ctx context.Context, c *wscallback.Conn) error {
		p := callback.NewPeer(c, o)
		serve(p)
		return p.Run(ctx)
	}, nil)
	srv := httptest.NewServer(h)
	t.Cleanup(func() {
		_ = h.Close()
		srv.Close()
	})
	c, err := wscallback.Dial(context.Background(), srv.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	return runPeer(t, callback.NewPeer(c, o))
}
