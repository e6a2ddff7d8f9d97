// Requestreply is a conversation between two programs that happen to be one: a kitchen
// and a waiter, at the two ends of a pipe in memory. Both ask and both answer; there is
// progress, a stream, an order that is cancelled, and one that nobody takes.
//
//	go run ./examples/requestreply
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log"
	"os"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/future"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := run(ctx, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer) error {
	a, b := callback.Pipe(nil) // put a WebSocket here, and the rest stays
	kitchen, waiter := callback.NewPeer(a, nil), callback.NewPeer(b, nil)
	k := &cook{out: out, taste: future.Block(callback.Dial[string, bool](kitchen, "taste", nil))}
	callback.Serve(kitchen, "cook", k.cook, nil)
	callback.ServeStream(kitchen, "menu", k.menu, nil)
	callback.Serve(waiter, "taste", func(_ context.Context, dish string) (bool, error) {
		fmt.Fprintf(out, "waiter:  the %s is fine\n", dish)
		return true, nil
	}, nil)

	// A scope: it ends both, and returns when both have ended.
	return future.Run(ctx, func(s *future.Scope) error {
		for _, p := range []*callback.Peer{kitchen, waiter} {
			future.Go(s, func(ctx context.Context) (struct{}, error) {
				err := p.Run(ctx)
				if errors.Is(err, callback.ErrDisconnected) {
					err = nil // the other end has gone home first
				}
				return struct{}{}, err
			})
		}
		if err := serve(s, out, waiter); err != nil {
			return err
		}
		return errors.Join(kitchen.Shutdown(s), waiter.Shutdown(s))
	})
}

// A Dish is what is asked for, and a Plate what comes.
type (
	Dish  struct{ Name string }
	Plate struct{ Name, By string }
)

// serve is the waiter's evening.
func serve(ctx context.Context, out io.Writer, waiter *callback.Peer) error {
	for dish, err := range callback.DialStream[int, Dish](waiter, "menu", nil)(ctx, 2) {
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "waiter:  we have %s\n", dish.Name)
	}

	order := callback.Dial[Dish, Plate](waiter, "cook", &callback.DialOptions{Timeout: 10 * time.Second})
	told := antiphon.WithProgress(ctx, func(p antiphon.Progress) {
		fmt.Fprintf(out, "kitchen: %v %%, %s\n", p.Percent, p.Message)
	})
	soup := order(told, Dish{"soup"})
	fmt.Fprintln(out, "waiter:  ordered, and going on with my work")
	plate, err := soup.Await(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "waiter:  here is the %s, by %s\n", plate.Name, plate.By)

	hungry, leave := context.WithCancel(ctx)
	roast := order(hungry, Dish{"roast"})
	leave() // the guest does not want to wait for it
	if _, err := roast.Await(ctx); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("the roast was cancelled, and its order ended with %w", err)
	}
	fmt.Fprintln(out, "waiter:  no roast, thank you")

	_, err = order(ctx, Dish{"unicorn"}).Await(ctx)
	if !errors.Is(err, ErrNotOnTheMenu) {
		return fmt.Errorf("a unicorn was ordered, and it ended with %w", err)
	}
	fmt.Fprintf(out, "waiter:  %v (%s, %s)\n", err, antiphon.CodeOf(err), antiphon.ClassOf(err))
	return nil
}

// ErrNotOnTheMenu is a sentinel that the waiter recognises, although it crosses a wire.
var ErrNotOnTheMenu = &antiphon.Error{
	Code:    antiphon.CodeNotFound,
	Reason:  "requestreply.not_on_the_menu",
	Message: "that is not on the menu",
}

// A cook is a synchronous client of its own kitchen.
type cook struct {
	out   io.Writer
	taste future.Func[string, bool] // asks the waiter back
}

func (c *cook) menu(_ context.Context, most int) iter.Seq2[Dish, error] {
	return func(yield func(Dish, error) bool) {
		for _, name := range []string{"soup", "roast", "leftovers"}[:min(most, 3)] {
			if !yield(Dish{name}, nil) {
				return
			}
		}
	}
}

func (c *cook) cook(ctx context.Context, d Dish) (Plate, error) {
	switch d.Name {
	case "roast":
		<-ctx.Done() // it takes hours
		return Plate{}, ctx.Err()
	case "soup":
		antiphon.Report(ctx, 50, "it simmers", nil)
		if ok, err := c.taste(ctx, d.Name); err != nil || !ok {
			return Plate{}, errors.Join(errors.New("more salt"), err)
		}
		return Plate{d.Name, "Ada"}, nil
	}
	return Plate{}, ErrNotOnTheMenu
}
