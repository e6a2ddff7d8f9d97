package poller_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/poller"
	"github.com/antiphon-go/antiphon/poller/pollertest"
)

type lro struct {
	Name     string
	Done     bool
	Metadata struct {
		Type  string `json:"@type"`
		Value antiphon.Operation
	}
	Error *struct {
		Code    int
		Message string
	}
	Response struct {
		Type  string `json:"@type"`
		Value json.RawMessage
		ID    int
	}
}

func (a served) lro(t testing.TB) (o lro) {
	t.Helper()
	if a.StatusCode != 200 || json.Unmarshal(a.body, &o) != nil || o.Name == "" || o.Metadata.Type != "type.googleapis.com/google.protobuf.Struct" || "operations/"+o.Metadata.Value.ID != o.Name {
		t.Fatalf("no operation: %s", a)
	}
	return o
}

func aipSite[Q, R any](t *testing.T, f func(context.Context, Q) (R, error), do func(t *testing.T, s *site)) {
	serving(t, f, nil, func(t *testing.T, s *site) {
		s.mux = http.NewServeMux()
		s.mux.Handle("/v1/", s.server.AIP())
		do(t, s)
	})
}

func TestAIP(t *testing.T) {
	aipSite(t, slowly, func(t *testing.T, s *site) {
		a := s.do("POST", "/v1/reports:make", "10")
		o := a.lro(t)
		if o.Done || o.Error != nil || o.Response.Type != "" || a.get("Retry-After") == "" || o.Metadata.Value.State != antiphon.StateRunning {
			t.Error(a)
		}
		at := "/v1/" + o.Name
		if a := s.do("GET", at, ""); a.lro(t).Done {
			t.Error(a)
		}
		begun := time.Now()
		if a := s.do("POST", at+":wait", `{"timeout":"2.5s"}`); a.lro(t).Done || time.Since(begun) != 2500*time.Millisecond {
			t.Error(a)
		}
		if a := s.do("POST", at+":wait", ""); !a.lro(t).Done || string(a.lro(t).Response.Value) != `"done"` || a.lro(t).Response.Type != "type.googleapis.com/google.protobuf.Value" {
			t.Error(a)
		}
		if a := s.do("POST", at+":cancel", "{}"); string(a.body) != "{}" {
			t.Error(a)
		}
		if a := s.do("DELETE", at, ""); a.StatusCode != 200 || string(a.body) != "{}" {
			t.Error(a)
		}
		type refusal struct {
			Error struct {
				Code            int
				Status, Message string
			}
		}
		running := "/v1/" + s.do("POST", "/v1/", "1000", "Prefer", "respond-async").lro(t).Name
		for _, c := range []struct {
			method, path, body string
			code               int
			status             string
		}{
			{"GET", at, "", 410, "NOT_FOUND"}, {"GET", "/v1/operations/x", "", 404, "NOT_FOUND"}, {"DELETE", running, "", 409, "FAILED_PRECONDITION"},
			{"POST", "/v1/x", "{", 400, "INVALID_ARGUMENT"}, {"POST", running + ":wait", `{"timeout":"1m"}`, 400, "INVALID_ARGUMENT"}, {"POST", running + ":wait", `{"timeout":"-1s"}`, 400, "INVALID_ARGUMENT"},
			{"POST", running + ":wait", `[]`, 400, "INVALID_ARGUMENT"}, {"POST", running + ":wait", fmt.Sprintf("%2000d", 1), 413, "RESOURCE_EXHAUSTED"},
			{"POST", "/v1/operations/x:wait", "", 404, "NOT_FOUND"}, {"POST", "/v1/operations/x:cancel", "", 404, "NOT_FOUND"}, {"GET", "/v1/operations?pageSize=x", "", 400, "INVALID_ARGUMENT"},
			{"GET", running + "/result", "", 404, "NOT_FOUND"}, {"POST", "/v1/operations:batchGet", "{}", 404, "NOT_FOUND"}, {"PUT", running, "", 405, "UNIMPLEMENTED"},
		} {
			a := s.do(c.method, c.path, c.body)
			var r refusal
			if json.Unmarshal(a.body, &r) != nil || a.StatusCode != c.code || r.Error.Code != c.code || r.Error.Status != c.status || r.Error.Message == "" {
				t.Errorf("%s %s: %s", c.method, c.path, a)
			}
		}
		if o := s.do("GET", running, "").lro(t); o.Done || o.Metadata.Value.CancelRequested {
			t.Error("deleting has canceled it")
		}
		var list struct {
			Operations    []lro
			NextPageToken string
		}
		s.do("POST", "/v1/", "0")
		if a := s.do("GET", "/v1/operations?pageSize=1&filter=done=false", ""); json.Unmarshal(a.body, &list) != nil || len(list.Operations) != 1 || "/v1/"+list.Operations[0].Name != running || list.NextPageToken != "" {
			t.Error(a)
		}
		if a := s.do("POST", running+":cancel", ""); string(a.body) != "{}" {
			t.Error(a)
		}
		if o := s.do("POST", running+":wait", `{}`).lro(t); !o.Done || o.Error == nil || o.Error.Code != 1 || o.Error.Message == "" || o.Metadata.Value.State != antiphon.StateCanceled {
			t.Errorf("%+v", o)
		}
	})
}

