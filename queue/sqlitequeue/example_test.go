package sqlitequeue_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/queue/sqlitequeue"
)

// opened is a backend in a new file, and what closes and removes it.
func opened(ctx context.Context) (*sqlitequeue.Backend, func()) {
	dir, err := os.MkdirTemp("", "jobs")
	if err != nil {
		panic(err)
	}
	db, err := sql.Open("sqlite", "file:"+filepath.ToSlash(filepath.Join(dir, "jobs.db")))
	if err != nil {
		panic(err)
	}
	jobs, err := sqlitequeue.Open(ctx, db, nil)
	if err != nil {
		panic(err)
	}
	return jobs, func() { jobs.Close(); db.Close(); os.RemoveAll(dir) }
}

// shout is work as you have it already.
func shout(_ context.Context, s string) (string, error) { return strings.ToUpper(s) + "!", nil }

// What is submitted is on the disk when Submit returns, and done here or in any process
// that has the file open.
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
