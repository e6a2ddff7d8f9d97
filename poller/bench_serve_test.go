package poller_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon/poller"
)

type benchQuery struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
}

type benchAnswer struct {
	Text  string   `json:"text"`
	Parts []string `json:"parts"`
}

func benchWork(_ context.Context, q benchQuery) (benchAnswer, error) {
	return benchAnswer{Text: "hello " + q.Name, Parts: []string{"a", "b"}}, nil
}

// plain is the same work as a handler that somebody wrote by hand.
func plain(w http.ResponseWriter, r *http.Request) {
	var q benchQuery
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&q); err != nil {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	a, err := benchWork(r.Context(), q)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(a)
}

var benchBody = []byte(`{"name":"world","count":7}`)

// exchangeOver makes a request over a connection that is there, and reads the answer.
func exchangeOver(b *testing.B, c *http.Client, method, url string, body []byte, header http.Header) *http.Response {
	var rd io.Reader
	if body != nil {
		rd = bytes.NewReader(body)
	}
	req, err := http.NewRequest(method, url, rd)
	if err != nil {
		b.Fatal(err)
	}
	if header != nil {
		req.Header = header
	}
	res, err := c.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	return res
}

var benchHeader = http.Header{"Content-Type": {"application/json"}}

// BenchmarkServe is a POST, over TCP: to a plain handler, to a server that answers inline,
// and to one that answers 202, with the long-poll that sees the end.
func BenchmarkServe(b *testing.B) {
	b.Run("plain", func(b *testing.B) {
		site := httptest.NewServer(http.HandlerFunc(plain))
		defer site.Close()
		b.ReportAllocs()
		for b.Loop() {
			if res := exchangeOver(b, site.Client(), "POST", site.URL+"/jobs", benchBody, benchHeader); res.StatusCode != 200 {
				b.Fatal(res.Status)
			}
		}
	})
	b.Run("inline", func(b *testing.B) {
		s := poller.ServeFunc(benchWork, &poller.ServerOptions{MaxKept: 1000})
		defer func() { _ = s.Shutdown(context.Background()) }()
		site := httptest.NewServer(s)
		defer site.Close()
		b.ReportAllocs()
		for b.Loop() {
			if res := exchangeOver(b, site.Client(), "POST", site.URL+"/jobs", benchBody, benchHeader); res.StatusCode != 200 {
				b.Fatal(res.Status)
			}
		}
	})
	b.Run("longpoll", func(b *testing.B) {
		s := poller.ServeFunc(func(ctx context.Context, q benchQuery) (benchAnswer, error) {
			time.Sleep(50 * time.Microsecond) // so that it is not over when it is accepted
			return benchWork(ctx, q)
		}, &poller.ServerOptions{MaxKept: 1000, Inline: -1})
		defer func() { _ = s.Shutdown(context.Background()) }()
		site := httptest.NewServer(s)
		defer site.Close()
		b.ReportAllocs()
		for b.Loop() {
			res := exchangeOver(b, site.Client(), "POST", site.URL+"/jobs", benchBody, benchHeader)
			if res.StatusCode == 200 {
				continue // it was over all the same
			}
			res = exchangeOver(b, site.Client(), "GET", res.Header.Get("Operation-Location"), nil, http.Header{"Prefer": {"wait=10"}})
			if res.StatusCode != 200 {
				b.Fatal(res.Status)
			}
		}
	})
}

// BenchmarkServeHandler is the server alone, without a network.
func BenchmarkServeHandler(b *testing.B) {
	run := func(b *testing.B, h http.Handler) {
		b.ReportAllocs()
		for b.Loop() {
			req := httptest.NewRequest("POST", "http://site.test/jobs", bytes.NewReader(benchBody))
			req.Header = benchHeader
			w := httptest.NewRecorder()
			if h.ServeHTTP(w, req); w.Code != 200 {
				b.Fatal(w.Code)
			}
		}
	}
	b.Run("plain", func(b *testing.B) { run(b, http.HandlerFunc(plain)) })
	b.Run("inline", func(b *testing.B) {
		s := poller.ServeFunc(benchWork, &poller.ServerOptions{MaxKept: 1000})
		defer func() { _ = s.Shutdown(context.Background()) }()
		run(b, s)
	})
}
