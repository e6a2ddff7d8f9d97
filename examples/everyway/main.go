// Everyway serves one function in every way that needs nothing but this module, puts the
// same questions to each, and prints what they cost; then it cuts the connections in the
// middle and prints the same again. How little the ways differ is in ../internal/ways.
//
//	go run ./examples/everyway
package main

import (
	"context"
	"log"
	"os"

	"github.com/antiphon-go/antiphon/examples/internal/ways"
)

func main() {
	if err := ways.Report(context.Background(), os.Stdout, ways.Core...); err != nil {
		log.Fatal(err)
	}
}
