package poller

import (
	"context"
	"encoding/json"
	"maps"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/antiphon-go/antiphon"
)

// The document for machines.
type openAPI struct {
	Paths      map[string]map[string]json.RawMessage
	Components struct {
		Schemas map[string]struct {
			Required   []string
			Properties map[string]json.RawMessage
		}
	}
}

func openAPIDocument(t *testing.T) (d openAPI) {
	t.Helper()
	b, err := os.ReadFile("../docs/operations.openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// The document has the routes that are served, and no others.
func TestOpenAPIHasTheRoutes(t *testing.T) {
	served := map[string]bool{}
	for prefix, table := range map[string][]route{"": routes, "/v1": aipRoutes} {
		for _, r := range table {
			for _, m := range r.methods {
				path := prefix + r.path
				if r.path == "" {
					path += "/"
				}
				served[m.name+" "+path] = true
			}
		}
	}
	said := map[string]bool{}
	for path, methods := range openAPIDocument(t).Paths {
		for m := range methods {
			if m != "parameters" {
				said[strings.ToUpper(m)+" "+path] = true
			}
		}
	}
	for one := range served {
		if !said[one] {
			t.Errorf("%s is served, and not in the document", one)
		}
	}
	for one := range said {
		if !served[one] {
			t.Errorf("%s is in the document, and not served", one)
		}
	}
}

// Each route of the document leads to the handler of that path, with that id.
func TestOpenAPIPathsAreFound(t *testing.T) {
	for path := range openAPIDocument(t).Paths {
		table, rest := routes, path
		if after, ok := strings.CutPrefix(path, "/v1"); ok {
			table, rest = aipRoutes, after
		}
		r, id, before := find(table, "/at"+strings.Replace(rest, "{id}", "a%20b", 1))
		if r == nil || r.path != strings.TrimSuffix(rest, "/") || before != "/at" || (id == "a b") != strings.Contains(path, "{id}") {
			t.Errorf("%s: %+v, %q, %q", path, r, id, before)
		}
	}
}

// What is answered, the document allows: the statuses of each route, and the members of
// each body.
func TestOpenAPIHasTheAnswers(t *testing.T) {
	d := openAPIDocument(t)
	s := ServeFunc(func(ctx context.Context, n int) (int, error) {
		switch n {
		case 1:
			return 0, &antiphon.Error{Code: "x", Details: map[string]string{"a": "b"}, Marks: []string{"m"}, Permanent: true, RetryAfter: 1}
		case 2:
			<-ctx.Done()
			return 0, ctx.Err()
		}
		return n, nil
	}, &ServerOptions{MaxRunning: 1, MaxBody: 100})
	defer func() { _ = s.Shutdown(t.Context()) }()
	do := func(method, path, body string, header ...string) *httptest.ResponseRecorder {
		t.Helper()
		r := httptest.NewRequest(method, "http://x"+path, strings.NewReader(body))
		if body != "" {
			r.Header.Set("Content-Type", "application/json")
		}
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		if s.ServeHTTP(w, r); path == "" {
			path = "/"
		}
		path, _, _ = strings.Cut(path, "?")
		for _, rt := range routes {
			if found, id, _ := find(routes, path); found.path == rt.path && id != "" {
				path = rt.path
			}
		}
		var responses struct{ Responses map[string]json.RawMessage }
		_ = json.Unmarshal(d.Paths[path][strings.ToLower(method)], &responses)
		if _, ok := responses.Responses[strconv.Itoa(w.Code)]; !ok {
			t.Errorf("%s %s: %d is not in the document, which has %v", method, path, w.Code, slices.Sorted(maps.Keys(responses.Responses)))
		}
		return w
	}
	is := func(schema string, body []byte) {
		t.Helper()
		var members map[string]json.RawMessage
		if err := json.Unmarshal(body, &members); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		has := d.Components.Schemas[schema]
		for name := range members {
			if _, ok := has.Properties[name]; !ok {
				t.Errorf("%s has no %s", schema, name)
			}
		}
		for _, name := range has.Required {
			if _, ok := members[name]; !ok {
				t.Errorf("%s is required of %s: %s", name, schema, body)
			}
		}
		if e, ok := members["error"]; ok && schema != "Error" {
			var inner map[string]json.RawMessage
			_ = json.Unmarshal(e, &inner)
			for name := range inner {
				if _, ok := d.Components.Schemas["Error"].Properties[name]; !ok {
					t.Errorf("an error has no %s", name)
				}
			}
		}
	}
	do("POST", "/", "7")
	failed := do("POST", "/", "1")
	is("Problem", failed.Body.Bytes())
	at := "/operations/" + failed.Header().Get("Operation-Id")
	is("Operation", do("GET", at, "").Body.Bytes())
	is("Problem", do("GET", at+"/result", "").Body.Bytes())
	do("GET", at+"/events", "")
	is("Page", do("GET", "/operations?pageSize=1", "").Body.Bytes())
	is("Batch", do("POST", "/operations:batchGet", `{"ids":["x"]}`).Body.Bytes())
	do("DELETE", at, "")
	do("GET", at, "")
	running := do("POST", "/", "2", "Prefer", "respond-async", "Idempotency-Key", "k")
	at = "/operations/" + running.Header().Get("Operation-Id")
	is("Operation", running.Body.Bytes())
	do("POST", "/", "7")
	do("POST", "/", "7", "Idempotency-Key", "k")
	do("POST", "/", strings.Repeat("7", 101))
	do("POST", "/", "7", "Content-Type", "text/plain")
	do("POST", "/", "{")
	do("GET", at, "", "If-None-Match", "*")
	do("GET", at+"/result", "")
	do("POST", at+":cancel", "")
	do("GET", at+"/result", "", "Prefer", "wait=10")
	do("GET", "/operations?pageSize=x", "")
	do("GET", "/operations/x", "")
	for _, name := range exposed {
		for one := range strings.SplitSeq(name, ", ") {
			b, _ := os.ReadFile("../docs/operations.openapi.json")
			if !strings.Contains(string(b), `"`+one+`"`) {
				t.Errorf("the document has no header %s", one)
			}
		}
	}
}
