// Aistream is a belt of coffee beans, 10 000 a second, and a hub that decides about each:
// a sensor sees them, a model tells the bad ones, and a jet of air takes those out, 100 ms
// down the belt at the latest: then it would hit another bean.
//
// The sorter at the belt pushes what it sees as events, which may be lost, and serves its
// jets. The hub serves the events, and asks for the jets; it also serves crates, which the
// sorter asks for. All of that goes over one connection, both ways at once, and goes on
// when the model is slower than the belt, when it hangs, and when the connection does.
//
//	go run ./examples/aistream
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"time"

	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/future"
)

// fresh is how old a bean may be to be acted on.
const fresh = 100 * time.Millisecond

// What the two say to each other, by the names under which it is served.
const (
	beans  = "beans"  // event, sorter to hub: Bean
	jets   = "jets"   // hub asks sorter: Bean
	crates = "crates" // sorter asks hub: int, string
)

// A Bean is what the sensor sees.
type Bean struct {
	Nr   int           `json:"nr"`
	Seen time.Duration `json:"seen"` // since the belt was started
	Dark float64       `json:"dark"` // from 0 to 1
}

func main() {
	rate := flag.Int("rate", 10_000, "beans a second")
	length := flag.Duration("length", 3*time.Second, "how long each phase takes")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute+4**length)
	defer cancel()
	if err := run(ctx, *rate, *length, show); err != nil {
		log.Fatal(err)
	}
}

func show(p phase, took time.Duration, s sorted, d decisions) {
	fmt.Printf("%s\n", p.title)
	fmt.Printf("  seen     %d, %.0f a second; dropped: %d by the sorter, %d by the hub\n", s.sent, float64(s.sent)/took.Seconds(), s.lost, d.lost)
	fmt.Printf("  decided  %v; %d were not within %v\n", d.lag, d.undecided, thinking)
	fmt.Printf("  out      %v; %d were not\n", d.out, d.failed)
	fmt.Printf("  jets     %d, for beans of %v at most; asked for older ones: %d, and %d were held back\n", s.out, s.oldest.Round(step), s.late, s.held)
	fmt.Printf("  crates   %v\n\n", s.crates)
}

// A phase is what the model is like for a while, and the wire.
type phase struct {
	title  string
	model  model
	stalls bool
}

var phases = []phase{
	{"the model keeps up", quick, false},
	{"the model takes 8 ms a bean and 16 at once: the belt is five times as fast", slow, false},
	{"the model hangs at each hundredth bean", hanging, false},
	{"the wire stalls for 150 ms, to the hub and then to the sorter", quick, true},
}

// run tells what came of each phase.
func run(ctx context.Context, rate int, length time.Duration, tell func(phase, time.Duration, sorted, decisions)) error {
	a, b := callback.Pipe(nil) // put a WebSocket here, and the rest stays
	toHub, toSorter, started := &wire{Transport: a}, &wire{Transport: b}, time.Now()
	h, s := newHub(toHub, started), newSorter(toSorter, started)

	// A scope: it ends both, and returns when both have ended.
	return future.Run(ctx, func(scope *future.Scope) error {
		for _, p := range []*callback.Peer{h.peer, s.peer} {
			future.Go(scope, func(ctx context.Context) (struct{}, error) {
				err := p.Run(ctx)
				if errors.Is(err, callback.ErrDisconnected) {
					err = nil // the other end has been closed first
				}
				return struct{}{}, err
			})
		}
		for _, p := range phases {
			h.model.Store(&p.model)
			if p.stalls {
				toHub.stallAt(time.Now().Add(length / 4))
				toSorter.stallAt(time.Now().Add(length / 2))
			}
			took, err := s.sort(scope, rate, length)
			if err != nil {
				return err
			}
			h.model.Store(&phases[0].model) // for what still waits: no newer beans push it out
			time.Sleep(2 * fresh)           // by then all of it has ended, or is of no use
			tell(p, took, s.take(), h.take())
		}
		return errors.Join(s.peer.Shutdown(scope), h.peer.Shutdown(scope))
	})
}
