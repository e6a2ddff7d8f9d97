package natsqueue_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/queue/natsqueue"
)

// opened is a backend on a server in this process, and what closes and removes them;
// anywhere else the server is at a URL.
func opened(ctx context.Context) (*natsqueue.Backend, func()) {
	dir, err := os.MkdirTemp("", "jobs")
	if err != nil {
		panic(err)
	}
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: dir, NoSigs: true, NoLog: true})
	if err != nil {
		panic(err)
	}
	go s.Start()
	s.ReadyForConnections(time.Minute)
	nc, err := nats.Connect(s.ClientURL())
	if err != nil {
		panic(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		panic(err)
	}
	jobs, err := natsqueue.Open(ctx, js, nil)
	if err != nil {
		panic(err)
	}
	return jobs, func() { jobs.Close(); nc.Close(); s.Shutdown(); s.WaitForShutdown(); os.RemoveAll(dir) }
}

// shout is work as you have it already.
func shout(_ context.Context, s string) (string, error) { return strings.ToUpper(s) + "!", nil }

// What is submitted is in the bucket when Submit returns, and done here or in any process
// that has opened it.
func Example() {
	ctx, stop := context.WithCancel(context.Background())
	jobs, closed := opened(ctx)
	defer closed()
	shouts, err := queue.New[string, string]("shouts", jobs, nil)
	if err != nil {
		panic(err)
	}
	done := make(chan error)
	go func() { done <- shouts.Work(ctx, shout, nil) }()

	ask := shouts.Asker(nil)
	hello, bye := ask(ctx, "hello"), ask(ctx, "bye") // both are stored
	fmt.Println(hello.Await(ctx))
	fmt.Println(bye.Await(ctx))

	stop()
	fmt.Println(<-done)
	// Output:
	// HELLO! <nil>
	// BYE! <nil>
	// <nil>
}

// The same with calls that wait.
func Example_synchronous() {
	ctx, stop := context.WithCancel(context.Background())
	jobs, closed := opened(ctx)
	defer closed()
	shouts, err := queue.New[string, string]("shouts", jobs, nil)
	if err != nil {
		panic(err)
	}
	done := make(chan error)
	go func() { done <- shouts.Work(ctx, shout, nil) }()

	ask := future.Block(shouts.Asker(nil))
	fmt.Println(ask(ctx, "hello"))
	fmt.Println(ask(ctx, "bye"))

	stop()
	fmt.Println(<-done)
	// Output:
	// HELLO! <nil>
	// BYE! <nil>
	// <nil>
}
