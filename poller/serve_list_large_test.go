package poller_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// pieces counts what is written, and keeps how much was written at once.
type pieces struct {
	http.ResponseWriter
	most int
}

func (p *pieces) Write(b []byte) (int, error) {
	p.most = max(p.most, len(b))
	return p.ResponseWriter.Write(b)
}

// A list of large results takes no more memory than some of them: its pages are shorter, and
// what is asked for by id is sent one by one.
func TestListsOfLargeResults(t *testing.T) {
	const n, size = 10, 1 << 19
	large := func(context.Context, int) (string, error) { return strings.Repeat("x", size), nil }
	serving(t, large, nil, func(t *testing.T, s *site) {
		var ids []string
		for range n {
			ids = append(ids, s.do("POST", "/jobs", "1").get("Operation-Id"))
		}
		listed := 0
		for token, pages := "", 0; ; pages++ {
			a := s.do("GET", "/jobs/operations?pageSize=500&pageToken="+url.QueryEscape(token), "")
			l := a.list(t)
			if listed += len(l.Operations); len(a.body) > 10*size || len(l.Operations) == 0 {
				t.Errorf("page %d: %d bytes, %d operations", pages, len(a.body), len(l.Operations))
			}
			if token = l.NextPageToken; token == "" || pages > n {
				break
			}
		}
		if listed != n {
			t.Errorf("%d of %d are listed", listed, n)
		}
		mux := http.NewServeMux()
		mux.Handle("/v1/", s.server.AIP())
		aip := site{t: t, server: s.server, mux: mux}
		if a := aip.do("GET", "/v1/operations?pageSize=500", ""); a.StatusCode != 200 || len(a.body) > 19*size { // the result is in the metadata too
			t.Errorf("AIP: %s, %d bytes", a.Status, len(a.body))
		}
		var most int
		inner := s.mux
		s.mux = http.NewServeMux()
		s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
			p := &pieces{ResponseWriter: w}
			inner.ServeHTTP(p, r)
			most = p.most
		})
		body, _ := json.Marshal(map[string][]string{"ids": append(ids, "none")})
		l := s.do("POST", "/jobs/operations:batchGet", string(body)).list(t)
		if len(l.Operations) != n || len(l.Missing) != 1 || l.Operations[n-1].ID != ids[n-1] || len(l.Operations[n-1].Result) != size+2 || most > 2*size {
			t.Errorf("%d operations, %v missing, %d bytes at once", len(l.Operations), l.Missing, most)
		}
	})
}
