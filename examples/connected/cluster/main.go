// Cluster has jobs submitted by two processes and done by three, which have nothing in
// common but a cluster of three NATS servers. It starts all of them, kills a worker in
// the middle of jobs, and then the server that leads the jobs' stream, with SIGKILL.
//
//	go run ./cluster
//
// Run it in examples/connected of a clone; there is nothing to install. Each number that
// was asked is answered, to who asked it, or the program fails.
//
// What is submitted and how it is done is in internal/squares, and is the same in
// durablejobs, where one file keeps the jobs. Only store.go differs. With servers of
// your own, each in a terminal of its own:
//
//	go run ./cluster work nats://a,nats://b,nats://c
//	go run ./cluster ask nats://a,nats://b,nats://c 1 50
package main

import (
	"context"

	"github.com/antiphon-go/antiphon/examples/connected/internal/squares"
)

func main() {
	squares.Main("cluster", servers, func(ctx context.Context, args []string) error {
		switch {
		case len(args) == 0 || len(args) == 1 && args[0] == "demo":
			return demo(ctx)
		case len(args) > 3 && args[0] == "serve":
			return serve(ctx, args[1], args[2], args[3:])
		}
		return squares.Usage("cluster")
	})
}
