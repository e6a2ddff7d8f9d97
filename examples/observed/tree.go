package main

import (
	"fmt"
	"io"
	"slices"
	"time"
)

// printTree prints spans as the trees that they are.
func printTree(w io.Writer, spans []spanRecord) {
	known := map[string]bool{}
	for _, s := range spans {
		known[s.id] = true
	}
	below := map[string][]spanRecord{}
	var roots []spanRecord
	for _, s := range spans {
		if known[s.parent] {
			below[s.parent] = append(below[s.parent], s)
		} else {
			roots = append(roots, s)
		}
	}
	inOrder := func(some []spanRecord) []spanRecord {
		slices.SortFunc(some, func(a, b spanRecord) int { return a.began.Compare(b.began) })
		return some
	}
	var show func(s spanRecord, first, rest string)
	show = func(s spanRecord, first, rest string) {
		fmt.Fprintf(w, "%s%s\n", first, s)
		under := inOrder(below[s.id])
		for i, s := range under {
			if i == len(under)-1 {
				show(s, rest+"└─ ", rest+"   ")
			} else {
				show(s, rest+"├─ ", rest+"│  ")
			}
		}
	}
	for _, s := range inOrder(roots) {
		fmt.Fprintf(w, "trace %s\n", s.trace)
		show(s, "", "")
	}
}

func (s spanRecord) String() string {
	text := s.name
	if s.server {
		text = "serves " + text
	}
	if s.attempt > 1 {
		text += fmt.Sprintf(", attempt %d", s.attempt)
	}
	text += fmt.Sprintf(" (%v)", s.took.Round(10*time.Microsecond))
	if s.code != "" {
		text += " " + s.code
	}
	return text
}
