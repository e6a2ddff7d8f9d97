package main

import (
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"strings"
)

// check compares the Go blocks of text with the code they name. It returns the
// text with the blocks replaced by that code, and what was wrong.
func check(text string, read func(string) ([]byte, error)) (fixed string, problems []string) {
	lines := strings.SplitAfter(text, "\n")
	found := blocks(text)
	for i := len(found) - 1; i >= 0; i-- { // backwards, so that line numbers stay true
		b := found[i]
		if b.lang != "go" {
			continue
		}
		complain := func(format string, args ...any) {
			problems = append(problems, fmt.Sprintf("line %d: %s", b.start, fmt.Sprintf(format, args...)))
		}
		source, ok := strings.CutPrefix(b.comment, "snippet: ")
		if !ok {
			complain("a block of Go without a <!-- snippet: … --> comment before it")
			continue
		}
		if source == "fragment" {
			if _, err := format.Source([]byte(b.body)); err != nil {
				complain("the fragment does not parse: %v", err)
			}
			continue
		}
		want, err := extract(source, read)
		if err != nil {
			complain("%v", err)
			continue
		}
		if b.body != want {
			complain("the block is not what %s says:\n--- Markdown\n%s--- code\n%s", source, b.body, want)
			lines = append(lines[:b.start], append([]string{want}, lines[b.end:]...)...)
		}
	}
	return strings.Join(lines, ""), problems
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
