package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestOnce(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), &out, "localhost:0", true); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"the report on whales: ", " of 8", // not all that is reported is told
		"the report on whales has 2400 words",
		"the report on nothing: a report has 1 to 100 pages, not 0",
		"the report on tea: ████████████████████ it has 2400 words",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it does not print %q:\n%s", want, &out)
		}
	}
}

// What it prints for curl is true, and an interrupt lets what is under way end.
func TestInterrupt(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, w, "localhost:0", false)
		w.Close()
	}()
	var url string
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if m := regexp.MustCompile(`curl -i (http\S+/reports) --json '(.*)'`).FindStringSubmatch(lines.Text()); m != nil {
			url = m[1]
			res, err := http.Post(url, "application/json", strings.NewReader(m[2]))
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			at := res.Header.Get("Operation-Location")
			if res.StatusCode != http.StatusAccepted || !strings.HasPrefix(at, url+"/operations/") {
				t.Errorf("%s, %q", res.Status, at)
			}
			canceled, err := http.Post(at+":cancel", "", nil)
			if err != nil {
				t.Fatal(err)
			}
			canceled.Body.Close()
			if canceled.StatusCode >= 300 {
				t.Error(canceled.Status)
			}
		}
		if strings.Contains(lines.Text(), "it has 2400 words") {
			interrupt()
		}
	}
	if url == "" {
		t.Error("it prints no command")
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Fatal("it does not end")
	}
}

func TestPage(t *testing.T) {
	for path, typ := range map[string]string{"/": "text/html; charset=utf-8", "/app.js": "text/javascript; charset=utf-8", "/style.css": "text/css; charset=utf-8"} {
		w := httptest.NewRecorder()
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		page().ServeHTTP(w, r)
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != typ || !strings.Contains(w.Header().Get("Content-Security-Policy"), "script-src 'self';") {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
	}
}
