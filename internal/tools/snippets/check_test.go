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
	type trial struct {
		text     string
		fixed    string
		problems int
	}
	same := func(text string, problems int) trial { return trial{text, text, problems} }
	for name, c := range map[string]trial{
		"equal":           {equal, equal, 0},
		"different":       {strings.Replace(equal, "x := 1", "x := 2", 1), equal, 1},
		"without comment": {"```go\nx := 1\n```\n", "```go\nx := 1\n```\n", 1},
		"no function":     {strings.Replace(equal, "#Example", "#Other", 1), strings.Replace(equal, "#Example", "#Other", 1), 1},
		"fragment":        {"<!-- snippet: fragment -->\n```go\ntype T int\n```\n", "<!-- snippet: fragment -->\n```go\ntype T int\n```\n", 0},
		"bad fragment":    {"<!-- snippet: fragment -->\n```go\ntype T {\n```\n", "<!-- snippet: fragment -->\n```go\ntype T {\n```\n", 1},
		"no code":         same("```text\na\n```\n```http\na\n```\n```json\na\n```\n", 0),
		"other language":  same("```js\na()\n```\n", 1),
		"no language":     same("```\nls\n```\n", 1),
		"run":             same("<!-- run -->\n```sh\nls\n```\n", 0),
		"run elsewhere":   same("<!-- run: newcomer -->\n```sh\nls\n```\n", 0),
		"not run":         same("<!-- not run: it takes an hour -->\n```sh\nls\n```\n", 0),
		"not run, so":     same("<!-- not run: -->\n```sh\nls\n```\n", 1),
		"sh":              same("```sh\nls\n```\n", 1),
		"indented":        same("- item\n\n  ```go\n  x := 1\n  ```\n", 1),
		"tildes":          same("~~~go\nx := 1\n~~~\n", 1),
		"no end":          same("```text\na\n", 1),
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
