// Hello asks twice and goes on working.
package main

import (
	"context"
	"fmt"
	"time"

	"github.com/antiphon-go/antiphon/future"
)

// count is a function as you have many: it answers when it is done.
func count(_ context.Context, word string) (int, error) {
	time.Sleep(100 * time.Millisecond)
	return len(word), nil
}

func main() {
	ctx := context.Background()
	ask := future.Lift(count, nil)
	call, response := ask(ctx, "call"), ask(ctx, "response") // both return at once
	fmt.Println("asked")
	fmt.Println(future.All(call, response).Await(ctx)) // [4 8] <nil>
}
