package main

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

const head = `<!-- Written by internal/tools/guarantees from the packages' documentation and the names of tests: make guarantees. -->

# Guarantees

Every promise of the library has a number and is a sentence in the documentation of its
package. Here is each with the tests that carry its number in their names, and so fail when
it is not true; a promise without a test fails CI. The rules are those of the public test
suites, which any implementation of yours can run too; ours run them in the tests of each
transport, backend and way.

`

// write is the document.
func write(all []promise, carriers []carrier) string {
	var b strings.Builder
	b.WriteString(head)
	for _, p := range packages {
		fmt.Fprintf(&b, "## %s\n\nFrom [%s](../%s).\n\n", p.title, p.file, p.file)
		for _, q := range all {
			if strings.HasPrefix(q.number, p.letters) {
				entry(&b, q, carriers)
			}
		}
	}
	return b.String()
}

// entry writes p and what carries it, by package.
func entry(b *strings.Builder, p promise, carriers []carrier) {
	fmt.Fprintf(b, "**%s** %s\n\n", p.number, p.sentence)
	for _, kind := range []struct {
		rule  bool
		where string
	}{{false, "%s"}, {true, "rules of %s"}} {
		var dirs []string
		links := map[string][]string{}
		for _, c := range carriers {
			if c.rule != kind.rule || !slices.Contains(c.numbers, p.number) {
				continue
			}
			dir := path.Dir(c.file)
			if dir == "." {
				dir = "antiphon"
			}
			if links[dir] == nil {
				dirs = append(dirs, dir)
			}
			links[dir] = append(links[dir], fmt.Sprintf("[%s](../%s)", c.name, c.file))
		}
		for _, dir := range dirs {
			slices.Sort(links[dir])
			fmt.Fprintf(b, "- "+kind.where+": %s\n", dir, strings.Join(links[dir], ", "))
		}
	}
	b.WriteString("\n")
}
