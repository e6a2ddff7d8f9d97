package poller_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/poller"
)

// byHeader is an Owner for tests.
func byHeader(r *http.Request) (string, error) {
	switch who := r.Header.Get("X-Who"); who {
	case "nobody":
		return "", antiphon.Errorf(antiphon.CodeUnauthenticated, "the secret is wrong")
	case "banned":
		return "", antiphon.Errorf(antiphon.CodePermissionDenied, "a secret reason")
	case "long":
		return strings.Repeat("x", 257), nil
	case "panic":
		panic("in the hook")
	default:
		return who, nil
	}
}

type listed struct {
	Operations    []antiphon.Operation
	NextPageToken string
	Missing       []string
}

func (a served) list(t testing.TB) (l listed) {
	t.Helper()
	if a.StatusCode != 200 || json.Unmarshal(a.body, &l) != nil {
		t.Fatalf("no list: %s", a)
	}
	return l
}

// P9: whatever is done to another's operation, it is as one that never was.
func TestP9_ForeignOperationsAreUnknown(t *testing.T) {
	serving(t, slowly, &poller.ServerOptions{Owner: byHeader}, func(t *testing.T, s *site) {
		at := s.start("10", "X-Who", "me", "Idempotency-Key", "k").get("Operation-Location")
		look := func(at, who string) (all []string) {
			for _, c := range [][2]string{
				{"GET", at}, {"HEAD", at}, {"DELETE", at}, {"GET", at + "/result"}, {"GET", at + "/events"}, {"POST", at + ":cancel"},
			} {
				for _, more := range [][2]string{{}, {"Prefer", "wait=5"}, {"Accept", "text/event-stream"}, {"If-None-Match", "*"}} {
					a := s.do(c[0], c[1], "", "X-Who", who, more[0], more[1])
					text := strings.ReplaceAll(fmt.Sprint(a.StatusCode, a.Header, string(a.body)), at, "…")
					all = append(all, text)
					if a.StatusCode != 404 {
						t.Errorf("%s %s %v for %s: %s", c[0], c[1], more, who, a)
					}
				}
			}
			return all
		}
		never := look("http://site.test/jobs/operations/"+strings.Repeat("x", 22), "other")
		for _, who := range []string{"other", ""} {
			if got := look(at, who); !slices.Equal(got, never) {
				t.Errorf("it differs from one that never was:\n%q\n%q", got, never)
			}
		}
		id := at[strings.LastIndex(at, "/")+1:]
		if l := s.do("POST", "/jobs/operations:batchGet", `{"ids":["`+id+`"]}`, "X-Who", "other").list(t); len(l.Operations) != 0 || !slices.Equal(l.Missing, []string{id}) {
			t.Error(l)
		}
		if l := s.do("GET", "/jobs/operations", "", "X-Who", "other").list(t); len(l.Operations) != 0 || l.NextPageToken != "" {
			t.Error(l)
		}
		// One's key is not another's.
		if a := s.start("10", "X-Who", "other", "Idempotency-Key", "k"); a.get("Operation-Location") == at {
			t.Error(a)
		}
		if a := s.do("GET", at, "", "X-Who", "me"); a.StatusCode != 200 || a.operation(t).State != antiphon.StateRunning || strings.Contains(string(a.body), "owner") {
			t.Error(a)
		}
		// When it is gone, it is 410 to its owner alone.
		time.Sleep(11 * time.Second)
		if a := s.do("DELETE", at, "", "X-Who", "me"); a.StatusCode != 204 {
			t.Error(a)
		}
		if a := s.do("GET", at, "", "X-Who", "me"); a.StatusCode != 410 {
			t.Error(a)
		}
		look(at, "other")
	})
}

func TestOwnerRefuses(t *testing.T) {
	serving(t, double, &poller.ServerOptions{Owner: byHeader, Challenge: `Basic realm="jobs"`}, func(t *testing.T, s *site) {
		for who, want := range map[string]int{"nobody": 401, "banned": 403, "long": 500, "panic": 500} {
			for _, c := range [][2]string{{"POST", "/jobs"}, {"GET", "/jobs/operations"}, {"GET", "/jobs/operations/x"}} {
				a := s.do(c[0], c[1], "", "X-Who", who)
				if a.problem(t); a.StatusCode != want || strings.Contains(a.String(), "secret") || strings.Contains(a.String(), "hook") || (want == 401) != (a.get("WWW-Authenticate") == `Basic realm="jobs"`) {
					t.Errorf("%s: %s", who, a)
				}
			}
		}
	})
}

