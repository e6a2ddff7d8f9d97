package callbacktest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/callback/callbacktest"
)

// A transport of one's own is tested in one call. This one is callback.Pipe, which
// breaks when an end is closed, and does not come back.
func ExampleTestTransport() {
	TestTransport := func(t *testing.T) {
		callbacktest.TestTransport(t, callbacktest.Wire{
			Bubble: true,
			Open: func(tb testing.TB) *callbacktest.Ends {
				a, b := callback.Pipe(nil)
				return &callbacktest.Ends{A: a, B: b, Cut: func() { _ = b.Close() }}
			},
		})
	}
	_ = TestTransport // which go test runs
	// Output:
}

// The same description serves benchmarks.
func ExampleBenchmarkTransport() {
	BenchmarkTransport := func(b *testing.B) {
		callbacktest.BenchmarkTransport(b, callbacktest.Wire{
			Open: func(tb testing.TB) *callbacktest.Ends {
				a, b := callback.Pipe(nil)
				return &callbacktest.Ends{A: a, B: b}
			},
		})
	}
	_ = BenchmarkTransport // which go test runs
	// Output:
}

// A wire that loses half of all messages, each way: who asks often enough is
// answered, and the work is done once.
func ExampleFaulty() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	a, b := callback.Pipe(nil)
	bad := callbacktest.Faulty(a, &callbacktest.FaultOptions{Seed: 1, Loss: 0.5})

	answerer := callback.NewPeer(b, nil)
	calls := 0
	callback.Serve(answerer, "double", func(_ context.Context, n int) (int, error) {
		calls++
		return 2 * n, nil
	}, &callback.ServeOptions{Concurrency: 1})
	go answerer.Run(ctx)

	asker := callback.NewPeer(bad, nil)
	double := callback.Dial[int, int](asker, "double", &callback.DialOptions{
		Attempts: 100,
		Backoff:  antiphon.Constant(time.Millisecond),
	})
	go asker.Run(ctx)

	for n := range 3 {
		fmt.Println(double(ctx, n).Await(ctx))
	}
	fmt.Println(calls, "calls")
	// Output:
	// 0 <nil>
	// 2 <nil>
	// 4 <nil>
	// 3 calls
}

// A connection that breaks while the work is under way: it is unknown what becomes
// of that. What is asked later waits for another connection.
func ExampleFaultyTransport_Cut() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	a, b := callback.Pipe(nil)
	wire := callbacktest.Faulty(a, nil)

	answerer := callback.NewPeer(b, nil)
	callback.Serve(answerer, "echo", func(_ context.Context, s string) (string, error) {
		if s == "first" {
			wire.Cut()
		}
		return s, nil
	}, nil)
	go answerer.Run(ctx)

	asker := callback.NewPeer(wire, nil)
	echo := callback.Dial[string, string](asker, "echo", nil)
	go asker.Run(ctx)

	_, err := echo(ctx, "first").Await(ctx)
	fmt.Println(errors.Is(err, callback.ErrDisconnected), antiphon.ClassOf(err))
	second := echo(ctx, "second")
	wire.Heal()
	fmt.Println(second.Await(ctx))
	// Output:
	// true unknown
	// second <nil>
}
