package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/webhook"
)

// beMerchants is the other process, until in ends: all merchants at one address but the
// one that restarts, which has its own.
func beMerchants(ctx context.Context, shop, secret string, in io.Reader, out io.Writer) error {
	keys, err := webhook.ParseKeys(secret)
	if err != nil {
		return err
	}
	scheme := webhook.Standard(keys)
	egress, err := loopback(shop)
	if err != nil {
		return err
	}

	// Quotes are jobs, whose outcomes are pushed to whoever asked.
	sender, err := webhook.NewSender(&webhook.SenderOptions{Egress: egress, Callbacks: webhook.Endpoint{Signer: scheme}})
	if err != nil {
		return err
	}
	defer sender.Shutdown(ctx)
	go sender.Run(ctx)
	jobs := queue.Memory(nil)
	defer jobs.Close()
	quotes, err := queue.New[string, int]("quotes", jobs, &queue.Options{Ending: webhook.Push(sender)})
	if err != nil {
		return err
	}
	defer quotes.Close()
	go quotes.Work(ctx, func(ctx context.Context, item string) (int, error) { return len(item) * 7, nil }, nil)

	m := &shops{seen: map[string]int{}}
	mux := http.NewServeMux()
	for i := range merchants {
		path := fmt.Sprintf("/hooks/%d", i)
		switch {
		case i < hanging:
			mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		case i < hanging+failing:
			mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
		default:
			mux.Handle(path, webhook.NewReceiver(scheme, m.handle, &webhook.ReceiverOptions{Name: strconv.Itoa(i)}))
		}
	}
	mux.HandleFunc("POST /quotes", func(w http.ResponseWriter, r *http.Request) {
		url, err := io.ReadAll(io.LimitReader(r.Body, 1<<10))
		if err == nil {
			_, err = quotes.Submit(r.Context(), "teapot", &queue.SubmitOptions{Header: webhook.PushTo(string(url))})
		}
		if err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	})
	many, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(many) }()
	defer server.Close()
	one, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go m.comeAndGo(one, mux)

	fmt.Fprintln(out, many.Addr(), one.Addr())
	_, _ = io.Copy(io.Discard, in)
	m.mu.Lock()
	defer m.mu.Unlock()
	fmt.Fprintf(out, "the merchant that was away has %d orders of %d\n", m.seen[strconv.Itoa(restarts)], orders)
	return nil
}

// shops count what comes to them.
type shops struct {
	mu   sync.Mutex
	seen map[string]int
}

func (s *shops) handle(_ context.Context, m webhook.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen[m.Endpoint]++
	return nil
}

// comeAndGo serves h until the first order has come, is away for a while, and is back.
func (s *shops) comeAndGo(l net.Listener, h http.Handler) {
	came := make(chan struct{})
	var once sync.Once
	first := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r)
		once.Do(func() { close(came) })
	})}
	go func() { _ = first.Serve(l) }()
	<-came
	_ = first.Shutdown(context.Background())
	time.Sleep(300 * time.Millisecond)
	l, err := net.Listen("tcp", l.Addr().String())
	if err == nil {
		_ = (&http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: h}).Serve(l)
	}
}
