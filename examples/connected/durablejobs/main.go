// Durablejobs has jobs submitted by one process, done by another, and awaited by a
// third, on one SQLite file.
//
//	go run ./durablejobs demo        # all of it, with a worker that is killed
//
// or, each in a terminal of its own:
//
//	go run ./durablejobs work jobs.db
//	go run ./durablejobs submit jobs.db 12
//	go run ./durablejobs await jobs.db ID...
//
// Run it in examples/connected of a clone. The demo kills its first worker with SIGKILL
// in the middle of jobs, and starts another: each job is answered all the same, once,
// also to who attaches to it later, knowing nothing but its id.
//
// What is submitted and how it is done is in internal/squares, and is the same in
// cluster, where three servers keep the jobs.
package main

import (
	"context"

	"github.com/antiphon-go/antiphon/examples/connected/internal/squares"
)

func main() { squares.Main("durablejobs", file, demoOnly) }

func demoOnly(ctx context.Context, args []string) error {
	if len(args) == 1 && args[0] == "demo" {
		return demo(ctx)
	}
	return squares.Usage("durablejobs")
}
