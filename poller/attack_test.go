package poller_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
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

// What Authorize makes of the URL, a key in the query say, is that request's alone: it
// is neither in the token nor in the next request.
func TestAuthorizeChangesTheURLOfOneRequest(t *testing.T) {
	var queries []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		queries = append(queries, r.URL.RawQuery)
		if r.Method == http.MethodPost {
			w.Header().Set("Operation-Location", "/op")
			w.WriteHeader(http.StatusAccepted)
			return
		}
		state := "Running"
		if len(queries) > 2 {
			state = "Succeeded"
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"status":"` + state + `"}`))
	}))
	defer srv.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+"/start", nil)
	if err != nil {
		t.Fatal(err)
	}
	o := &poller.HTTPOptions{
		Poll: &poller.Options{Min: time.Millisecond, Poll: antiphon.Constant(time.Millisecond)},
		Authorize: func(r *http.Request, _ bool) error {
			r.URL.RawQuery += "k"
			return nil
		},
	}
	remote, err := poller.Begin[any](r, o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := remote.Future().Await(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, q := range queries {
		if q != "k" {
			t.Errorf("a request had the query %q, want what Authorize added once", q)
		}
	}
	if u := remote.URL(); strings.Contains(u, "?") {
		t.Errorf("what Authorize added is in the URL %s", u)
	}
}
