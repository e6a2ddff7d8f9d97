// Package browser drives a headless Chromium, for tests of what runs in one.
//
//	b := browser.Start(t)
//	p := b.Open(t, server.URL)
//	p.Until(t, "document.querySelector('output').value !== ''")
//
// It speaks the DevTools protocol over a pipe (https://chromedevtools.github.io/devtools-protocol),
// the few commands of it that tests need, and depends on nothing. What fails, fails
// the test.
package browser

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// patience is how long the browser may take for one thing, on a busy machine.
const patience = 2 * time.Minute

// A Browser is a running Chromium with a profile of its own.
//
// Concurrency: all methods may be called by any number of goroutines.
type Browser struct {
	cmd  *exec.Cmd
	wire *wire
	log  bytes.Buffer // read when the process has ended
}

// names are what Chromium is called.
var names = []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"}

// find returns the path of the browser, which the environment variable CHROMIUM may
// name. Without one the test is skipped, or fails where CI=true.
func find(tb testing.TB) string {
	tb.Helper()
	if path := os.Getenv("CHROMIUM"); path != "" {
		return path
	}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	const text = "NOT TESTED in a browser, for there is none: install chromium, or name one in CHROMIUM"
	if os.Getenv("CI") == "true" {
		tb.Fatal(text)
	}
	tb.Skip(text)
	return ""
}

// Start starts a browser that ends with the test.
func Start(tb testing.TB) *Browser {
	tb.Helper()
	path := find(tb)
	profile, err := os.MkdirTemp("", "chromium")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(profile) })
	commands, toBrowser, err := os.Pipe()
	if err != nil {
		tb.Fatal(err)
	}
	fromBrowser, answers, err := os.Pipe()
	if err != nil {
		tb.Fatal(err)
	}
	b := &Browser{cmd: exec.Command(path,
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
		"--disable-background-timer-throttling", "--disable-renderer-backgrounding", "--disable-backgrounding-occluded-windows",
		"--mute-audio", "--hide-scrollbars", "--force-color-profile=srgb",
		"--user-data-dir="+profile, "--remote-debugging-pipe", "about:blank")}
	b.cmd.ExtraFiles = []*os.File{commands, answers} // descriptors 3 and 4, as the pipe is defined
	b.cmd.Stdout, b.cmd.Stderr = &b.log, &b.log
	b.cmd.WaitDelay = time.Second
	if err := b.cmd.Start(); err != nil {
		tb.Fatalf("starting %s: %v", path, err)
	}
	_, _ = commands.Close(), answers.Close()
	b.wire = newWire(toBrowser, fromBrowser)
	tb.Cleanup(func() { b.end(tb) })
	var version struct{ Product string }
	b.wire.must(tb, "", "Browser.getVersion", nil, &version)
	tb.Logf("in %s", version.Product)
	return b
}

// end closes the browser, and kills it if it will not.
func (b *Browser) end(tb testing.TB) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_ = b.wire.call(ctx, "", "Browser.close", nil, nil)
	stop := context.AfterFunc(ctx, func() { _ = b.cmd.Process.Kill() })
	_ = b.cmd.Wait()
	stop()
	b.wire.close()
	if tb.Failed() {
		tb.Logf("the browser said:\n%s", b.said())
	}
}

// said is what the process has written, but for its complaints that it is no desktop.
func (b *Browser) said() string {
	var kept strings.Builder
	for line := range strings.Lines(b.log.String()) {
		if !strings.Contains(line, "dbus") {
			kept.WriteString(line)
		}
	}
	return kept.String()
}
