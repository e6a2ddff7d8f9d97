// Package ways has one function answer in every way that the library has, and measures
// them: the examples everyway and connected/everyway.
package ways

import (
	"context"
	"time"

	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/poller"
	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// Func is what every way serves, and Asker what it gives to those who ask: a function
// that gives a *future.Future[Price].
type (
	Func  = future.Func[Item, Price]
	Asker = future.Asker[Item, Price]
)

// A Way is how questions get to the function, and answers back.
type Way struct {
	Name     string
	Open     func(s *Stage, price Func) Asker
	Outlasts bool // a cut: every question has the answer that it would have had
}

// Core are the ways that need nothing but this module.
var Core = []Way{
	{"in-process future", inProcess, true}, // there is nothing to be cut
	{"callback, in memory", pipe, false},
	{"202 and polling", polling, true},
	{"signed webhook", push, true},
	{"queue, in memory", jobs, true},
}

func inProcess(_ *Stage, price Func) Asker {
	return future.Lift(price, nil)
}

func pipe(s *Stage, price Func) Asker {
	here, there := callback.Pipe(nil)
	shop, customer := callback.NewPeer(there, nil), callback.NewPeer(here, nil)
	s.OnCut("the pipe", func() { _ = there.Close() })

	callback.Serve(shop, "price", price, nil)
	s.Go(shop.Run)
	s.Go(customer.Run)
	return callback.Dial[Item, Price](customer, "price", nil)
}

func polling(s *Stage, price Func) Asker {
	shop := poller.ServeFunc(price, &poller.ServerOptions{Inline: -1, PollAfter: soon}) // never with the answer at once
	url := s.Serve(shop)
	return poller.Dial[Item, Price](url, &poller.HTTPOptions{
		Client: s.Client(), Scheduler: &poller.Scheduler{Concurrency: Conns / 2}, Poll: &poller.Options{Min: soon(0)},
	})
}

func soon(time.Duration) time.Duration { return 10 * time.Millisecond }

func jobs(s *Stage, price Func) Asker {
	return Queue(s, queue.Memory(nil), price).Asker(nil)
}

// Queue is a queue in a store, and a worker.
func Queue(s *Stage, store driver.Backend, price Func) *queue.Queue[Item, Price] {
	prices := Must(queue.New[Item, Price]("prices", store, &queue.Options{Lease: time.Second}))
	s.Defer(func() { _ = store.Close() }, func() { _ = prices.Close() })
	s.Worker(func(ctx context.Context) error {
		return prices.Work(ctx, price, &queue.WorkOptions{Drain: 1}) // no time to end in
	})
	return prices
}
