package callback_test

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/future"
)

// price is a method as you have it already.
func price(_ context.Context, item string) (int, error) {
	if item == "unicorn" {
		return 0, antiphon.Errorf(antiphon.CodeNotFound, "no %s for sale", item)
	}
	return 10 * len(item), nil
}

func Example() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	here, there := callback.Pipe(nil) // or two ends of a WebSocket

	shop := callback.NewPeer(there, nil)
	callback.Serve(shop, "price", price, nil)
	go shop.Run(ctx)

	customer := callback.NewPeer(here, nil)
	ask := callback.Dial[string, int](customer, "price", nil)
	go customer.Run(ctx)

	pear, unicorn := ask(ctx, "pear"), ask(ctx, "unicorn") // both return at once
	fmt.Println(pear.Await(ctx))
	_, err := unicorn.Await(ctx)
	fmt.Println(err, antiphon.CodeOf(err), antiphon.ClassOf(err))
	// Output:
	// 40 <nil>
	// no unicorn for sale not_found failed
}

// The same with calls that wait.
func Example_synchronous() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	here, there := callback.Pipe(nil)

	shop := callback.NewPeer(there, nil)
	callback.Serve(shop, "price", price, nil)
	go shop.Run(ctx)

	customer := callback.NewPeer(here, nil)
	ask := future.Block(callback.Dial[string, int](customer, "price", nil))
	go customer.Run(ctx)

	fmt.Println(ask(ctx, "pear"))
	_, err := ask(ctx, "unicorn")
	fmt.Println(err, antiphon.CodeOf(err), antiphon.ClassOf(err))
	// Output:
	// 40 <nil>
	// no unicorn for sale not_found failed
}

// peers runs two peers on a pipe until stop is called.
func peers() (a, b *callback.Peer, stop func()) {
	x, y := callback.Pipe(nil)
	a, b = callback.NewPeer(x, nil), callback.NewPeer(y, nil)
	ctx, cancel := context.WithCancel(context.Background())
	ended := []*future.Future[struct{}]{}
	for _, p := range []*callback.Peer{a, b} {
		ended = append(ended, future.Go(ctx, func(ctx context.Context) (struct{}, error) {
			return struct{}{}, p.Run(ctx)
		}))
	}
	return a, b, func() {
		cancel()
		_, _ = future.Settled(ended...).Await(context.Background())
	}
}

// Both ends may ask and answer, also while they are answering.
func ExampleServe() {
	ctx := context.Background()
	hub, device, stop := peers()
	defer stop()

	callback.Serve(device, "name", func(context.Context, struct{}) (string, error) { return "thermostat", nil }, nil)
	name := future.Block(callback.Dial[struct{}, string](hub, "name", nil))
	callback.Serve(hub, "greet", func(ctx context.Context, word string) (string, error) {
		who, err := name(ctx, struct{}{}) // asks back on the same connection
		return word + ", " + who, err
	}, nil)

	greet := callback.Dial[string, string](device, "greet", nil)
	fmt.Println(greet(ctx, "Hello").Await(ctx))
	// Output: Hello, thermostat <nil>
}

// What the work reports reaches the asker, and the asker's deadline the work.
func ExampleDial() {
	a, b, stop := peers()
	defer stop()
	callback.Serve(b, "bake", func(ctx context.Context, cake string) (string, error) {
		antiphon.Report(ctx, 50, "in the oven", nil)
		_, limited := ctx.Deadline()
		return fmt.Sprintf("%s, in time: %v", cake, limited), nil
	}, nil)

	heard := make(chan string, 1)
	ctx := antiphon.WithProgress(context.Background(), func(p antiphon.Progress) {
		heard <- fmt.Sprintf("%v %% %s", p.Percent, p.Message)
	})
	bake := callback.Dial[string, string](a, "bake", &callback.DialOptions{Timeout: time.Minute})
	cake := bake(ctx, "plum cake")
	fmt.Println(<-heard)
	fmt.Println(cake.Await(ctx))
	// Output:
	// 50 % in the oven
	// plum cake, in time: true <nil>
}

// A stream is sent as far as the asker has room, and ends when the loop is left.
func ExampleServeStream() {
	ctx := context.Background()
	a, b, stop := peers()
	defer stop()
	callback.ServeStream(b, "words", func(_ context.Context, text string) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			for word := range strings.FieldsSeq(text) {
				if !yield(word, nil) {
					return
				}
			}
		}
	}, nil)

	words := callback.DialStream[string, string](a, "words", nil)
	for word, err := range words(ctx, "call and response") {
		fmt.Println(word, err)
		if word == "and" {
			break
		}
	}
	// Output:
	// call <nil>
	// and <nil>
}

// An event needs no answer. Of those that wait for room, only the last of each key is
// worth sending here.
func ExampleNotify() {
	ctx := context.Background()
	device, hub, stop := peers()
	defer stop()
	seen := make(chan float64, 1)
	callback.Serve(hub, "temperature", func(_ context.Context, celsius float64) (struct{}, error) {
		seen <- celsius
		return struct{}{}, nil
	}, nil)

	err := callback.Notify(ctx, device, "temperature", 21.5, &callback.NotifyOptions{
		Overflow: callback.KeepLast,
		Key:      "kitchen",
		TTL:      time.Second, // nobody wants to hear of it later
	})
	fmt.Println(<-seen, err)
	// Output: 21.5 <nil>
}

// Shutdown lets what is under way be done and answered, and refuses the rest.
func ExamplePeer_Shutdown() {
	ctx := context.Background()
	asking, answering, stop := peers()
	defer stop()
	begun, finish := make(chan bool), make(chan bool)
	callback.Serve(answering, "slow", func(context.Context, int) (string, error) {
		begun <- true
		<-finish
		return "done", nil
	}, nil)

	slow := callback.Dial[int, string](asking, "slow", nil)
	first := slow(ctx, 1)
	<-begun
	down := future.Go(ctx, func(ctx context.Context) (struct{}, error) { return struct{}{}, answering.Shutdown(ctx) })
	finish <- true
	fmt.Println(first.Await(ctx))
	_, err := down.Await(ctx)
	fmt.Println(err)
	// Output:
	// done <nil>
	// <nil>
}
