package antiphon_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// pools are the variables that are pools: of memory alone, which belongs to no bubble.
var pools = []string{"buffers", "singles"}

// What is shared by a whole process would leak from one bubble into another, and run
// in programs that never use it: no package has a goroutine, channel or timer of its
// own, a pool of such, or an init function.
func TestX3_PackagesShareNothing(t *testing.T) {
	checked := 0
	for _, root := range []string{".", "future", "callback", "queue", "poller", "webhook", "internal"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && (path != root && root == "." || d.Name() == "tools" || d.Name() == "peerbench" || d.Name() == "testdata"):
				return fs.SkipDir
			case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
				return nil
			}
			f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				return err
			}
			checked++
			shares(f, func(what string) { t.Errorf("%s: %s", path, what) })
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if checked < 100 {
		t.Errorf("looked at %d files only", checked)
	}
}

// TestSharing: what shares is found.
func TestSharing(t *testing.T) {
	for _, code := range []string{
		"func init() {}",
		"var c = make(chan int)",
		"var c <-chan struct{}",
		"var p sync.Pool",
		"var p = &sync.Pool{}",
		"var t = time.NewTicker(1)",
		"var stop = context.AfterFunc(ctx, nil)",
		"var x = func() int { go work(); return 1 }()",
		"var x = []any{func() int { go work(); return 1 }()}",
	} {
		f, err := parser.ParseFile(token.NewFileSet(), "", "package p\n"+code, 0)
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		shares(f, func(string) { found++ })
		if found == 0 {
			t.Errorf("overlooked: %s", code)
		}
	}
}

// shares tells of what f declares for a whole process.
func shares(f *ast.File, tell func(string)) {
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Name.Name == "init" && fn.Recv == nil {
			tell("an init function")
		}
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.VAR {
			continue
		}
		called := map[ast.Node]bool{}
		ast.Inspect(g, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ValueSpec:
				return !slices.Contains(pools, n.Names[0].Name)
			case *ast.CallExpr:
				called[n.Fun] = true
			case *ast.FuncLit:
				return called[n] // others run when somebody calls them
			case *ast.ChanType:
				tell("a variable of the package is a channel")
			case *ast.GoStmt:
				tell("a variable of the package starts a goroutine")
			case *ast.SelectorExpr:
				switch n.Sel.Name {
				case "Pool", "Timer", "Ticker", "NewTimer", "NewTicker", "AfterFunc", "After", "Tick":
					tell("a variable of the package uses " + n.Sel.Name)
				}
			}
			return true
		})
	}
}
