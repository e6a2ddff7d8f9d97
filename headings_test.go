package antiphon_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
)

// Behind what a package is for, task by task, its comment says these, in this order.
var lastHeadings = []string{"What is promised", "What it costs", "What to mind", "What is told", "In tests"}

// All of them are said of each way from a question to its answer.
var ways = []string{"future", "callback", "callback/wscallback", "callback/natscallback", "queue", "queue/sqlitequeue", "queue/natsqueue", "poller", "webhook"}

// Who knows the comment of one package finds what they look for in the next.
func TestPackageCommentsAreAlike(t *testing.T) {
	err := fs.WalkDir(os.DirFS("."), ".", func(file string, d fs.DirEntry, err error) error {
		switch dir := path.Dir(file); {
		case err != nil:
			return err
		case d.IsDir() && (file == "internal" || file == "examples" || strings.HasPrefix(file, ".") && file != "."):
			return fs.SkipDir
		case d.Name() == "doc.go":
			f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments|parser.PackageClauseOnly)
			if err != nil {
				return err
			}
			for _, wrong := range headingsWrong(headings(f.Doc.Text()), slices.Contains(ways, dir)) {
				t.Errorf("%s: %s", file, wrong)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// headings are those of a comment, in order.
func headings(doc string) (all []string) {
	for line := range strings.Lines(doc) {
		if h, ok := strings.CutPrefix(line, "# "); ok {
			all = append(all, strings.TrimSpace(h))
		}
	}
	return all
}

// headingsWrong says what is missing, if nothing may be, and what is at another place.
func headingsWrong(all []string, complete bool) (wrong []string) {
	next := 0
	for _, h := range all {
		switch i := slices.Index(lastHeadings, h); {
		case i < 0 && next > 0:
			wrong = append(wrong, "what the package is for comes first, such as: "+h)
		case i >= 0 && i < next:
			wrong = append(wrong, "not in its place: "+h)
		case i >= 0:
			next = i + 1
		}
	}
	for _, h := range lastHeadings {
		if complete && !slices.Contains(all, h) {
			wrong = append(wrong, "nothing says: "+h)
		}
	}
	if complete && (len(all) == 0 || slices.Contains(lastHeadings, all[0])) {
		wrong = append(wrong, "nothing says what to do with it")
	}
	return wrong
}

// TestHeadingsWrong: what is wrong is found.
func TestHeadingsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		all      []string
		complete bool
		wrong    int
	}{
		"right":         {append([]string{"Ask", "Answer"}, lastHeadings...), true, 0},
		"some":          {[]string{"Ask", "What is promised", "In tests"}, false, 0},
		"some of all":   {[]string{"Ask", "What is promised", "In tests"}, true, 3},
		"no task":       {lastHeadings, true, 1},
		"a task behind": {[]string{"In tests", "Ask"}, false, 1},
		"turned round":  {[]string{"In tests", "What is told"}, false, 1},
		"nothing":       {nil, true, 6},
	} {
		if wrong := headingsWrong(c.all, c.complete); len(wrong) != c.wrong {
			t.Errorf("%s: %q", name, wrong)
		}
	}
}
