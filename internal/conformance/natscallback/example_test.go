package natscallback_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/callback/natscallback"
	"github.com/antiphon-go/antiphon/future"
)

// running is a server in this process; anywhere else it is at a URL.
func running() *server.Server {
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true})
	if err != nil {
		panic(err)
	}
	go s.Start()
	s.ReadyForConnections(time.Minute)
	return s
}

// A method at one end, and at the other an Asker for it.
func Example() {
	s := running()
	defer s.Shutdown()
	nc, err := nats.Connect(s.ClientURL())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer nc.Close()

	ctx := context.Background()
	shop, _ := natscallback.New(nc, nil)
	answering := callback.NewPeer(shop, nil)
	defer answering.Close()
	callback.Serve(answering, "shop.price", func(_ context.Context, item string) (int, error) {
		return 100 * len(item), nil
	}, &callback.ServeOptions{Group: "shop"})
	go answering.Run(ctx)

	customer, _ := natscallback.New(nc, nil) // on any connection to the same NATS
	asking := callback.NewPeer(customer, nil)
	defer asking.Close()
	go asking.Run(ctx)

	if err := answering.Listening(ctx); err != nil {
		fmt.Println(err)
		return
	}
	price := callback.Dial[string, int](asking, "shop.price", nil)
	tea, cake := price(ctx, "tea"), price(ctx, "cake") // both are under way
	fmt.Println(tea.Await(ctx))
	fmt.Println(cake.Await(ctx))
	// Output:
	// 300 <nil>
	// 400 <nil>
}

// The same with calls that wait.
func Example_synchronous() {
	s := running()
	defer s.Shutdown()
	nc, err := nats.Connect(s.ClientURL())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer nc.Close()

	ctx := context.Background()
	shop, _ := natscallback.New(nc, nil)
	answering := callback.NewPeer(shop, nil)
	defer answering.Close()
	callback.Serve(answering, "shop.price", func(_ context.Context, item string) (int, error) {
		return 100 * len(item), nil
	}, &callback.ServeOptions{Group: "shop"})
	go answering.Run(ctx)

	customer, _ := natscallback.New(nc, nil)
	asking := callback.NewPeer(customer, nil)
	defer asking.Close()
	go asking.Run(ctx)

	if err := answering.Listening(ctx); err != nil {
		fmt.Println(err)
		return
	}
	price := future.Block(callback.Dial[string, int](asking, "shop.price", nil))
	fmt.Println(price(ctx, "tea"))
	fmt.Println(price(ctx, "cake"))
	// Output:
	// 300 <nil>
	// 400 <nil>
}

// Where nobody answers, the ask fails at once, and it is safe to ask elsewhere.
func ExampleNew() {
	s := running()
	defer s.Shutdown()
	nc, err := nats.Connect(s.ClientURL())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer nc.Close()

	ctx := context.Background()
	t, err := natscallback.New(nc, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	p := callback.NewPeer(t, nil)
	defer p.Close()
	go p.Run(ctx)

	_, err = callback.Dial[string, int](p, "shop.price", nil)(ctx, "tea").Await(ctx)
	fmt.Println(errors.Is(err, callback.ErrUndeliverable))
	// Output: true
}

// A responder that knows nothing of this library.
func ExampleTransport() {
	s := running()
	defer s.Shutdown()
	nc, err := nats.Connect(s.ClientURL())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer nc.Close()
	_, _ = nc.Subscribe("shout", func(m *nats.Msg) { _ = m.Respond([]byte(strings.ToUpper(string(m.Data)))) })

	ctx := context.Background()
	t, err := natscallback.New(nc, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	p := callback.NewPeer(t, &callback.PeerOptions{Codec: callback.Bytes{}})
	defer p.Close()
	go p.Run(ctx)

	fmt.Println(callback.Dial[string, string](p, "shout", nil)(ctx, "hello").Await(ctx))
	// Output: HELLO <nil>
}
