package webhook_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon/webhook"
)

// BenchmarkReceiver is a receiver beside a bare handler that reads the body, over
// loopback with 64 connections. Every message is a new one.
func BenchmarkReceiver(b *testing.B) {
	for _, size := range []int{256, 4 << 10, 1 << 20} {
		body := bytes.Repeat([]byte("x"), size)
		b.Run(fmt.Sprintf("%d/bare", size), func(b *testing.B) {
			benchServer(b, body, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if data, err := io.ReadAll(r.Body); err != nil || len(data) != size {
					b.Error(err)
				}
				w.WriteHeader(http.StatusNoContent)
			}))
		})
		b.Run(fmt.Sprintf("%d/receiver", size), func(b *testing.B) {
			benchServer(b, body, webhook.NewReceiver(benchScheme(b), nothing, nil))
		})
	}
}

// cpuTime is what the process has computed for: it says more than the time of day where
// others compute too.
func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func benchScheme(b *testing.B) *webhook.Scheme {
	keys, err := webhook.ParseKeys("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		b.Fatal(err)
	}
	return webhook.Standard(keys)
}

func benchServer(b *testing.B, body []byte, h http.Handler) {
	s := httptest.NewServer(h)
	defer s.Close()
	const conns = 64
	c := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: conns, DisableCompression: true}}
	defer c.CloseIdleConnections()
	scheme := benchScheme(b)
	var n atomic.Int64
	b.SetBytes(int64(len(body)))
	b.SetParallelism(conns / 2)
	b.ResetTimer()
	began := cpuTime()
	defer func() { b.ReportMetric(float64(cpuTime()-began)/float64(b.N), "cpu-ns/op") }()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r, _ := http.NewRequest("POST", s.URL, bytes.NewReader(body))
			signed := webhook.Request{Header: r.Header, Body: body, At: time.Now()}
			if err := scheme.Sign(context.Background(), &signed, webhook.Message{ID: strconv.FormatInt(n.Add(1), 10), Body: body}); err != nil {
				b.Error(err)
				return
			}
			res, err := c.Do(r)
			if err != nil || res.StatusCode != 204 {
				b.Error(res, err)
				return
			}
			res.Body.Close()
		}
	})
}

// BenchmarkReceiverAlone is what a receiver adds, without a connection.
func BenchmarkReceiverAlone(b *testing.B) {
	body := bytes.Repeat([]byte("x"), 256)
	r := webhook.NewReceiver(bent(func(r webhook.Request) (webhook.Message, error) {
		return webhook.Message{ID: r.Header["X-Id"][0], IDSigned: true, Body: r.Body}, nil
	}), nothing, nil)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		req := &http.Request{Method: "POST", Header: http.Header{"X-Id": {strconv.Itoa(i)}}, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: 256}
		r.ServeHTTP(blank{}, req)
	}
}

type blank struct{}

func (blank) Header() http.Header             { return nil }
func (blank) WriteHeader(int)                 {}
func (blank) Write(b []byte) (int, error)     { return len(b), nil }
func (blank) SetReadDeadline(time.Time) error { return nil }

type invoice struct {
	Type string `json:"type"`
	Data struct {
		ID     string            `json:"id"`
		Amount int64             `json:"amount"`
		Lines  []invoiceLine     `json:"lines"`
		Meta   map[string]string `json:"meta"`
	} `json:"data"`
}

type invoiceLine struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
	Price int64  `json:"price"`
}

// BenchmarkMux is a message decoded and handled beside one json.Unmarshal.
func BenchmarkMux(b *testing.B) {
	var v invoice
	v.Data.ID, v.Data.Amount, v.Data.Meta = "in_1234567890", 1299, map[string]string{"order": "4711", "shop": "main"}
	for i := range 20 {
		v.Data.Lines = append(v.Data.Lines, invoiceLine{fmt.Sprintf("line number %d", i), i, 100})
	}
	v.Type = "invoice.paid"
	first, _ := json.Marshal(v)
	last := append(append([]byte(`{"data":`), first[bytes.Index(first, []byte(`"data":`))+7:len(first)-1]...), []byte(`,"type":"invoice.paid"}`)...)
	for name, body := range map[string][]byte{"type first": first, "type last": last} {
		b.Run(name+"/unmarshal", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var v invoice
				if err := json.Unmarshal(body, &v); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/mux", func(b *testing.B) {
			var x webhook.Mux
			webhook.On(&x, "invoice.*", func(context.Context, invoice, webhook.Message) error { return nil })
			m := webhook.Message{Body: body}
			b.ReportAllocs()
			for b.Loop() {
				if err := x.Handle(context.Background(), m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