func TestAIPResults(t *testing.T) {
	aipSite(t, func(_ context.Context, what string) (any, error) {
		switch what {
		case "typed":
			return map[string]any{"@type": "example.com/book", "id": 7}, nil
		case "object":
			return map[string]any{"id": 7}, nil
		case "odd":
			return nil, antiphon.Errorf("odd", "odd")
		case "gone":
			return nil, antiphon.Errorf(antiphon.CodeUnauthenticated, "who")
		}
		return nil, nil
	}, func(t *testing.T, s *site) {
		do := func(what string) lro { return s.do("POST", "/v1/", `"`+what+`"`).lro(t) }
		if o := do("typed"); o.Response.Type != "example.com/book" || o.Response.ID != 7 {
			t.Errorf("%+v", o)
		}
		if o := do("object"); o.Response.Type != "type.googleapis.com/google.protobuf.Value" || string(o.Response.Value) != `{"id":7}` {
			t.Errorf("%+v", o)
		}
		if o := do("null"); string(o.Response.Value) != "null" {
			t.Errorf("%+v", o)
		}
		for what, code := range map[string]int{"odd": 2, "gone": 16} {
			if o := do(what); !o.Done || o.Error.Code != code {
				t.Errorf("%+v", o)
			}
		}
	})
	aipSite(t, func(context.Context, struct{}) (struct{}, error) { return struct{}{}, nil }, func(t *testing.T, s *site) {
		if o := s.do("POST", "/v1/", "").lro(t); o.Response.Type != "type.googleapis.com/google.protobuf.Empty" || string(o.Response.Value) != "{}" {
			t.Errorf("%+v", o)
		}
	})
	f := &stubborn{op: antiphon.Operation{ID: "x", State: antiphon.StateSucceeded, Result: []byte("a,b"), ContentType: "text/csv"}}
	s := siteOf(t, poller.Serve(f, nil))
	s.mux.Handle("/v1/", s.server.AIP())
	if o := s.do("GET", "/v1/operations/x", "").lro(t); o.Response.Type != "type.googleapis.com/google.protobuf.BytesValue" || string(o.Response.Value) != `"YSxi"` {
		t.Errorf("%+v", o)
	}
}

// Both ends of this package understand each other in that dialect, too.
func TestAIPDial(t *testing.T) {
	aipSite(t, slowly, func(t *testing.T, s *site) {
		n := pollertest.Serve(s.mux)
		defer n.Close()
		ask := poller.Dial[int, string](n.URL+"/v1/reports", &poller.HTTPOptions{Client: n.Client()})
		if v, err := ask(t.Context(), 10).Await(t.Context()); err != nil || v != "done" {
			t.Error(v, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if _, err := ask(ctx, 100).Await(t.Context()); antiphon.CodeOf(err) != antiphon.CodeDeadlineExceeded {
			t.Error(err)
		}
		time.Sleep(time.Minute)
	})
	aipSite(t, func(context.Context, int) (int, error) {
		return 0, &antiphon.Error{Code: antiphon.CodeFailedPrecondition, Reason: "shop.sold_out", Message: "sold out"}
	}, func(t *testing.T, s *site) {
		n := pollertest.Serve(s.mux)
		defer n.Close()
		ask := poller.Dial[int, int](n.URL+"/v1/reports", &poller.HTTPOptions{Client: n.Client()})
		if _, err := ask(t.Context(), 10).Await(t.Context()); antiphon.FromError(err).Reason != "shop.sold_out" {
			t.Error(err)
		}
	})
}
