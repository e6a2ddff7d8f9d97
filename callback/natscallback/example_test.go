package natscallback_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/nats-io/nats.go"

	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/callback/natscallback"
)

// A method at one end, and at the other an Asker for it.
func Example() {
	nc, err := nats.Connect(nats.DefaultURL, nats.MaxReconnects(-1))
	if err != nil {
		log.Fatal(err)
	}
	defer nc.Close()
	t, err := natscallback.New(nc, nil)
	if err != nil {
		log.Fatal(err)
	}
	p := callback.NewPeer(t, nil)
	defer p.Close()
	callback.Serve(p, "shop.price", func(_ context.Context, item string) (int, error) {
		return 100 * len(item), nil
	}, &callback.ServeOptions{Group: "shop"})
	ctx := context.Background()
	go p.Run(ctx)

	price := callback.Dial[string, int](p, "shop.price", nil) // from here or anywhere else
	tea, cake := price(ctx, "tea"), price(ctx, "cake")        // both are under way
	fmt.Println(tea.Await(ctx))
	fmt.Println(cake.Await(ctx))
}

// Where nobody answers, the ask fails at once, and it is safe to ask elsewhere.
func ExampleNew() {
	nc, err := nats.Connect(nats.DefaultURL)
	if err != nil {
		log.Fatal(err)
	}
	defer nc.Close()
	t, err := natscallback.New(nc, nil)
	if err != nil {
		log.Fatal(err)
	}
	p := callback.NewPeer(t, nil)
	defer p.Close()
	ctx := context.Background()
	go p.Run(ctx)

	_, err = callback.Dial[string, int](p, "shop.price", nil)(ctx, "tea").Await(ctx)
	if errors.Is(err, callback.ErrUndeliverable) {
		fmt.Println("nobody sells tea")
	}
}
