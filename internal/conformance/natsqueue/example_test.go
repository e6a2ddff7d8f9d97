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

// running is a server in this process, and what ends it; anywhere else it is at a URL.
func running() (url string, end func()) {
	dir, err := os.MkdirTemp("", "jetstream")
	if err != nil {
		panic(err)
	}
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: dir, NoSigs: true, NoLog: true})
	if err != nil {
		panic(err)
	}
	go s.Start()
	s.ReadyForConnections(time.Minute)
	return s.ClientURL(), func() {
		s.Shutdown()
		s.WaitForShutdown()
		os.RemoveAll(dir)
	}
}

// shouting is the queue as each process has it, and what ends that.
func shouting(ctx context.Context, url string) (*queue.Queue[string, string], func()) {
	nc, err := nats.Connect(url, nats.MaxReconnects(-1))
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
	shouts, err := queue.New[string, string]("shouts", jobs, nil)
	if err != nil {
		panic(err)
	}
	return shouts, func() { shouts.Close(); jobs.Close(); nc.Close() }
}

// shout is work as you have it already.
func shout(_ context.Context, s string) (string, error) { return strings.ToUpper(s) + "!", nil }

// What is submitted in one process is done in another, and answered where it was asked.
func Example() {
	url, end := running()
	defer end()
	ctx, stop := context.WithCancel(context.Background())

	there, closed := shouting(ctx, url)
	defer closed()
	done := make(chan error)
	go func() { done <- there.Work(ctx, shout, nil) }()

	here, closed := shouting(ctx, url)
	defer closed()
	ask := here.Asker(nil)
	hello, bye := ask(ctx, "hello"), ask(ctx, "bye") // both are under way
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
	url, end := running()
	defer end()
	ctx, stop := context.WithCancel(context.Background())

	there, closed := shouting(ctx, url)
	defer closed()
	done := make(chan error)
	go func() { done <- there.Work(ctx, shout, nil) }()

	here, closed := shouting(ctx, url)
	defer closed()
	ask := future.Block(here.Asker(nil))
	fmt.Println(ask(ctx, "hello"))
	fmt.Println(ask(ctx, "bye"))

	stop()
	fmt.Println(<-done)
	// Output:
	// HELLO! <nil>
	// BYE! <nil>
	// <nil>
}
