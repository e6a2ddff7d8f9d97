// Guarantees writes docs/guarantees.md: every promise that the packages' documentation
// gives a number, and the tests whose names, or the rules of suites whose reasons, carry
// that number. A promise is a line of a list in a doc.go,
//
//	//   - Q6 Nothing is handed out before its delay has passed.
//
// a test that carries it is called TestQ6_NeverEarly, or TestQ4_Q6_TheClockIsSetBack, and
// a rule of a suite begins its reason with it:
//
//	Why: "Q6: a delay has passed before a job is handed out",
//
// A promise that no test's name carries is an error, and so are gaps in the numbers and
// numbers that are nobody's.
//
//	guarantees [-o docs/guarantees.md]
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"strings"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("guarantees: ")
	out := flag.String("o", "docs/guarantees.md", "the file to write")
	flag.Parse()
	root := os.DirFS(".")
	var all []promise
	var problems []string
	for _, p := range packages {
		text, err := os.ReadFile(p.file)
		if err != nil {
			log.Fatal(err)
		}
		found, wrong := promises(string(text), p.letters)
		for _, w := range wrong {
			problems = append(problems, p.file+": "+w)
		}
		all = append(all, found...)
	}
	carriers, err := find(root)
	if err != nil {
		log.Fatal(err)
	}
	problems = append(problems, match(all, carriers)...)
	if len(problems) > 0 {
		log.Fatalf("%s\n%d problems", strings.Join(problems, "\n"), len(problems))
	}
	if err := os.WriteFile(*out, []byte(write(all, carriers)), 0o666); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d promises, each carried by a test\n", len(all))
}

// packages are those whose documentation makes promises, and the letters of these.
var packages = []struct{ title, file, letters string }{
	{"Futures", "future/doc.go", "F"},
	{"Callbacks", "callback/doc.go", "C"},
	{"Queues", "queue/doc.go", "Q"},
	{"Pollers", "poller/doc.go", "P"},
	{"Webhooks, received", "webhook/doc.go", "W"},
	{"Webhooks, sent", "webhook/doc.go", "S"},
	{"Everywhere", "doc.go", "X"},
}
