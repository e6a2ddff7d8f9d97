package poller_test

import (
	"context"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon/future/futuretest"
	"github.com/antiphon-go/antiphon/poller"
	"github.com/antiphon-go/antiphon/poller/pollertest"
	"github.com/antiphon-go/antiphon/queue"
)

// X8: the law holds for Dial of a Server of a queue, whose workers may be anywhere.
func TestX8_TheLawOverAQueue(t *testing.T) {
	for name, inline := range map[string]time.Duration{"inline": 0, "later": -1} {
		t.Run(name, func(t *testing.T) {
			futuretest.TestAsker(t, futuretest.Way{Bubble: true, ExactlyOnce: true, Open: func(tb testing.TB, f futuretest.Func) futuretest.Asker {
				jobs := queue.Memory(nil)
				q, err := queue.New[futuretest.Query, futuretest.Answer]("law", jobs, &queue.Options{Attempts: 1})
				if err != nil {
					tb.Fatal(err)
				}
				ctx, stopWork := context.WithCancel(context.Background())
				ended := make(chan error, 1)
				go func() { ended <- q.Work(ctx, f, &queue.WorkOptions{Concurrency: 1024}) }()
				s := poller.Serve(q.Operations(nil), &poller.ServerOptions{Inline: inline})
				n := pollertest.Serve(s)
				polls := &poller.Scheduler{}
				tb.Cleanup(func() {
					stop(tb, s)
					polls.Close()
					_ = n.Close()
					stopWork()
					<-ended
					_ = q.Close()
					_ = jobs.Close()
				})
				return poller.Dial[futuretest.Query, futuretest.Answer](n.URL, &poller.HTTPOptions{Client: n.Client(), Scheduler: polls})
			}})
		})
	}
}
