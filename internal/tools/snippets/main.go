// Snippets keeps the code in Markdown files equal to code that is compiled and
// tested, and knows which commands in them have to work. A block of Go stands behind a
// comment that names where it comes from:
//
//	<!-- snippet: future/example_test.go#Example -->
//
// is the body of function Example of that file, and without #Example the whole
// file from its package clause on. A fragment that is not a program, a
// declaration for illustration, is marked as such and must at least parse:
//
//	<!-- snippet: fragment -->
//
// A block of sh stands behind one of
//
//	<!-- run -->
//	<!-- run: newcomer -->
//	<!-- not run: why -->
//
// The first are commands for a clone, the second for a module of one's own beside it,
// which packcheck runs. -run prints the first instead of checking anything. Blocks of
// text, http and json are no code. All else is an error, and so is a link to a file that
// is not there.
//
//	snippets [-fix] [-run] FILE.md ...
package main

import (
	"flag"
	"fmt"
	"log"
	"os"

	"github.com/antiphon-go/antiphon/internal/tools/markdown"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("snippets: ")
	fix := flag.Bool("fix", false, "rewrite the Markdown from the code")
	run := flag.Bool("run", false, "print the commands that the Markdown says to run")
	flag.Parse()
	wrong := 0
	for _, name := range flag.Args() {
		data, err := os.ReadFile(name)
		if err != nil {
			log.Fatal(err)
		}
		text := string(data)
		if *run {
			for _, b := range markdown.Blocks(text) {
				if b.Lang == "sh" && b.Comment == "run" {
					fmt.Print(b.Body)
				}
			}
			continue
		}
		fixed, problems := check(text, os.ReadFile)
		for _, p := range problems {
			fmt.Fprintf(os.Stderr, "%s: %s\n", name, p)
		}
		if *fix && fixed != text {
			if err := os.WriteFile(name, []byte(fixed), 0o666); err != nil {
				log.Fatal(err)
			}
			continue
		}
		dead := links(name, text, os.DirFS("."))
		for _, p := range dead {
			fmt.Fprintf(os.Stderr, "%s: %s\n", name, p)
		}
		wrong += len(problems) + len(dead)
	}
	if wrong > 0 {
		log.Fatalf("%d are wrong; `make snippets` rewrites what differs from the code", wrong)
	}
}
