package wscallback_test

import (
	"context"
	"fmt"
	"net"
	"net/http"

	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/callback/wscallback"
)

// A memory is a listener whose connections are in memory: they work in a
// testing/synctest bubble, in virtual time.
type memory chan net.Conn

func (m memory) Dial(context.Context, string, string) (net.Conn, error) {
	a, b := net.Pipe()
	m <- b
	return a, nil
}

func (m memory) Accept() (net.Conn, error) {
	if c, ok := <-m; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (m memory) Close() error   { close(m); return nil }
func (m memory) Addr() net.Addr { return &net.UnixAddr{Name: "memory"} }

// Over connections in memory.
func ExampleDial_inMemory() {
	handler := wscallback.Handler(func(ctx context.Context, c *wscallback.Conn) error {
		p := callback.NewPeer(c, nil)
		callback.Serve(p, "double", func(_ context.Context, n int) (int, error) { return 2 * n, nil }, nil)
		return p.Run(ctx)
	}, nil)
	listener := make(memory)
	server := &http.Server{Handler: handler}
	go server.Serve(listener)

	ctx := context.Background()
	c, err := wscallback.Dial(ctx, "ws://memory/", &wscallback.Options{
		Client: &http.Client{Transport: &http.Transport{DialContext: listener.Dial}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	p := callback.NewPeer(c, nil)
	go p.Run(ctx)
	fmt.Println(callback.Dial[int, int](p, "double", nil)(ctx, 21).Await(ctx))

	p.Close()
	handler.Shutdown(ctx)
	server.Close()
	// Output: 42 <nil>
}
