package main

import (
	"context"
	"fmt"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"
)

// takes is how long the shop needs for an ordinary answer.
const takes = 100 * time.Millisecond

// A shop is a server as one has to live with it. What goes wrong stands behind the
// name of what it is asked for: a globe is an ordinary thing, a globe-slow is never
// answered, and a globe-slow-once only the first time.
type shop struct {
	came, left chan string // the paths of slow requests, and of those that have ended

	mu     sync.Mutex
	inside int // requests being answered
	most   int // of them at once
	visits map[string]visits
}

// visits are the requests for one path.
type visits struct {
	n    int
	last time.Time
	gap  time.Duration // between the last and the one before it
}

func newShop() *shop {
	return &shop{came: make(chan string, 16), left: make(chan string, 16), visits: make(map[string]visits)}
}

func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	first := s.enter(r.URL.Path)
	defer s.leave()
	name := path.Base(r.URL.Path)
	switch _, trouble, _ := strings.Cut(name, "-"); {
	case trouble == "slow", trouble == "slow-once" && first:
		s.came <- r.URL.Path
		<-r.Context().Done() // who asked has gone
		s.left <- r.URL.Path
	case trouble == "busy", trouble == "busy-once" && first:
		w.Header().Set("Retry-After", "1")
		http.Error(w, "come back later", http.StatusTooManyRequests)
	case trouble == "flaky-once" && first:
		http.Error(w, "not now", http.StatusServiceUnavailable)
	case trouble == "gone":
		http.Error(w, "sold out", http.StatusConflict)
	case trouble == "cut":
		panic(http.ErrAbortHandler) // and with it the connection
	case path.Dir(r.URL.Path) == "/page":
		fmt.Fprintf(w, "%s [%s]", name, r.Header.Get("Accept-Language"))
	default:
		if trouble == "" {
			rest(r.Context(), takes)
		}
		fmt.Fprintln(w, 100*len(name)) // cents, or the number of an order
	}
}

// enter reports whether it is the first visit to path.
func (s *shop) enter(path string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inside++
	s.most = max(s.most, s.inside)
	v, now := s.visits[path], time.Now()
	v.gap = now.Sub(v.last)
	v.n, v.last = v.n+1, now
	s.visits[path] = v
	return v.n == 1
}

func (s *shop) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inside--
}

// crowd returns how many requests were answered at once since it was last asked.
func (s *shop) crowd() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	most := s.most
	s.most = s.inside
	return most
}

// seen returns what is known of the requests for path.
func (s *shop) seen(path string) visits {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.visits[path]
}

// until waits for path to be among what comes out of paths: s.came or s.left.
func until(ctx context.Context, path string, paths <-chan string) error {
	for {
		select {
		case p := <-paths:
			if p == path {
				return nil
			}
		case <-ctx.Done():
			return fmt.Errorf("the shop did not see %s come or end: %w", path, ctx.Err())
		}
	}
}

func rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
