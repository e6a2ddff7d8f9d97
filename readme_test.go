package antiphon_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// uses are what the library is for: how the README's table says it, and where that links
// to for it.
var uses = []struct{ says, link string }{
	{"a synchronous client | to wrap it", "examples/wrapclient"},
	{"futures", "examples/quickstart"},
	{"callback functions that clients bring", "examples/requestreply"},
	{"WebSockets", "callback/wscallback"},
	{"IoT: a device and its hub | both ways at once", "examples/connected/thermostat"},
	{"a stream of readings | decisions", "examples/aistream"},
	{"background work on the server", "examples/workqueue"},
	{"a durable message queue", "examples/connected/durablejobs"},
	{"polling", "examples/longpoll"},
	{"somebody's webhooks", "examples/firstanswer"},
	{"e-commerce: merchants to notify", "examples/webhookpair"},
}

// Each use is a row of the README's table, which links to what is tested.
func TestReadmeLeadsToEachUse(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range uses {
		found := false
		for row := range strings.Lines(string(readme)) {
			found = found || strings.HasPrefix(row, "| ") && strings.Contains(row, u.says) && strings.Contains(row, "]("+u.link+")")
		}
		if !found {
			t.Errorf("no row of the README's table says %q and links to %s", u.says, u.link)
		}
		if !tested(t, u.link) {
			t.Errorf("%s, for %q, has no tests", u.link, u.says)
		}
	}
}

var testFunc = regexp.MustCompile(`(?m)^func (Test|Example)`)

func tested(t *testing.T, dir string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		code, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if testFunc.Match(code) {
			return true
		}
	}
	return false
}
