package wscallback_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/callback/wscallback"
	"github.com/antiphon-go/antiphon/future"
)

// Both ends ask, and both answer.
func Example() {
	handler := wscallback.Handler(func(ctx context.Context, c *wscallback.Conn) error {
		p := callback.NewPeer(c, nil)
		name := callback.Dial[struct{}, string](p, "name", nil)
		callback.Serve(p, "greet", func(ctx context.Context, greeting string) (string, error) {
			who, err := name(ctx, struct{}{}).Await(ctx)
			return greeting + ", " + who, err
		}, nil)
		return p.Run(ctx)
	}, nil)
	server := httptest.NewServer(handler)
	defer server.Close()
	defer handler.Close()

	ctx := context.Background()
	c, err := wscallback.Dial(ctx, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	p := callback.NewPeer(c, nil)
	defer p.Close()
	callback.Serve(p, "name", func(context.Context, struct{}) (string, error) { return "Ada", nil }, nil)
	go p.Run(ctx)

	greet := callback.Dial[string, string](p, "greet", nil)
	fmt.Println(greet(ctx, "Good morning").Await(ctx))
	// Output: Good morning, Ada <nil>
}

// The same with a call that waits.
func Example_synchronous() {
	handler := wscallback.Handler(func(ctx context.Context, c *wscallback.Conn) error {
		p := callback.NewPeer(c, nil)
		name := future.Block(callback.Dial[struct{}, string](p, "name", nil))
		callback.Serve(p, "greet", func(ctx context.Context, greeting string) (string, error) {
			who, err := name(ctx, struct{}{})
			return greeting + ", " + who, err
		}, nil)
		return p.Run(ctx)
	}, nil)
	server := httptest.NewServer(handler)
	defer server.Close()
	defer handler.Close()

	ctx := context.Background()
	c, err := wscallback.Dial(ctx, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	p := callback.NewPeer(c, nil)
	defer p.Close()
	callback.Serve(p, "name", func(context.Context, struct{}) (string, error) { return "Ada", nil }, nil)
	go p.Run(ctx)

	greet := future.Block(callback.Dial[string, string](p, "greet", nil))
	fmt.Println(greet(ctx, "Good morning"))
	// Output: Good morning, Ada <nil>
}

// A handler that knows whom it serves.
func ExampleHandler() {
	users := map[string]string{"secret": "Ada"}
	userOf := func(r *http.Request) string { return users[r.Header.Get("Token")] }

	handler := wscallback.Handler(func(ctx context.Context, c *wscallback.Conn) error {
		user := userOf(c.Request())
		p := callback.NewPeer(c, nil)
		callback.Serve(p, "whoami", func(context.Context, struct{}) (string, error) { return user, nil }, nil)
		return p.Run(ctx)
	}, &wscallback.Options{
		Authorize: func(r *http.Request) error {
			if userOf(r) == "" {
				return &wscallback.StatusError{Status: http.StatusUnauthorized}
			}
			return nil
		},
		Same: func(began, now *http.Request) bool { return userOf(began) == userOf(now) },
	})
	server := httptest.NewServer(handler)
	defer server.Close()
	defer handler.Close()

	ctx := context.Background()
	for _, token := range []string{"secret", "guessed"} {
		c, err := wscallback.Dial(ctx, server.URL, &wscallback.Options{Header: http.Header{"Token": {token}}})
		if err != nil {
			fmt.Println("refused:", errors.Is(err, callback.ErrUndeliverable))
			continue
		}
		p := callback.NewPeer(c, nil)
		go p.Run(ctx)
		fmt.Println(callback.Dial[struct{}, string](p, "whoami", nil)(ctx, struct{}{}).Await(ctx))
		p.Close()
	}
	// Output:
	// Ada <nil>
	// refused: true
}

// An ask that outlives its connection.
func ExampleDial() {
	arrived, answer := make(chan bool), make(chan bool)
	handler := wscallback.Handler(func(ctx context.Context, c *wscallback.Conn) error {
		p := callback.NewPeer(c, nil)
		callback.Serve(p, "oracle", func(_ context.Context, question string) (string, error) {
			arrived <- true
			<-answer
			return question + " Perhaps.", nil
		}, nil)
		return p.Run(ctx)
	}, &wscallback.Options{Resume: time.Minute})
	server := httptest.NewServer(handler)
	defer server.Close()
	defer handler.Close()

	ctx := context.Background()
	c, err := wscallback.Dial(ctx, server.URL, &wscallback.Options{Resume: time.Minute})
	if err != nil {
		fmt.Println(err)
		return
	}
	p := callback.NewPeer(c, nil)
	defer p.Close()
	go p.Run(ctx)
	rain := callback.Dial[string, string](p, "oracle", nil)(ctx, "Rain?")
	<-arrived
	c.Reconnect(errors.New("as if somebody had pulled the plug"))
	answer <- true
	fmt.Println(rain.Await(ctx))
	// Output: Rain? Perhaps. <nil>
}

// A server that lets its peers give their answers before it ends.
func ExampleServer_Shutdown() {
	started, oven := make(chan bool), time.NewTimer(10*time.Millisecond)
	handler := wscallback.Handler(func(ctx context.Context, c *wscallback.Conn) error {
		p := callback.NewPeer(c, nil)
		callback.Serve(p, "bake", func(_ context.Context, what string) (string, error) {
			started <- true
			<-oven.C
			return "a " + what, nil
		}, nil)
		defer context.AfterFunc(ctx, func() { p.Shutdown(context.Background()) })()
		return p.Run(context.WithoutCancel(ctx))
	}, nil)
	server := httptest.NewServer(handler)
	defer server.Close()

	ctx := context.Background()
	c, err := wscallback.Dial(ctx, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	p := callback.NewPeer(c, nil)
	defer p.Close()
	go p.Run(ctx)
	cake := callback.Dial[string, string](p, "bake", nil)(ctx, "cake")
	<-started
	limited, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	fmt.Println(handler.Shutdown(limited))
	fmt.Println(cake.Await(ctx))
	// Output:
	// <nil>
	// a cake <nil>
}
