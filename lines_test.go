package antiphon_test

import (
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

// quickstarts are those of each package, of the README and of the tour: a function that
// asks without waiting, and one that does the same with calls that wait.
var quickstarts = []struct{ dir, async, sync string }{
	{"examples/hello", "main", "Example_synchronous"},
	{"examples/quickstart", "main", "Example_synchronous"},
	{"future", "Example", "Example_synchronous"},
	{"future", "ExampleLift", "ExampleLift_synchronous"},
	{"callback", "Example", "Example_synchronous"},
	{"callback/wscallback", "Example", "Example_synchronous"},
	{"internal/conformance/natscallback", "Example", "Example_synchronous"},
	{"queue", "Example", "Example_synchronous"},
	{"queue/sqlitequeue", "Example", "Example_synchronous"},
	{"internal/conformance/natsqueue", "Example", "Example_synchronous"},
	{"poller", "ExampleSubmit", "ExampleSubmit_synchronous"},
	{"poller", "ExampleDial", "ExampleDial_synchronous"},
	{"webhook", "ExampleAsk", "ExampleAsk_synchronous"},
}

// In every quickstart, what does not wait is at most three lines longer than what does.
func TestAsyncCostsThreeLines(t *testing.T) {
	for _, q := range quickstarts {
		async, sync := codeLines(t, q.dir, q.async), codeLines(t, q.dir, q.sync)
		if async > sync+3 {
			t.Errorf("%s: %s has %d lines, %s has %d: at most 3 more are promised", q.dir, q.async, async, q.sync, sync)
		}
		t.Logf("%s: %s has %d lines, %s has %d", q.dir, q.async, async, q.sync, sync)
	}
}

var snippet = regexp.MustCompile(`<!-- snippet: (\S+)/[^/]+\.go#(Example\S*) -->`)

// What the tour shows is counted, and each way from a question to its answer is.
func TestEachQuickstartIsCounted(t *testing.T) {
	counted := map[string]bool{"webhook ExampleNewReceiver": true} // asks nothing
	for _, q := range quickstarts {
		dir := strings.Replace(q.dir, "internal/conformance/nats", "nats", 1) // tests with a server are there
		counted[path.Base(dir)] = true
		counted[dir+" "+q.async] = true
	}
	tour, err := os.ReadFile("docs/tour.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := snippet.FindAllStringSubmatch(string(tour), -1)
	if len(shown) < 5 {
		t.Errorf("the tour shows %d examples only", len(shown))
	}
	for _, m := range shown {
		if !counted[m[1]+" "+m[2]] {
			t.Errorf("nobody counts the lines of %s in %s", m[2], m[1])
		}
	}
	for _, w := range ways {
		if !counted[path.Base(w)] {
			t.Errorf("%s has no quickstart", w)
		}
	}
}

// codeLines counts the lines of a function's body that are more than a comment.
func codeLines(t *testing.T, dir, name string) int {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") {
			continue
		}
		code, err := os.ReadFile(path.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files := token.NewFileSet()
		f, err := parser.ParseFile(files, e.Name(), code, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == name {
				at := func(p token.Pos) int { return files.Position(p).Offset }
				return linesOf(code[at(fn.Body.Lbrace)+1 : at(fn.Body.Rbrace)])
			}
		}
	}
	t.Fatalf("%s has no function %s", dir, name)
	return 0
}

// linesOf counts the lines on which something of code stands.
func linesOf(code []byte) int {
	var s scanner.Scanner
	files := token.NewFileSet()
	f := files.AddFile("", -1, len(code))
	s.Init(f, code, nil, 0)
	lines := map[int]bool{}
	for {
		pos, tok, text := s.Scan()
		if tok == token.EOF {
			return len(lines)
		}
		if text != "\n" { // a semicolon that nobody wrote
			first := f.Line(pos)
			for i := range strings.Count(text, "\n") + 1 {
				lines[first+i] = true
			}
		}
	}
}

// TestLinesOf: what is counted.
func TestLinesOf(t *testing.T) {
	code := "\n\tx := f( // asks\n\t\t1,\n\t)\n\n\t// nothing\n\ty := `a\nb`\n\tg(x, y)\n\t// Output: 1\n"
	if n := linesOf([]byte(code)); n != 6 {
		t.Errorf("%d lines, want 6", n)
	}
}
