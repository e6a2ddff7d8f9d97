// Snippets keeps the code in Markdown files equal to code that is compiled and
// tested. A block of Go stands behind a comment that names where it comes from:
//
//	<!-- snippet: future/example_test.go#Example -->
//
// is the body of function Example of that file, and without #Example the whole
// file from its package clause on. A fragment that is not a program, a
// declaration for illustration, is marked as such and must at least parse:
//
//	<!-- snippet: fragment -->
//
// A block of Go without a comment is an error. Blocks of sh behind
//
//	<!-- run -->
//
// are commands that must work; -run prints them instead of checking anything.
//
//	snippets [-fix] [-run] FILE.md ...
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
			for _, b := range blocks(text) {
				if b.lang == "sh" && b.comment == "run" {
					fmt.Print(b.body)
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
		wrong += len(problems)
	}
	if wrong > 0 {
		log.Fatalf("%d blocks differ from the code; `make snippets` rewrites them from it", wrong)
	}
}

// A block is a fenced block of code.
type block struct {
	comment    string // of the line before it, or ""
	lang       string
	body       string
	start, end int // of the body, in lines of the file
}

func blocks(text string) []block {
	var found []block
	lines := strings.SplitAfter(text, "\n")
	for i := 0; i < len(lines); i++ {
		lang, ok := strings.CutPrefix(lines[i], "```")
		if !ok {
			continue
		}
		b := block{lang: strings.TrimSpace(lang), start: i + 1}
		if i > 0 {
			c := strings.TrimSpace(lines[i-1])
			if c, ok := strings.CutPrefix(c, "<!--"); ok {
				b.comment = strings.TrimSpace(strings.TrimSuffix(c, "-->"))
			}
		}
		for i++; i < len(lines) && !strings.HasPrefix(lines[i], "```"); i++ {
			b.body += lines[i]
		}
		b.end = i
		found = append(found, b)
	}
	return found
}
