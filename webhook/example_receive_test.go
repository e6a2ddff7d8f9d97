package webhook_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/webhook"
)

// deliver signs body as Standard Webhooks does, and pushes it to h.
func deliver(h http.Handler, s *webhook.Scheme, id, body string) int {
	r := httptest.NewRequest("POST", "/hooks", strings.NewReader(body))
	err := s.Sign(context.Background(), &webhook.Request{Header: r.Header, Body: []byte(body)}, webhook.Message{ID: id})
	if err != nil {
		return 0
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

// What comes twice is handled once, and what is not genuine never.
func ExampleNewReceiver() {
	keys, err := webhook.ParseKeys("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		fmt.Println(err)
		return
	}
	scheme := webhook.Standard(keys)
	receiver := webhook.NewReceiver(scheme, func(ctx context.Context, m webhook.Message) error {
		fmt.Printf("%s: %s\n", m.ID, m.Body)
		return nil
	}, nil)

	fmt.Println(deliver(receiver, scheme, "msg_1", "hello"))
	fmt.Println(deliver(receiver, scheme, "msg_1", "hello"))
	forged := httptest.NewRecorder()
	receiver.ServeHTTP(forged, httptest.NewRequest("POST", "/hooks", strings.NewReader("hello")))
	fmt.Println(forged.Code >= 400)
	// Output:
	// msg_1: hello
	// 204
	// 204
	// true
}

// A Mux decodes, and calls the handler of the type.
func ExampleOn() {
	type Invoice struct {
		Type string `json:"type"`
		Data struct {
			No int `json:"no"`
		} `json:"data"`
	}
	var events webhook.Mux
	webhook.On(&events, "invoice.paid", func(ctx context.Context, inv Invoice, m webhook.Message) error {
		fmt.Println("paid:", inv.Data.No)
		return nil
	})
	webhook.On(&events, "invoice.*", func(ctx context.Context, inv Invoice, m webhook.Message) error {
		fmt.Println("something else:", m.Type, inv.Data.No)
		return nil
	})
	for _, body := range []string{
		`{"type":"invoice.paid","data":{"no":7}}`,
		`{"type":"invoice.voided","data":{"no":8}}`,
		`{"type":"customer.created"}`,
	} {
		if err := events.Handle(context.Background(), webhook.Message{Body: []byte(body)}); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// paid: 7
	// something else: invoice.voided 8
	// webhook: nobody handles messages of this type
}

// What takes long goes into a queue, and is acknowledged when it is stored.
func ExampleEnqueue() {
	jobs, err := queue.New[webhook.Message, struct{}]("hooks", queue.Memory(nil), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer jobs.Close()
	keys, _ := webhook.ParseKeys("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	scheme := webhook.Standard(keys)
	receiver := webhook.NewReceiver(scheme, webhook.Enqueue(jobs, nil), nil)
	fmt.Println(deliver(receiver, scheme, "msg_1", "much to do"))

	ctx, cancel := context.WithCancel(context.Background())
	err = jobs.Work(ctx, webhook.Work(func(ctx context.Context, m webhook.Message) error {
		fmt.Printf("done: %s\n", m.Body)
		cancel()
		return nil
	}), nil)
	fmt.Println(err)
	// Output:
	// 204
	// done: much to do
	// <nil>
}

// Expect before you ask; the answer is pushed to the URL.
func ExampleExpect() {
	type Receipt struct {
		Amount int `json:"amount"`
	}
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	inbox := webhook.NewInbox(server.URL+"/answers", nil)
	defer inbox.Close(nil)
	mux.Handle("POST /answers/", inbox)

	url, paid, err := webhook.Expect[Receipt](inbox, time.Hour)
	if err != nil {
		fmt.Println(err)
		return
	}
	go http.Post(url, "application/json", strings.NewReader(`{"amount":1299}`)) // whoever learns of it

	receipt, err := paid.Await(context.Background())
	fmt.Println(receipt.Amount, err)
	// Output: 1299 <nil>
}

// Ask hides the URLs behind an Asker, and Answer writes what becomes of the question.
func ExampleAsk() {
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	inbox := webhook.NewInbox(server.URL+"/answers", nil)
	defer inbox.Close(nil)
	mux.Handle("POST /answers/", inbox)

	double := func(ctx context.Context, n int) (int, error) { return 2 * n, nil }
	ask := webhook.Ask[int, int](inbox, func(ctx context.Context, url string, n int) error {
		// The far side, which would be asked over some wire, and push with a Sender.
		m := webhook.Answer(double(ctx, n))
		res, err := http.Post(url, m.Header.Get("Content-Type"), bytes.NewReader(m.Body))
		if err != nil {
			return err
		}
		return res.Body.Close()
	})
	fmt.Println(ask(context.Background(), 21).Await(context.Background()))
	// Output: 42 <nil>
}

// The same with a call that waits.
func ExampleAsk_synchronous() {
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	inbox := webhook.NewInbox(server.URL+"/answers", nil)
	defer inbox.Close(nil)
	mux.Handle("POST /answers/", inbox)

	double := func(ctx context.Context, n int) (int, error) { return 2 * n, nil }
	ask := future.Block(webhook.Ask[int, int](inbox, func(ctx context.Context, url string, n int) error {
		m := webhook.Answer(double(ctx, n))
		res, err := http.Post(url, m.Header.Get("Content-Type"), bytes.NewReader(m.Body))
		if err != nil {
			return err
		}
		return res.Body.Close()
	}))
	fmt.Println(ask(context.Background(), 21))
	// Output: 42 <nil>
}

// A CloudEvent is the same in both modes.
func ExampleCloudEvents() {
	keys, _ := webhook.ParseKeys("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	scheme := webhook.Standard(keys)
	body := []byte(`{"specversion":"1.0","id":"1","source":"/shop","type":"order.paid","data":{"no":7}}`)
	push := webhook.Request{Header: http.Header{"Content-Type": {"application/cloudevents+json"}}, Body: body}
	if err := scheme.Sign(context.Background(), &push, webhook.Message{ID: "msg_1"}); err != nil {
		fmt.Println(err)
		return
	}
	m, err := webhook.CloudEvents(scheme).Verify(context.Background(), push)
	fmt.Println(m.Type, m.Header.Get("Ce-Source"), string(m.Body), err)
	// Output: order.paid /shop {"no":7} <nil>
}

// Two receivers that share what they have seen.
func ExampleNewMemorySeen() {
	seen := webhook.NewMemorySeen(&webhook.MemorySeenOptions{Max: 10_000, Window: 24 * time.Hour})
	keys, _ := webhook.ParseKeys("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	scheme := webhook.Standard(keys)
	for range 2 {
		receiver := webhook.NewReceiver(scheme, func(ctx context.Context, m webhook.Message) error {
			fmt.Println("handled", m.ID)
			return nil
		}, &webhook.ReceiverOptions{Seen: seen})
		fmt.Println(deliver(receiver, scheme, "msg_1", "hello"))
	}
	// Output:
	// handled msg_1
	// 204
	// 204
}
