package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
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
		"forest.png   160 × 120", "flaky.png    160 × 120",
		"broken.png   broken.png is no picture", "dead letter: broken.png, given up at attempt 1",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it does not print %q:\n%s", want, &out)
		}
	}
}

// An interrupt lets what is under way end, and the page is there until then.
func TestInterrupt(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, w, "localhost:0", false)
		w.Close()
	}()
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if url, ok := strings.CutPrefix(lines.Text(), "look at "); ok {
			res, err := http.Get(url)
			if err != nil {
				t.Fatal(err)
			}
			page, _ := io.ReadAll(res.Body)
			res.Body.Close()
			if res.StatusCode != 200 || !strings.Contains(string(page), "pictures") {
				t.Error(res.Status, string(page))
			}
		}
		if strings.HasPrefix(lines.Text(), "dead letter") {
			interrupt()
		}
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
