// Reference writes docs/reference.md from the packages' documentation: every option that
// bounds something, with its default, and every event.
//
// An option is a field whose comment says what "0 means". Events are the list under "What
// is told" in the comment of a package. An event that is listed and nowhere in the code of
// its package, or that the package tells of and does not list, is an error.
//
//	reference [-o docs/reference.md]
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
	log.SetPrefix("reference: ")
	out := flag.String("o", "docs/reference.md", "the file to write")
	flag.Parse()
	var all []*pack
	var problems []string
	for _, dir := range dirs {
		p, err := load(dir)
		if err != nil {
			log.Fatal(err)
		}
		all = append(all, p)
		problems = append(problems, p.problems()...)
	}
	if len(problems) > 0 {
		log.Fatalf("%s\n%d problems", strings.Join(problems, "\n"), len(problems))
	}
	if err := os.WriteFile(*out, []byte(write(all)), 0o666); err != nil {
		log.Fatal(err)
	}
}

// dirs are the packages that have options, or events.
var dirs = []string{
	".", "future", "callback", "callback/wscallback", "callback/natscallback",
	"queue", "queue/queueweb", "queue/sqlitequeue", "queue/natsqueue", "poller", "webhook",
}

const head = `<!-- Written by internal/tools/reference from the packages' documentation: make reference. -->

# Limits and events

Which of them to watch, and what to do then, is in [operations](operations.md).

## Limits

Every option that bounds a size, a number or a time, and what it is if it is left at zero.

| option | bounds | default |
|---|---|---|
`

const events = `
## Events

What an ` + "`antiphon.Observer`" + ` is told. Each event has a name, and what is set of kind, id,
attempt, duration, count and error; none has a payload or a secret.

| event | of | says |
|---|---|---|
`

func write(all []*pack) string {
	var b strings.Builder
	b.WriteString(head)
	for _, p := range all {
		for _, o := range p.options {
			fmt.Fprintf(&b, "| `%s.%s` | %s | %s |\n", p.name, o.name, cell(o.what), cell(o.zero))
		}
	}
	b.WriteString(events)
	for _, p := range all {
		for _, e := range p.events {
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", strings.Join(e.names, "`, `"), p.name, cell(e.says))
		}
	}
	return b.String()
}

var cell = strings.NewReplacer("|", "\\|", "[", "", "]", "").Replace
