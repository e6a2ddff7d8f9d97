package conformance_test

import (
	"bytes"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon/poller"
)

// curl runs curl, and returns the headers and the body that it got.
func curl(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(within(t), "curl", append([]string{"--silent", "--show-error", "--include"}, args...)...)
	var wrong bytes.Buffer
	cmd.Stderr = &wrong
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("curl %q: %v %s", args, err, &wrong)
	}
	return strings.ReplaceAll(string(out), "\r\n", "\n")
}

// Whoever has curl and can read has a client: start, look, wait, listen, fetch, cancel.
func TestCurl(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("NOT TESTED with curl, for there is none: install it")
		}
		t.Skip("NOT TESTED with curl, for there is none")
	}
	s := httptest.NewServer(brisk(t, poller.ServerOptions{Inline: -1, MaxWait: 30 * time.Second}))
	defer s.Close()
	start := func() (monitor, result string) {
		t.Helper()
		out := curl(t, s.URL+"/reports", "--json", `{"text":"hello"}`)
		if !strings.HasPrefix(out, "HTTP/1.1 202 ") {
			t.Fatal(out)
		}
		find := func(header string) string {
			m := regexp.MustCompile(`(?m)^` + header + `: (.*)$`).FindStringSubmatch(out)
			if m == nil {
				t.Fatalf("there is no %s in\n%s", header, out)
			}
			return m[1]
		}
		return find("Operation-Location"), find("Location")
	}
	expect := func(what, out string, parts ...string) {
		t.Helper()
		for _, part := range parts {
			if !strings.Contains(out, part) {
				t.Errorf("%s: there is no %q in\n%s", what, part, out)
			}
		}
	}
	monitor, result := start()
	expect("looking", curl(t, monitor), "HTTP/1.1 200 ", `"status":"`)
	expect("listening", curl(t, "--no-buffer", "-H", "Accept: text/event-stream", monitor), "text/event-stream", "event: status\n", `"percentComplete":50`, `"status":"Succeeded"`)
	expect("fetching", curl(t, result), "HTTP/1.1 200 ", `{"text":"HELLO"}`)
	expect("listening when all is over", curl(t, monitor+"/events"), `"status":"Succeeded"`)
	monitor, _ = start()
	for range 10 { // each change is an answer
		out := curl(t, "-H", "Prefer: wait=30", "-H", `If-None-Match: "2"`, monitor)
		expect("waiting", out, "Preference-Applied: wait=30")
		if strings.Contains(out, `"done":true`) {
			break
		}
	}
	monitor, result = start()
	expect("waiting for the result", curl(t, "-H", "Prefer: wait=30", result), "HTTP/1.1 200 ", `{"text":"HELLO"}`)
	expect("deleting", curl(t, "-X", "DELETE", monitor), "HTTP/1.1 204 ")
	expect("looking for what was deleted", curl(t, monitor), "HTTP/1.1 410 ", "application/problem+json")
	monitor, result = start()
	expect("canceling", curl(t, "-X", "POST", monitor+":cancel"), `"cancelRequested":true`)
	expect("the result of what was canceled", curl(t, "-H", "Prefer: wait=30", result), "HTTP/1.1 409 ", `"code":"canceled"`)
}
