package antiphon_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/antiphon-go/antiphon"

// mayImport is what of this repository the code of each package may import, and what of
// those below it that are not listed; "internal" stands for the leaves in there. All
// arrows are down: callback and queue do not know each other, nor do poller and webhook.
// Tests may import what they like.
var mayImport = map[string][]string{
	".":                     {},
	"internal":              {".", "internal"},
	"future":                {".", "internal"},
	"future/futuretest":     {".", "internal", "future"},
	"callback":              {".", "internal", "future"},
	"callback/callbacktest": {".", "internal", "future", "future/futuretest", "callback"},
	"callback/wscallback":   {".", "future", "callback"}, // modules of their own have what others have
	"callback/natscallback": {".", "future", "callback"},
	"queue":                 {".", "internal", "future", "queue/driver"},
	"queue/driver":          {"."},
	"queue/queuetest":       {".", "internal", "future", "future/futuretest", "queue", "queue/driver"},
	"queue/queueweb":        {".", "queue", "queue/driver"},
	"queue/sqlitequeue":     {".", "future", "queue", "queue/driver"},
	"queue/natsqueue":       {".", "future", "queue", "queue/driver"},
	"poller":                {".", "internal", "future", "queue"},
	"poller/pollertest":     {".", "internal", "future", "poller"},
	"webhook":               {".", "internal", "future", "callback", "queue", "queue/driver"},
	"webhook/webhooktest":   {".", "internal", "future", "webhook"},
	"examples":              {".", "future", "callback", "callback/wscallback", "callback/natscallback", "queue", "queue/driver", "queue/queueweb", "queue/sqlitequeue", "queue/natsqueue", "poller", "webhook"},
	"examples/observed":     {".", "future", "callback", "callback/wscallback", "callback/natscallback", "queue", "queue/driver", "queue/sqlitequeue", "poller", "webhook", "examples/observed"}, // it has two packages to copy
}

func TestArrowsPointDown(t *testing.T) {
	seen := map[string]bool{}
	err := fs.WalkDir(os.DirFS("."), ".", func(file string, d fs.DirEntry, err error) error {
		switch dir := path.Dir(file); {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && file != "."):
			return fs.SkipDir
		case d.IsDir() && path.Dir(file) == "internal": // those with a go.mod are tools and benches
			if _, err := os.Stat(path.Join(file, "go.mod")); err == nil {
				return fs.SkipDir
			}
		case !d.IsDir() && strings.HasSuffix(file, ".go") && !strings.HasSuffix(file, "_test.go"):
			imports, err := importsOf(file)
			if err != nil {
				return err
			}
			from := listed(dir)
			seen[from] = true
			for _, to := range imports {
				if to != dir && !within(dir, to) && !slices.Contains(mayImport[from], listed(to)) {
					t.Errorf("%s imports %q: %s may import %q, and what of its own is internal", file, to, from, mayImport[from])
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{".", "internal", "future", "callback", "queue", "poller", "webhook", "examples"} {
		if !seen[dir] {
			t.Errorf("there is no code in %s: the list is out of date, or this test reads nothing", dir)
		}
	}
}

// listed is the nearest directory above dir, or dir itself, that is in the list.
func listed(dir string) string {
	for d := dir; ; d = path.Dir(d) {
		if _, ok := mayImport[d]; ok && (d != "." || dir == ".") {
			return d
		}
		if d == "." {
			return dir // of nobody
		}
	}
}

// within reports whether to is internal to what from is a part of, below the top.
func within(from, to string) bool {
	owner, _, ok := strings.Cut(to, "/internal/")
	return ok && (from == owner || strings.HasPrefix(from, owner+"/"))
}

// importsOf are the imports of a file that are of this repository, without its name.
func importsOf(file string) (of []string, _ error) {
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	if err != nil {
		return nil, err
	}
	for _, i := range f.Imports {
		name, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			return nil, err
		}
		if name == module {
			of = append(of, ".")
		} else if dir, ok := strings.CutPrefix(name, module+"/"); ok {
			of = append(of, dir)
		}
	}
	return of, nil
}
