package poller

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon"
)

const benchStatus = `{"name":"operations/1","id":"1","kind":"report","status":"Running","done":false,"percentComplete":50,` +
	`"message":"half way","version":7,"createdAt":"2026-03-01T12:00:00Z","updatedAt":"2026-03-01T12:00:05Z"}`

// canned answers without a network.
type canned struct{ body []byte }

func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		Status: "200 OK", StatusCode: 200, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        http.Header{"Content-Type": {"application/json"}, "Etag": {`"7"`}, "Retry-After": {"1"}, "Retry-After-Ms": {"500"}},
		ContentLength: int64(len(c.body)), Body: io.NopCloser(bytes.NewReader(c.body)), Request: r,
	}, nil
}

// BenchmarkHTTPPoll is one look at an operation that runs, by hand and by a monitor: over
// TCP, and without a network, which shows what is ours.
func BenchmarkHTTPPoll(b *testing.B) {
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h["Content-Type"], h["Etag"], h["Retry-After"], h["Retry-After-Ms"] = []string{"application/json"}, []string{`"7"`}, []string{"1"}, []string{"500"}
		_, _ = io.WriteString(w, benchStatus)
	}))
	defer site.Close()
	for _, way := range []struct {
		name   string
		client *http.Client
	}{{"tcp", site.Client()}, {"none", &http.Client{Transport: canned{[]byte(benchStatus)}}}} {
		b.Run(way.name+"/by hand", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var status struct {
					ID, Status, Message string
					PercentComplete     float64
					Version             int64
				}
				if err := byHand(way.client, site.URL+"/operations/1", &status); err != nil || status.Status != "Running" {
					b.Fatal(status, err)
				}
			}
		})
		b.Run(way.name+"/monitor", func(b *testing.B) {
			c, err := newCaller(&HTTPOptions{Client: way.client, LongPoll: -1}, "report")
			if err != nil {
				b.Fatal(err)
			}
			req := httptest.NewRequest("POST", site.URL, nil)
			at := ref{style: styleStatus, home: originOf(req.URL), method: "POST", start: req.URL}
			at.url, _ = req.URL.Parse(site.URL + "/operations/1")
			m := c.watch(at, antiphon.Operation{State: antiphon.StateQueued})
			b.ReportAllocs()
			for b.Loop() {
				op, err := m.poll(b.Context())
				if err != nil || op.State != antiphon.StateRunning {
					b.Fatal(op, err)
				}
				if st, err := statusFrom[int](c, &op); err != nil || st.After != 500*time.Millisecond {
					b.Fatal(st, err)
				}
			}
		})
	}
}

func byHand(client *http.Client, url string, into any) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != 200 {
		return io.ErrUnexpectedEOF
	}
	return json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(into)
}

// BenchmarkDialInline is an ask that is answered with its result, by a server in the same
// process, and a POST by hand of the same.
func BenchmarkDialInline(b *testing.B) {
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header()["Content-Type"] = []string{"application/json"}
		_, _ = io.WriteString(w, "7")
	}))
	defer site.Close()
	b.Run("by hand", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var n int
			req, err := http.NewRequestWithContext(b.Context(), "POST", site.URL, strings.NewReader("7"))
			if err != nil {
				b.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			resp, err := site.Client().Do(req)
			if err != nil {
				b.Fatal(err)
			}
			if err := json.NewDecoder(resp.Body).Decode(&n); err != nil || n != 7 {
				b.Fatal(n, err)
			}
			_ = resp.Body.Close()
		}
	})
	b.Run("Dial", func(b *testing.B) {
		ask := Dial[int, int](site.URL, &HTTPOptions{Client: site.Client()})
		b.ReportAllocs()
		for b.Loop() {
			if n, err := ask(b.Context(), 7).Await(b.Context()); err != nil || n != 7 {
				b.Fatal(n, err)
			}
		}
	})
}
