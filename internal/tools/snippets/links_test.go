package main

import (
	"testing"
	"testing/fstest"
)

func TestLinks(t *testing.T) {
	root := fstest.MapFS{"docs/a.md": {}, "README.md": {}}
	text := "[a](a.md#part), [up](../README.md), [here](#x), [away](https://example.com/x), `f[T](x)`\n\n```go\nf[T](y)\n```\n[gone](b.md), [gone](/README.md.old)\n"
	if problems := links("docs/a.md", text, root); len(problems) != 2 {
		t.Errorf("%q", problems)
	}
}
