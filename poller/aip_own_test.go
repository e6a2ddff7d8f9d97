package poller_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/poller"
	"github.com/antiphon-go/antiphon/poller/pollertest"
)

// Our client follows the AIP-151 face of our server, whose results are in a
// google.protobuf.Any: to the value, the failure, and to nothing; and it sees progress.
func TestAIPFaceIsFollowed(t *testing.T) {
	sorry := &antiphon.Error{Code: antiphon.CodeNotFound, Message: "sold out", Reason: "test.sold_out"}
	work := func(ctx context.Context, what string) (any, error) {
		antiphon.Report(ctx, 40, "at work", nil)
		select {
		case <-time.After(time.Minute):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		switch what {
		case "fail":
			return nil, sorry
		case "text":
			return "a report", nil
		case "typed":
			return map[string]any{"@type": "example.com/Report", "pages": 3}, nil
		}
		return map[string]any{"value": 7, "pages": 3}, nil
	}
	synctest.Test(t, func(t *testing.T) {
		s := poller.ServeFunc(work, &poller.ServerOptions{Inline: -1})
		mux := http.NewServeMux()
		mux.Handle("/v1/", s.AIP())
		n := pollertest.Serve(mux)
		defer n.Close()
		defer stop(t, s)
		begin := func(what string) *poller.Remote[any] {
			t.Helper()
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, n.URL+"/v1/reports", strings.NewReader(`"`+what+`"`))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/json")
			remote, err := poller.Begin[any](r, &poller.HTTPOptions{Client: n.Client()})
			if err != nil {
				t.Fatal(err)
			}
			return remote
		}
		if got, err := begin("text").Future().Await(t.Context()); got != "a report" || err != nil {
			t.Errorf("%v, %v", got, err)
		}
		r, seen := begin("object"), 0.0
		for op, err := range r.Updates(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			seen = max(seen, op.Percent)
		}
		got, err := r.Future().Await(t.Context())
		if m, ok := got.(map[string]any); err != nil || !ok || len(m) != 2 || m["pages"] != 3.0 || m["value"] != 7.0 {
			t.Errorf("%v, %v", got, err)
		}
		if seen != 40 {
			t.Errorf("it was seen at %v %%, want 40", seen)
		}
		got, err = begin("typed").Future().Await(t.Context())
		if m, ok := got.(map[string]any); err != nil || !ok || m["@type"] != "example.com/Report" {
			t.Errorf("%v, %v", got, err)
		}
		if _, err := begin("fail").Future().Await(t.Context()); !errors.Is(err, sorry) || err.Error() != "sold out" {
			t.Errorf("it failed with %v", err)
		}
		gone := begin("cancel")
		if err := gone.Cancel(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := gone.Future().Await(t.Context()); !errors.Is(err, context.Canceled) {
			t.Errorf("it was canceled, and ended with %v", err)
		}
	})
}

// A name alone is an operation that is not done, and not a result.
func TestAIPNameAlone(t *testing.T) {
	for body, want := range map[string]string{
		`{"name":"operations/1"}`:                    "report",
		`{"name":"projects/x/operations/1"}`:         "",
		`{"name":"operations/1","state":"new"}`:      "operations/1",
		`{"name":"operations"}`:                      "operations",
		`{"name":"reports/1"}`:                       "reports/1",
		`{"name":"reports/operations"}`:              "",
		`{"name":"operations/1","done":false}`:       "report",
		`{"name":"reports/1","done":true,"pages":3}`: "reports/1",
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &pollertest.Script{Style: pollertest.AIP, Start: []pollertest.Step{{Body: body}}, Value: struct{ Name string }{"report"}}
			n := pollertest.Serve(s)
			defer n.Close()
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, n.URL+"/v1/reports", nil)
			if err != nil {
				t.Fatal(err)
			}
			remote, err := poller.Begin[struct{ Name string }](r, &poller.HTTPOptions{Client: n.Client()})
			if err != nil {
				t.Fatal(err)
			}
			got, err := remote.Future().Await(t.Context())
			if want == "" { // followed, to where there is nothing
				if !errors.Is(err, poller.ErrGone) {
					t.Errorf("%s: %+v, %v; want ErrGone", body, got, err)
				}
				return
			}
			if got.Name != want || err != nil {
				t.Errorf("%s: %+v, %v; want %q", body, got, err, want)
			}
		})
	}
}
