package main

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

// locked is a writer for several goroutines.
type locked struct {
	mu sync.Mutex
	bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.Write(p)
}

func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out locked
		if err := run(t.Context(), &out); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{
			"we have soup\n", "we have roast\n", "going on with my work", "kitchen: 50 %, it simmers", "the soup is fine",
			"here is the soup, by Ada", "no roast", "that is not on the menu (not_found, failed)",
		} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("it does not print %q:\n%s", want, out.String())
			}
		}
		if strings.Contains(out.String(), "leftovers") {
			t.Error("it was asked for two dishes")
		}
	})
}
