package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"strings"

	"github.com/antiphon-go/antiphon/internal/tools/markdown"
)

// check compares the Go blocks of text with the code they name, and looks at what is
// said of the others. It returns the text with the blocks replaced by that code, and
// what was wrong.
func check(text string, read func(string) ([]byte, error)) (fixed string, problems []string) {
	lines := strings.SplitAfter(text, "\n")
	found := markdown.Blocks(text)
	for i := len(found) - 1; i >= 0; i-- { // backwards, so that line numbers stay true
		b := found[i]
		complain := func(format string, args ...any) {
			problems = append(problems, fmt.Sprintf("line %d: %s", b.Start, fmt.Sprintf(format, args...)))
		}
		switch {
		case b.Odd:
			complain("a block has to begin and end with three backticks at the beginning of a line")
		case b.Lang == "text" || b.Lang == "http" || b.Lang == "json":
		case b.Lang == "sh":
			if why, ok := strings.CutPrefix(b.Comment, "not run: "); b.Comment != "run" && b.Comment != "run: newcomer" && (!ok || why == "") {
				complain("a block of sh without <!-- run -->, or <!-- not run: why -->, before it")
			}
		case b.Lang != "go":
			complain("a block of %q, which nothing checks: go, sh, text, http or json", b.Lang)
		default:
			want, err := wanted(b, read)
			if err != nil {
				complain("%v", err)
			} else if b.Body != want {
				complain("the block is not what it has to be:\n--- Markdown\n%s--- code\n%s", b.Body, want)
				lines = append(lines[:b.Start], append([]string{want}, lines[b.End:]...)...)
			}
		}
	}
	return strings.Join(lines, ""), problems
}

// wanted returns what the Go block b has to be.
func wanted(b markdown.Block, read func(string) ([]byte, error)) (string, error) {
	source, ok := strings.CutPrefix(b.Comment, "snippet: ")
	switch {
	case !ok:
		return "", errors.New("a block of Go without a <!-- snippet: … --> comment before it")
	case source != "fragment":
		return extract(source, read)
	}
	if _, err := format.Source([]byte(b.Body)); err != nil {
		return "", fmt.Errorf("the fragment does not parse: %w", err)
	}
	return b.Body, nil
}

// extract returns the code that source, "file.go" or "file.go#Func", stands for.
func extract(source string, read func(string) ([]byte, error)) (string, error) {
	name, function, _ := strings.Cut(source, "#")
	data, err := read(name)
	if err != nil {
		return "", err
	}
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, name, data, parser.ParseComments)
	if err != nil {
		return "", err
	}
	offset := func(p token.Pos) int { return files.Position(p).Offset }
	if function == "" {
		return string(data[offset(f.Package):]), nil
	}
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Name.Name != function {
			continue
		}
		body := string(data[offset(fn.Body.Lbrace)+1 : offset(fn.Body.Rbrace)])
		return dedent(withoutOutput(body)), nil
	}
	return "", fmt.Errorf("%s has no function %s", name, function)
}

// withoutOutput cuts the comment that makes a function a checked Example.
func withoutOutput(body string) string {
	for _, word := range []string{"\t// Output:", "\t// Unordered output:"} {
		if i := strings.Index(body, word); i >= 0 {
			body = body[:i]
		}
	}
	return body
}

func dedent(body string) string {
	lines := strings.Split(strings.Trim(body, "\n"), "\n")
	for i, l := range lines {
		lines[i] = strings.TrimPrefix(l, "\t")
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n\t ") + "\n"
}
