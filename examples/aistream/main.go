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
	"io"
	"log"
	"os"
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
	if err := run(ctx, os.Stdout, *rate, *length); err != nil {
		log.Fatal(err)
	}
}

// A phase is what the model is like for a while, and the wire.
type phase struct {
	title string
	model model
	stall time.Duration // of the wire, twice
}

var phases = []phase{
	{"the model keeps up", quick, 0},
	{"the model takes 2 ms a bean, the belt 0.1", slow, 0},
	{"the model hangs at each hundredth bean", hanging, 0},
	{"the wire stalls for 150 ms, twice", quick, 150 * time.Millisecond},
}

func run(ctx context.Context, out io.Writer, rate int, length time.Duration) error {
	a, b := callback.Pipe(nil) // put a WebSocket here, and the rest stays
	w, started := new(wire), time.Now()
	h, s := newHub(w.end(a), started), newSorter(w.end(b), started)
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
			w.stallLater(p.stall, length/4, length/2)
			took, err := s.sort(scope, rate, length)
			if err != nil {
				return err
			}
			time.Sleep(2 * fresh) // whatever it was that was under way has ended, or has been left alone
			hub, sorter := h.tally(), s.tally()
			fmt.Fprintf(out, "%s\n%v%v", p.title, sorter.text(took), hub)
			if sorter.oldest > fresh {
				return fmt.Errorf("a bean was taken out that was seen %v ago", sorter.oldest)
			}
		}
		return errors.Join(s.peer.Shutdown(scope), h.peer.Shutdown(scope))
	})
}
