package poller_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon/poller"
	"github.com/antiphon-go/antiphon/poller/pollertest"
)

func heap() int64 {
	alive, stacks := weighed()
	return alive + stacks
}

func weighed() (alive, stacks int64) {
	runtime.GC()
	runtime.GC() // and what pools held
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc), int64(m.StackInuse)
}

// 10 000 who wait, each over a connection of its own, take far less than 1 GiB, both ends
// and their connections in memory included; and all are answered when there is news.
func TestManyLongPolls(t *testing.T) {
	n := 10_000
	if testing.Short() || raced {
		n = 500
	}
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		server := poller.ServeFunc(func(context.Context, int) (string, error) { <-release; return "done", nil }, nil)
		s := siteOf(t, server)
		at := s.start("1").get("Operation-Location")
		path := strings.TrimPrefix(at, "http://site.test")
		net := pollertest.Serve(s.mux)
		before := heap()
		var all sync.WaitGroup
		for range n {
			all.Go(func() {
				transport := net.Client().Transport.(*http.Transport).Clone()
				defer transport.CloseIdleConnections()
				req, _ := http.NewRequestWithContext(t.Context(), "GET", net.URL+path, nil)
				req.Header.Set("Prefer", "wait=60")
				res, err := transport.RoundTrip(req)
				if err != nil {
					t.Error(err)
					return
				}
				body, _ := io.ReadAll(res.Body)
				_ = res.Body.Close()
				if res.StatusCode != 200 || !strings.Contains(string(body), "Succeeded") {
					t.Errorf("%s %s", res.Status, body)
				}
			})
		}
		synctest.Wait()
		each := (heap() - before) / int64(n)
		t.Logf("%d long-polls: %d B each, both ends", n, each)
		if each*10_000 > 1<<30 {
			t.Errorf("%d B each", each)
		}
		close(release)
		all.Wait()
		net.Close()
		if err := server.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// What an operation weighs that has ended and is kept, and what a long-poll weighs without
// its connection.
func TestWeights(t *testing.T) {
	const n = 10_000
	synctest.Test(t, func(t *testing.T) {
		server := poller.ServeFunc(func(ctx context.Context, n int) (string, error) {
			if n == 0 {
				return slowly(ctx, 30)
			}
			return strconv.Itoa(n), nil
		}, &poller.ServerOptions{MaxRunning: 2 * n})
		s := siteOf(t, server)
		slow := s.start("0").get("Operation-Location")
		for range n { // which start goroutines, and fill pools and tables
			s.do("POST", "/jobs", "1")
		}
		before := heap()
		for i := range n {
			s.do("POST", "/jobs", strconv.Itoa(i+1))
		}
		each := (heap() - before) / n
		t.Logf("an operation that is kept: %d B", each)
		if each > 1500 {
			t.Errorf("an operation weighs %d B", each)
		}
		before = heap()
		var all sync.WaitGroup
		for range n {
			all.Go(func() {
				req := httptest.NewRequest("GET", slow, nil)
				req.Header.Set("Prefer", "wait=10")
				s.mux.ServeHTTP(httptest.NewRecorder(), req)
			})
		}
		synctest.Wait()
		each = (heap() - before) / n
		t.Logf("a long-poll, with its goroutine, request and recorder: %d B", each)
		if each > 32<<10 {
			t.Errorf("a long-poll weighs %d B", each)
		}
		all.Wait()
		time.Sleep(time.Minute)
		_ = server.Shutdown(t.Context())
	})
}

// A reader that does not read holds no more than a buffer, and its stream ends.
func TestSlowReaderOfEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := poller.ServeFunc(reporting, nil)
		s := siteOf(t, server)
		path := strings.TrimPrefix(s.start("300").get("Operation-Location"), "http://site.test")
		ended := make(chan time.Time, 1)
		net := pollertest.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.mux.ServeHTTP(w, r)
			ended <- time.Now()
		}))
		req, _ := http.NewRequestWithContext(t.Context(), "GET", net.URL+path+"/events", nil)
		begun := time.Now()
		res, err := net.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if d := (<-ended).Sub(begun); d > 5*time.Minute {
			t.Errorf("the stream ended after %v", d)
		}
		_ = res.Body.Close()
		net.Close()
		time.Sleep(10 * time.Minute)
		_ = server.Shutdown(t.Context())
	})
}