func TestList(t *testing.T) {
	serving(t, slowly, &poller.ServerOptions{Owner: byHeader, Name: "sleep", MaxRunning: 5000}, func(t *testing.T, s *site) {
		var mine []string
		for i := range 150 {
			if i%2 == 0 {
				// Some of which are over before they are answered.
				mine = append(mine, s.do("POST", "/jobs", fmt.Sprint(i%4*25), "X-Who", "me", "Prefer", "respond-async").get("Operation-Id"))
			} else {
				s.start("50", "X-Who", "other")
			}
		}
		synctest.Wait()
		slices.Reverse(mine)
		all := func(query string) (ids []string, pages int) {
			t.Helper()
			for token := ""; ; pages++ {
				l := s.do("GET", "/jobs/operations?"+query+"&pageToken="+url.QueryEscape(token), "", "X-Who", "me").list(t)
				for _, op := range l.Operations {
					ids = append(ids, op.ID)
				}
				if token = l.NextPageToken; token == "" {
					return ids, pages + 1
				}
			}
		}
		for query, pages := range map[string]int{"": 2, "pageSize=1": 76, "pageSize=10": 8, "pageSize=75": 2, "pageSize=9999999999999999999999": 1, "pageSize=0&kind=sleep&unknown=1": 2} {
			if got, n := all(query); !slices.Equal(got, mine) || n > pages || n < pages-1 {
				t.Errorf("%s: %d in %d pages", query, len(got), n)
			}
		}
		for query, want := range map[string]int{"state=running": 37, "state=Succeeded": 38, "state=done": 38, "state=failed": 0, "kind=other": 0, "state=running&kind=sleep": 37, "filter=done+%3D+true": 38, "filter=done=false": 37} {
			if got, _ := all(query + "&pageSize=20"); len(got) != want {
				t.Errorf("%s: %d", query, len(got))
			}
		}
		token := s.do("GET", "/jobs/operations?pageSize=3&state=running", "", "X-Who", "me").list(t).NextPageToken
		for query, target := range map[string]string{
			"pageSize=-1": "pageSize", "pageSize=x": "pageSize", "state=updating": "state", "filter=x": "filter",
			"pageToken=x": "pageToken", "pageToken=AAAAAAAAAAAA": "pageToken", "pageToken=" + token: "pageToken", "state=running&kind=x&pageToken=" + token: "pageToken",
			"state=running&pageToken=" + token + "AAAA%": "query", "state=running&pageToken=" + strings.Repeat("A", 2000): "pageToken",
		} {
			if a := s.do("GET", "/jobs/operations?"+query, "", "X-Who", "me"); a.StatusCode != 400 || a.problem(t).Error.Target != target {
				t.Errorf("%s: %s", query, a)
			}
		}
		if a := s.do("GET", "/jobs/operations?state=running&pageToken="+token, "", "X-Who", "other"); a.StatusCode != 400 {
			t.Error(a)
		}
		// What a page continues after may be gone.
		done := s.do("GET", "/jobs/operations?pageSize=1&state=succeeded", "", "X-Who", "me").list(t)
		s.do("DELETE", "/jobs/operations/"+done.Operations[0].ID, "", "X-Who", "me")
		if a := s.do("GET", "/jobs/operations?pageSize=1&state=succeeded&pageToken="+done.NextPageToken, "", "X-Who", "me"); a.StatusCode != 410 || a.problem(t).Error.Reason != "poller.page_gone" {
			t.Error(a)
		}
		time.Sleep(100 * time.Second)
	})
}

// A page looks at a bounded number of operations: it may be empty, with another after it.
func TestListIsBounded(t *testing.T) {
	serving(t, slowly, &poller.ServerOptions{Owner: byHeader, MaxRunning: 5000}, func(t *testing.T, s *site) {
		id := s.do("POST", "/jobs", "0", "X-Who", "me").get("Operation-Id")
		for range 1500 {
			s.do("POST", "/jobs", "0", "X-Who", "other")
		}
		first := s.do("GET", "/jobs/operations", "", "X-Who", "me").list(t)
		if len(first.Operations) != 0 || first.NextPageToken == "" {
			t.Fatal(first)
		}
		second := s.do("GET", "/jobs/operations?pageToken="+first.NextPageToken, "", "X-Who", "me").list(t)
		if len(second.Operations) != 1 || second.Operations[0].ID != id || second.NextPageToken != "" {
			t.Error(second)
		}
	})
}

func TestBatchGet(t *testing.T) {
	serving(t, slowly, nil, func(t *testing.T, s *site) {
		var ids []string
		for i := range 200 {
			ids = append(ids, s.start(fmt.Sprint(1+i%2)).get("Operation-Id"))
		}
		body := func(ids []string) string { b, _ := json.Marshal(map[string][]string{"ids": ids}); return string(b) }
		l := s.do("POST", "/jobs/operations:batchGet", body(append([]string{"none"}, ids[1:]...))).list(t)
		if len(l.Operations) != 199 || l.Operations[5].ID != ids[6] || !slices.Equal(l.Missing, []string{"none"}) {
			t.Error(len(l.Operations), l.Missing)
		}
		if l := s.do("POST", "/jobs/operations:batchGet", body([]string{ids[0], ids[0]})).list(t); len(l.Operations) != 1 {
			t.Error(l)
		}
		for name, bad := range map[string]string{
			"too many": body(append(ids, "x")), "none": `{"ids":[]}`, "no object": `["x"]`, "other member": `{"id":["x"]}`, "another": `{"ids":["x"],"y":1}`,
			"twice": `{"ids":["x"],"ids":["y"]}`, "numbers": `{"ids":[1]}`, "nested": `{"ids":[["x"]]}`, "more": `{"ids":["x"]} {}`, "ended": `{"ids":["x"`,
			"empty": `{"ids":[""]}`, "null": `null`, "long": `{"ids":["` + strings.Repeat("x", 257) + `"]}`, "other case": `{"IDS":["x"]}`, "text": `x`,
		} {
			if a := s.do("POST", "/jobs/operations:batchGet", bad); a.StatusCode != 400 || a.problem(t).Error.Target != "ids" {
				t.Errorf("%s: %s", name, a)
			}
		}
		if a := s.do("POST", "/jobs/operations:batchGet", strings.Repeat(" ", 1<<18)); a.StatusCode != 413 {
			t.Error(a)
		}
		if a := s.do("POST", "/jobs/operations:batchGet", `{"ids":["x"]}`, "Content-Type", "text/plain"); a.StatusCode != 415 {
			t.Error(a)
		}
	})
}
