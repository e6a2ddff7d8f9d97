package poller_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon/poller"
)

// Whatever is sent, the answer is one that the contract has: no panic, nothing but JSON,
// and no error of the server.
func FuzzServe(f *testing.F) {
	for _, seed := range []string{
		"POST /jobs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1\r\n\r\n1",
		"POST /jobs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nPrefer: wait=1, respond-async\r\nIdempotency-Key: \"k\"\r\nAntiphon-Timeout-Ms: 5\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n7\r\n0\r\n\r\n",
		"GET /jobs/operations/ID HTTP/1.1\r\nHost: x\r\nIf-None-Match: W/\"1\", *\r\nPrefer: wait=2\r\nAccept: text/event-stream;q=0.5\r\nLast-Event-ID: 1\r\n\r\n",
		"GET /jobs/operations/ID/events HTTP/1.0\r\nLast-Event-ID: 1\r\n\r\n",
		"GET /jobs/operations?state=running&pageSize=3&pageToken=AAAA&kind=x HTTP/1.1\r\nHost: x\r\n\r\n",
		"DELETE /jobs/operations/ID HTTP/1.1\r\nHost: x\r\nOrigin: null\r\n\r\n",
		"POST /jobs/operations/ID:cancel HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST /jobs/operations:batchGet HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n{\"ids\":[\"ID\"]}",
		"OPTIONS /jobs/operations/%2f%00/result HTTP/1.1\r\nHost: x\r\nOrigin: https://a.test\r\nAccess-Control-Request-Method: POST\r\n\r\n",
		"POST http://y/v1/operations/ID:wait HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{\"timeout\":\"1s\"}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		synctest.Test(t, func(t *testing.T) {
			s := siteOf(t, poller.ServeFunc(func(ctx context.Context, n int) (string, error) { return slowly(ctx, min(n, 5)) }, &poller.ServerOptions{Origins: []string{"https://a.test"}}))
			s.mux.Handle("/v1/", s.server.AIP())
			defer func() { _ = s.server.Shutdown(t.Context()) }()
			id := s.do("POST", "/jobs", "3").get("Operation-Id")
			req, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.ReplaceAll(string(raw), "ID", id))))
			if err != nil {
				return
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			w := httptest.NewRecorder()
			s.mux.ServeHTTP(w, req.WithContext(ctx))
			a := served{w.Result(), w.Body.Bytes()}
			if a.StatusCode >= 500 || a.StatusCode < 200 {
				t.Errorf("%q: %s", raw, a)
			}
			switch a.get("Content-Type") {
			case "application/json", "application/problem+json":
				if !json.Valid(a.body) && len(a.body) > 0 {
					t.Errorf("%q: %s", raw, a)
				}
			}
		})
	})
}
