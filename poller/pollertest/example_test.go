package pollertest_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/poller"
	"github.com/antiphon-go/antiphon/poller/pollertest"
)

// A server of yours, and a client, without a port: in a testing/synctest bubble as well.
func ExampleServe() {
	greet := func(_ context.Context, name string) (string, error) { return "hello, " + name, nil }
	s := poller.ServeFunc(greet, nil)
	n := pollertest.Serve(s)
	defer n.Close()
	ask := poller.Dial[string, string](n.URL, &poller.HTTPOptions{Client: n.Client()})
	fmt.Println(ask(context.Background(), "Ada").Await(context.Background()))
	_ = s.Shutdown(context.Background())
	// Output: hello, Ada <nil>
}

// A server that you have, with its own timeouts, on a network in memory.
func ExampleListen() {
	n := pollertest.Listen()
	defer n.Close()
	s := &http.Server{ReadTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "you asked for", r.Host)
	})}
	go func() { _ = s.Serve(n.Listener) }()
	res, err := n.Client().Get("https://anybody.example/")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	fmt.Print(string(b))
	_ = s.Shutdown(context.Background())
	// Output: you asked for anybody.example
}

// Does your program bear a server that is overloaded at first, and breaks a
// connection?
func ExampleScript() {
	s := &pollertest.Script{
		Start:   []pollertest.Step{{Status: http.StatusServiceUnavailable}, {}},
		Monitor: []pollertest.Step{{State: antiphon.StateRunning}, {Cut: true}, {}},
		Value:   "done",
	}
	n := pollertest.Serve(s)
	defer n.Close()
	ask := poller.Dial[string, string](n.URL+"/reports", &poller.HTTPOptions{
		Client: n.Client(),
		Poll:   &poller.Options{Min: time.Millisecond, Max: time.Millisecond},
	})
	fmt.Println(ask(context.Background(), "whales").Await(context.Background()))
	fmt.Println(len(s.Requests("start")), "starts,", len(s.Requests("monitor")), "polls, at most", s.AtOnce(), "at once")
	// Output:
	// done <nil>
	// 2 starts, 3 polls, at most 1 at once
}

// A network that breaks each first connection after a hundred bytes of its response.
func ExampleNetwork_Fail() {
	n := pollertest.Serve(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }))
	defer n.Close()
	n.Fail(func(i int) pollertest.Fault {
		if i == 0 {
			return pollertest.Fault{Where: pollertest.Responses, After: 100}
		}
		return pollertest.Fault{}
	})
	for range 2 {
		res, err := n.Client().Get(n.URL)
		if err != nil {
			fmt.Println("broken")
			continue
		}
		_, err = io.Copy(io.Discard, res.Body)
		fmt.Println(res.Status, err)
		_ = res.Body.Close()
	}
	// Output:
	// broken
	// 200 OK <nil>
}

// Whoever keeps operations elsewhere has a test such as this one.
func ExampleTestOperations() {
	test := func(t *testing.T) {
		pollertest.TestOperations(t, pollertest.Store{
			Open:   ofQueue, // begins to work for the function that it is given
			NoList: true,    // and cannot do this
			Bubble: true,
		})
	}
	_ = test
}
