package poller_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/poller"
)

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
