package poller_test

import (
	"context"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon/future/futuretest"
	"github.com/antiphon-go/antiphon/poller"
	"github.com/antiphon-go/antiphon/poller/pollertest"
)

// X8: Dial(ServeFunc(f)) behaves as Lift(f), answered inline or later, in memory and over
// real connections.
func TestX8_TheLawInMemory(t *testing.T) {
	for name, inline := range map[string]time.Duration{"inline": 0, "later": -1} {
		t.Run(name, func(t *testing.T) {
			futuretest.TestAsker(t, futuretest.Way{Bubble: true, ExactlyOnce: true, Open: func(tb testing.TB, f futuretest.Func) futuretest.Asker {
				s := poller.ServeFunc(f, &poller.ServerOptions{Inline: inline})
				n := pollertest.Serve(s)
				polls := &poller.Scheduler{}
				tb.Cleanup(func() {
					stop(tb, s)
					polls.Close()
					_ = n.Close()
				})
				return poller.Dial[futuretest.Query, futuretest.Answer](n.URL, &poller.HTTPOptions{Client: n.Client(), Scheduler: polls})
			}})
		})
	}
}

func TestX8_TheLawOverLoopback(t *testing.T) {
	futuretest.TestAsker(t, futuretest.Way{ExactlyOnce: true, Open: func(tb testing.TB, f futuretest.Func) futuretest.Asker {
		s := poller.ServeFunc(f, nil)
		h := httptest.NewServer(s)
		tb.Cleanup(func() {
			stop(tb, s)
			h.Close()
		})
		return poller.Dial[futuretest.Query, futuretest.Answer](h.URL, &poller.HTTPOptions{Client: h.Client()})
	}})
}

// stop ends a server, whose work may be stuck.
func stop(tb testing.TB, s *poller.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		tb.Logf("the server did not end in time: %v", err)
	}
}
