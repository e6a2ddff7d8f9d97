package poller_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon/poller"
)

// Shutdown with a context that has ended cancels the work, each time.
func TestShutdownWithAnEndedContextCancelsTheWork(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			ended := make(chan struct{})
			s := poller.ServeFunc(func(ctx context.Context, _ int) (int, error) {
				<-ctx.Done()
				close(ended)
				return 0, ctx.Err()
			}, &poller.ServerOptions{Inline: -1})
			r := httptest.NewRequest("POST", "/", strings.NewReader("1"))
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if w.Code != http.StatusAccepted {
				t.Fatalf("status %d: %s", w.Code, w.Body)
			}
			synctest.Wait()
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := s.Shutdown(ctx); err == nil {
				t.Error("Shutdown with a context that had ended, and work under way, returned nil")
			}
			time.Sleep(time.Second)
			select {
			case <-ended:
			default:
				t.Error("the work goes on")
				_ = s.Shutdown(t.Context())
			}
		})
	}
}

// A wait without a bound is one: the time to write does not wrap round.
func TestMaxWaitWithoutABound(t *testing.T) {
	s := poller.ServeFunc(func(_ context.Context, n int) (int, error) { time.Sleep(50 * time.Millisecond); return n, nil }, &poller.ServerOptions{MaxWait: 1<<63 - 1})
	site := httptest.NewServer(s)
	defer site.Close()
	r, err := http.NewRequest("POST", site.URL, strings.NewReader("7"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Prefer", "wait=9999999999")
	res, err := http.DefaultClient.Do(r)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatal(res, err)
	}
	res.Body.Close()
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
