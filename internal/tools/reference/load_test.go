package main

import (
	"go/parser"
	"go/token"
	"strings"
	"testing"
)

const code = `// Package p does.
//
// # What is told
//
// Observers get these events.
//
//	p.done, p.lost  it is done,
//	                or lost
//	p.never         it never was
//
// # More
//
//	p.code is no event
package p

type Options struct {
	// Size is how many there are. And more. 0 means 7, or less.
	Size int
	// Min and Max bound the time. 0 means 1 s and 2 s; negative means no limit.
	Min, Max time.Duration
	// Name is what it is called.
	Name string
	// 0 means hidden.
	hidden int
}

func (o *Options) f() {
	o.Observer.Emit(Event{Name: "p.done"})
	o.observe("p.other", nil)
	x := "p.lost"
	_ = x
}
`

func TestRead(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "p.go", code, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	p := &pack{dir: "p", name: "p"}
	p.read(f)
	text := write([]*pack{p})
	for _, want := range []string{
		"| `p.Options.Size` | how many there are | 7, or less |\n| `p.Options.Min`, `Max` | the time | 1 s and 2 s |\n\n",
		"| `p.done`, `p.lost` | p | it is done, or lost |\n| `p.never` | p | it never was |\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if got := strings.Join(p.problems(), "; "); got != "p: p.never is listed, and nothing tells of it; p: p.other is told, and not listed in the package comment" {
		t.Error(got)
	}
}
