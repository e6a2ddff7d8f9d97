package poller_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/poller"
	"github.com/antiphon-go/antiphon/poller/pollertest"
)

// A function is served, and asked for over HTTP. Whether it is answered at once or later
// does not show.
func ExampleDial() {
	square := poller.ServeFunc(func(_ context.Context, n int) (int, error) {
		if n < 0 {
			return 0, antiphon.Errorf(antiphon.CodeOutOfRange, "%d is negative", n)
		}
		return n * n, nil
	}, nil)
	site := httptest.NewServer(square)
	defer site.Close()

	ctx := context.Background()
	ask := poller.Dial[int, int](site.URL, &poller.HTTPOptions{Client: site.Client()})
	nine, bad := ask(ctx, 3), ask(ctx, -3) // both are under way
	fmt.Println(nine.Await(ctx))
	_, err := bad.Await(ctx)
	fmt.Println(antiphon.CodeOf(err), err)
	fmt.Println(square.Shutdown(ctx))
	// Output:
	// 9 <nil>
	// out_of_range -3 is negative
	// <nil>
}

// The same with calls that wait.
func ExampleDial_synchronous() {
	square := poller.ServeFunc(func(_ context.Context, n int) (int, error) {
		if n < 0 {
			return 0, antiphon.Errorf(antiphon.CodeOutOfRange, "%d is negative", n)
		}
		return n * n, nil
	}, nil)
	site := httptest.NewServer(square)
	defer site.Close()

	ctx := context.Background()
	ask := future.Block(poller.Dial[int, int](site.URL, &poller.HTTPOptions{Client: site.Client()}))
	fmt.Println(ask(ctx, 3))
	_, err := ask(ctx, -3)
	fmt.Println(antiphon.CodeOf(err), err)
	fmt.Println(square.Shutdown(ctx))
	// Output:
	// 9 <nil>
	// out_of_range -3 is negative
	// <nil>
}

// aCloud is somebody's server of long-running operations.
func aCloud() *httptest.Server {
	soon := http.Header{"Retry-After-Ms": {"1"}}
	return httptest.NewServer(&pollertest.Script{
		Style: pollertest.Azure,
		Start: []pollertest.Step{{Header: soon}},
		Monitor: []pollertest.Step{
			{State: antiphon.StateRunning, Percent: 50, Header: soon}, {},
		},
		Value: map[string]string{"address": "10.0.0.7"},
	})
}

// Any request that starts something is followed, whatever the server's way to say how far
// it is.
func ExampleBegin() {
	cloud := aCloud()
	defer cloud.Close()
	type machine struct{ Address string }

	ctx := context.Background()
	req, err := http.NewRequestWithContext(ctx, "PUT", cloud.URL+"/machines/a", strings.NewReader(`{"size":2}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	started, err := poller.Begin[machine](req, &poller.HTTPOptions{Client: cloud.Client(), Poll: often})
	if err != nil {
		fmt.Println("not started:", err)
		return
	}
	m, err := started.Future().Await(ctx)
	fmt.Println(m.Address, err)
	// Output: 10.0.0.7 <nil>
}

// A token is all that has to be kept to follow an operation after a restart.
func ExampleResume() {
	cloud := aCloud()
	defer cloud.Close()
	type machine struct{ Address string }
	o := &poller.HTTPOptions{Client: cloud.Client(), Kind: "machine", Poll: often}

	first, restart := context.WithCancel(context.Background())
	defer restart()
	req, err := http.NewRequestWithContext(first, "PUT", cloud.URL+"/machines/a", strings.NewReader(`{"size":2}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	started, err := poller.Begin[machine](req, o)
	if err != nil {
		fmt.Println("not started:", err)
		return
	}
	token := started.Token()
	restart()

	resumed, err := poller.Resume[machine](context.Background(), token, o)
	if err != nil {
		fmt.Println(err)
		return
	}
	m, err := resumed.Future().Await(context.Background())
	fmt.Println(m.Address, err)

	o.Kind = "invoice"
	_, err = poller.Resume[machine](context.Background(), token, o)
	fmt.Println(errors.Is(err, poller.ErrToken))
	// Output:
	// 10.0.0.7 <nil>
	// true
}

func ExampleRemote_Updates() {
	count := poller.ServeFunc(func(ctx context.Context, n int) (int, error) {
		antiphon.Report(ctx, 50, "half way", nil)
		time.Sleep(time.Millisecond)
		return n, nil
	}, &poller.ServerOptions{Inline: -1})
	site := httptest.NewServer(count)
	defer site.Close()

	ctx := context.Background()
	req, err := http.NewRequestWithContext(ctx, "POST", site.URL, strings.NewReader("7"))
	if err != nil {
		fmt.Println(err)
		return
	}
	req.Header.Set("Content-Type", "application/json")
	counting, err := poller.Begin[int](req, &poller.HTTPOptions{Client: site.Client()})
	if err != nil {
		fmt.Println("not started:", err)
		return
	}
	for op, err := range counting.Updates(ctx) {
		if err != nil || op.State.Terminal() {
			fmt.Println(op.State, err)
		}
	}
	fmt.Println(counting.Future().Await(ctx))
	fmt.Println(count.Shutdown(ctx))
	// Output:
	// succeeded <nil>
	// 7 <nil>
	// <nil>
}

func ExampleRetryAfter() {
	now := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	for _, v := range []string{"120", "Sun, 01 Mar 2026 12:00:30 GMT", "0", "-1", "soon"} {
		fmt.Println(poller.RetryAfter(http.Header{"Retry-After": {v}}, now))
	}
	// Output:
	// 2m0s true
	// 30s true
	// 0s true
	// 0s false
	// 0s false
}
