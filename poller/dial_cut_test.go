package poller_test

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/poller"
	"github.com/antiphon-go/antiphon/poller/pollertest"
)

// A talk is a way in which our two ends talk.
type talk struct {
	server poller.ServerOptions
	client poller.HTTPOptions
	took   time.Duration // the work
	listen bool          // to its reports: by events
}

var talks = map[string]talk{
	"inline":      {took: 100 * time.Millisecond},
	"held":        {took: 40 * time.Second, server: poller.ServerOptions{Inline: -1}},
	"by interval": {took: 3 * time.Second, server: poller.ServerOptions{Inline: -1}, client: poller.HTTPOptions{LongPoll: -1}},
	"by events":   {took: 3 * time.Second, server: poller.ServerOptions{Inline: -1}, listen: true},
}

// under asks once on a network that is bent, and returns what came through. The answer is
// right, and the work was done once, whatever happens to the connections.
func (k talk) under(t *testing.T, what string, bend func(i int) pollertest.Fault) (requests, responses int64) {
	t.Helper()
	var calls atomic.Int32
	s := poller.ServeFunc(func(ctx context.Context, n int) (string, error) {
		calls.Add(1)
		for i := range 3 {
			antiphon.Report(ctx, float64(30*i), "at work", nil)
			select {
			case <-time.After(k.took / 3):
			case <-ctx.Done():
				return "", ctx.Err()
			}
		}
		return fmt.Sprint("report ", n), nil
	}, &k.server)
	n := pollertest.Serve(s)
	n.Fail(bend)
	o := k.client
	o.Client, o.Scheduler = n.Client(), new(poller.Scheduler)
	ctx := t.Context()
	if k.listen {
		ctx = antiphon.WithProgress(ctx, func(antiphon.Progress) {})
	}
	got, err := poller.Dial[int, string](n.URL, &o)(ctx, 7).Await(ctx)
	if got != "report 7" || err != nil {
		t.Errorf("%s: %q, %v", what, got, err)
	}
	if c := calls.Load(); c != 1 {
		t.Errorf("%s: the work was done %d times", what, c)
	}
	_, requests, responses = n.Traffic()
	if err := s.Shutdown(ctx); err != nil {
		t.Errorf("%s: Shutdown: %v", what, err)
	}
	o.Scheduler.Close()
	_ = n.Close()
	return requests, responses
}

// X8: wherever connections break or go silent, the answer comes, and the work is done once.
func TestX8_CutAtEveryByte(t *testing.T) {
	for name, k := range talks {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				requests, responses := k.under(t, "undisturbed", nil)
				for _, way := range []struct {
					where pollertest.Where
					bytes int64
				}{{pollertest.Dialing, 0}, {pollertest.Requests, requests}, {pollertest.Responses, responses}} {
					for _, stall := range []bool{false, true} {
						for after := int64(0); after <= way.bytes && !t.Failed(); after += stride {
							f := pollertest.Fault{Where: way.where, After: after, Stall: stall}
							k.under(t, fmt.Sprintf("the first connection, %+v", f), func(i int) pollertest.Fault {
								if i == 0 {
									return f
								}
								return pollertest.Fault{}
							})
						}
					}
				}
				f := pollertest.Fault{Where: pollertest.Responses, After: 40}
				k.under(t, "the first three connections", func(i int) pollertest.Fault {
					if i < 3 {
						return f
					}
					return pollertest.Fault{}
				})
			})
		})
	}
}

// Whatever somebody else's server does to its connections, the result is the result.
func TestStylesCutAtEveryByte(t *testing.T) {
	for name, style := range map[string]pollertest.Style{
		"monitor": pollertest.Monitor, "azure": pollertest.Azure, "location": pollertest.Location,
		"content location": pollertest.ContentLocation, "aip": pollertest.AIP,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				under := func(f pollertest.Fault) (requests, responses int64) {
					n := pollertest.Serve(&pollertest.Script{
						Style: style, Monitor: []pollertest.Step{{State: antiphon.StateRunning}, {State: antiphon.StateRunning}, {}}, Value: "report",
					})
					defer n.Close()
					n.Fail(func(i int) pollertest.Fault {
						if i == 0 {
							return f
						}
						return pollertest.Fault{}
					})
					req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, n.URL+"/v1/reports", nil)
					if err != nil {
						t.Fatal(err)
					}
					req.Header.Set("Idempotency-Key", `"key"`)
					r, err := poller.Begin[any](req, &poller.HTTPOptions{Client: n.Client()})
					if err != nil {
						t.Fatalf("%+v: %v", f, err)
					}
					if got, err := r.Future().Await(t.Context()); got != "report" || err != nil {
						t.Fatalf("%+v: %v, %v", f, got, err)
					}
					_, requests, responses = n.Traffic()
					return requests, responses
				}
				requests, responses := under(pollertest.Fault{})
				for where, bytes := range map[pollertest.Where]int64{pollertest.Requests: requests, pollertest.Responses: responses} {
					for after := int64(0); after <= bytes; after += stride {
						under(pollertest.Fault{Where: where, After: after})
						under(pollertest.Fault{Where: where, After: after, Stall: true})
					}
				}
			})
		})
	}
}
