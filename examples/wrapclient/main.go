// Wrapclient wraps two synchronous clients that know nothing of futures: one of
// net/http, and one with options, as the clients of gRPC and of cloud providers
// are. The shop that they ask is started here too: it takes its time, limits its
// callers, and leaves some of them without an answer. What is printed is measured;
// if anything is not as it is said to be, the program says so and fails.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"time"
)

func main() {
	log.SetFlags(0)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	if err := demo(os.Stdout, listener, new(net.Dialer).DialContext); err != nil {
		log.Fatal("not as it should be: ", err)
	}
}

// A scene shows one thing, and fails if it is not so.
type scene struct {
	title string
	how   string
	play  func(context.Context, *stage) error
}

var scenes = []scene{
	{"The slowest, not the sum", "future.Lift(client.Price, nil)", together},
	{"Never more at once than the limit", "Concurrency: 3", limited},
	{"A timeout for each attempt", "Timeout: 250ms, Attempts: 5", timedOut},
	{"The server says when to come back", "antiphon.RetryAfter", toldToWait},
	{"A second call when the first takes long", "Hedge: 40ms", hedged},
	{"One cancel, two answers", "Concurrency: 1", cancelled},
	{"A client with options", "future.CallOpts, or a closure", withOptions},
	{"Is it safe to ask again?", "antiphon.CodeOf, antiphon.ClassOf", classes},
}

// A stage is what the scenes play on.
type stage struct {
	out     io.Writer
	shop    *shop    // the server, which tells what it has seen
	client  *Client  // of net/http
	archive *Archive // with options
}

func (s *stage) say(format string, args ...any) {
	fmt.Fprintf(s.out, "  "+format+"\n", args...)
}

// demo plays all scenes over a network: a listener, and how to reach it.
func demo(out io.Writer, listener net.Listener, dial func(ctx context.Context, network, address string) (net.Conn, error)) error {
	shop := newShop()
	server := &http.Server{Handler: shop}
	go func() { _ = server.Serve(listener) }()
	defer server.Close()
	transport := &http.Transport{DialContext: dial}
	defer transport.CloseIdleConnections()

	url, client := "http://"+listener.Addr().String(), http.Client{Transport: transport}
	s := &stage{out, shop, &Client{url, client}, &Archive{url, client}}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for _, scene := range scenes {
		fmt.Fprintf(out, "%s (%s)\n", scene.title, scene.how)
		if err := scene.play(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", scene.title, err)
		}
		fmt.Fprintln(out)
	}
	return nil
}
