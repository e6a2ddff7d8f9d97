package main

import (
	"strings"
	"testing"
)

const code = `package p

func Example() {
	x := 1
	if x > 0 {
		print(x)
	}
	// Output: 1
}
`

func read(string) ([]byte, error) { return []byte(code), nil }

func TestBlocks(t *testing.T) {
	equal := "text\n<!-- snippet: p.go#Example -->\n```go\nx := 1\nif x > 0 {\n\tprint(x)\n}\n```\nmore\n"
	for name, c := range map[string]struct {
		text     string
		fixed    string
		problems int
	}{
		"equal":           {equal, equal, 0},
		"different":       {strings.Replace(equal, "x := 1", "x := 2", 1), equal, 1},
		"without comment": {"```go\nx := 1\n```\n", "```go\nx := 1\n```\n", 1},
		"no function":     {strings.Replace(equal, "#Example", "#Other", 1), strings.Replace(equal, "#Example", "#Other", 1), 1},
		"fragment":        {"<!-- snippet: fragment -->\n```go\ntype T int\n```\n", "<!-- snippet: fragment -->\n```go\ntype T int\n```\n", 0},
		"bad fragment":    {"<!-- snippet: fragment -->\n```go\ntype T {\n```\n", "<!-- snippet: fragment -->\n```go\ntype T {\n```\n", 1},
		"other language":  {"```sh\nls\n```\n", "```sh\nls\n```\n", 0},
	} {
		t.Run(name, func(t *testing.T) {
			fixed, problems := check(c.text, read)
			if fixed != c.fixed {
				t.Errorf("fixed:\n%s\nwant:\n%s", fixed, c.fixed)
			}
			if len(problems) != c.problems {
				t.Errorf("%d problems, want %d: %q", len(problems), c.problems, problems)
			}
		})
	}
}

func TestRunBlocks(t *testing.T) {
	found := blocks("<!-- run -->\n```sh\ngo test work\n```\n```sh\nrm -rf x\n```\n")
	if len(found) != 2 || found[0].comment != "run" || found[0].body != "go test work\n" || found[1].comment != "" {
		t.Errorf("found %+v", found)
	}
}
