package natsqueue_test

import (
	"context"
	"fmt"
	"log"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/queue/natsqueue"
)

// What is submitted is done in any process that works on the queue, here in the same.
func Example() {
	ctx, stop := context.WithCancel(context.Background())
	nc, err := nats.Connect(nats.DefaultURL, nats.MaxReconnects(-1))
	if err != nil {
		log.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		log.Fatal(err)
	}
	jobs, err := natsqueue.Open(ctx, js, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer jobs.Close()
	shouts, err := queue.New[string, string]("shouts", jobs, nil)
	if err != nil {
		log.Fatal(err)
	}
	done := make(chan error)
	go func() {
		done <- shouts.Work(ctx, func(_ context.Context, s string) (string, error) { return strings.ToUpper(s) + "!", nil }, nil)
	}()

	ask := shouts.Asker(nil)
	hello, bye := ask(ctx, "hello"), ask(ctx, "bye") // both are under way
	fmt.Println(hello.Await(ctx))
	fmt.Println(bye.Await(ctx))

	stop() // what is under way is finished
	fmt.Println(<-done)
}
