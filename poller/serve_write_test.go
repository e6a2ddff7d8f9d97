package poller_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon/poller"
	"github.com/antiphon-go/antiphon/poller/pollertest"
)

// Whoever is held is answered, however short http.Server.WriteTimeout is, and may read the
// answer as slowly as that allows: for ever, if it is not set.
func TestHeldLongerThanTheTimeToWrite(t *testing.T) {
	for _, c := range []struct {
		name          string
		limit, asleep time.Duration
		prefer        string
	}{
		{"inline", time.Second, 0, ""},
		{"prefer", time.Second, 0, "wait=20"},
		{"a limit longer than ours", time.Minute, 40 * time.Second, "wait=20"},
		{"no limit, slow", 0, time.Hour, ""},
		{"no limit, prefer, slow", 0, time.Hour, "wait=20"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				large := strings.Repeat("x", 1<<20)
				server := poller.ServeFunc(func(context.Context, int) (string, error) { time.Sleep(5 * time.Second); return large, nil }, &poller.ServerOptions{Inline: 20 * time.Second})
				net := pollertest.Listen()
				site := &http.Server{Handler: server, WriteTimeout: c.limit}
				go func() { _ = site.Serve(net.Listener) }()
				r, err := http.NewRequestWithContext(t.Context(), "POST", net.URL+"/jobs", strings.NewReader("1"))
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Content-Type", "application/json")
				if c.prefer != "" {
					r.Header.Set("Prefer", c.prefer)
				}
				res, err := net.Client().Do(r)
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(c.asleep)
				body, err := io.ReadAll(res.Body)
				_ = res.Body.Close()
				if err != nil || res.StatusCode != http.StatusOK || len(body) != len(large)+2 {
					t.Errorf("%s, %d bytes, %v", res.Status, len(body), err)
				}
				if err := server.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
				_ = site.Close()
				_ = net.Close()
			})
		})
	}
}
