package main

import (
	"context"
	"fmt"
)

func Example() {
	main()
	// Output:
	// asked
	// [4 8] <nil>
}

// The same with calls that wait.
func Example_synchronous() {
	ctx := context.Background()
	fmt.Println(count(ctx, "call"))
	fmt.Println(count(ctx, "response"))
	fmt.Println("asked")
	// Output:
	// 4 <nil>
	// 8 <nil>
	// asked
}
