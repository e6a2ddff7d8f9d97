package browser_test

import (
	"bufio"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/antiphon-go/antiphon/internal/browser"
)

// longpoll runs the example until the test ends, and returns its address.
func longpoll(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "longpoll")
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "github.com/antiphon-go/antiphon/examples/longpoll").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command(program, "-addr", "localhost:0")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	url, ended := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if at, ok := strings.CutPrefix(lines.Text(), "look at "); ok {
				url <- at
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGINT)
		within(t, "the example does not end", ended)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the example ended with %v", err)
		}
	})
	return within(t, "the example does not say where it is", url)
}

// A person orders a report, sees it grow, reloads the page meanwhile, and cancels another.
func TestLongpollInChromium(t *testing.T) {
	b := browser.Start(t)
	p := b.Open(t, longpoll(t))
	start := func(pages string) {
		t.Helper()
		p.Eval(t, `document.querySelector("[name=pages]").value = `+pages, nil)
		p.Click(t, "form button")
		p.Until(t, `location.hash.length > 16`)
	}
	reload := func() {
		t.Helper()
		p.Eval(t, `window.old = true; location.reload()`, nil)
		p.Until(t, `!window.old && document.readyState === "complete"`)
	}
	const state, message = `document.querySelector("#operation").dataset.state`, `document.querySelector("#message").textContent`
	p.Until(t, `document.querySelector("#operation").hidden`)
	start("16")
	p.Until(t, message+`.endsWith(" of 16") && document.querySelector("progress").value > 0`)
	var seen float64
	p.Eval(t, `document.querySelector("progress").value`, &seen)
	reload()
	p.Until(t, state+` !== undefined`)
	var again float64
	p.Eval(t, `document.querySelector("progress").value`, &again)
	if again < seen {
		t.Errorf("it was at %v %% before the page was loaded again, and is at %v then", seen, again)
	}
	p.Until(t, message+` === "The report on whales has 4800 words."`)
	p.Until(t, `document.querySelector("#cancel").disabled && document.querySelector("progress").value === 100`)

	start("100")
	p.Until(t, state+` === "Running" && !document.querySelector("#cancel").disabled`)
	p.Click(t, "#cancel")
	p.Until(t, state+` === "Canceled" && `+message+` === "It was canceled."`)
	reload()
	p.Until(t, message+` === "It was canceled."`) // what has ended is shown too
	if wrong := p.Wrong(); len(wrong) > 0 {
		t.Errorf("in the page went wrong: %q", wrong)
	}

	p.Eval(t, `document.querySelector("[name=title]").value = ""; location.hash = "#no-such-report"`, nil)
	p.Until(t, message+` === "This report is not known, or not any more."`)
	found := false
	for _, n := range p.Accessible(t) {
		found = found || strings.EqualFold(n.Role, "progressbar") || n.Role == "ProgressIndicator"
	}
	if !found {
		t.Errorf("assistive technology sees no progress bar: %v", p.Accessible(t))
	}
}
