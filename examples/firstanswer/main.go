// Firstanswer waits for the same operation in two ways: its outcome is pushed, signed, to
// a URL of ours, and it is polled at the status resource of the server. Whichever way has
// it first settles the future. Then the one is killed while the work is under way, and
// then the other: the future is settled by the way that is left.
//
//	go run ./examples/firstanswer
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"time"

	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/webhook"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx, os.Stdout, loopback); err != nil {
		log.Fatal(err)
	}
}

// A network is what all of it happens on.
type network struct {
	listen func() (net.Listener, error)
	dial   func(ctx context.Context, network, address string) (net.Conn, error)
}

var loopback = network{
	listen: func() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") },
	dial:   new(net.Dialer).DialContext,
}

// A scene is what happens while the work is under way.
type scene struct {
	title string
	kill  func(*jeweller, *lab)
}

var scenes = []scene{
	{"both are alive", func(*jeweller, *lab) {}},
	{"the push is killed: nobody listens at the inbox any more", func(j *jeweller, _ *lab) { j.server.Close() }},
	{"the poll is killed: the status resource answers 503", func(_ *jeweller, l *lab) { l.blind.Store(true) }},
}

func run(ctx context.Context, out io.Writer, n network) error {
	for _, s := range scenes {
		fmt.Fprintln(out, s.title)
		if err := s.play(ctx, out, n); err != nil {
			return fmt.Errorf("%s: %w", s.title, err)
		}
	}
	return nil
}

var stones = []string{"agate", "beryl", "citrine", "diamond"}

func (s scene) play(ctx context.Context, out io.Writer, n network) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // nobody polls on after that
	secret := make([]byte, 32)
	_, _ = rand.Read(secret)
	key, err := webhook.NewKey(secret)
	if err != nil {
		return err
	}
	keys, err := webhook.KeyRing(key)
	if err != nil {
		return err
	}
	j, err := openJeweller(n, webhook.Standard(keys))
	if err != nil {
		return err
	}
	defer j.close()
	l, err := openLab(ctx, n, webhook.Standard(keys), j.at)
	if err != nil {
		return err
	}
	defer l.close()

	began := time.Now()
	answers := make([]*future.Future[answer], len(stones))
	for i, stone := range stones {
		if answers[i], err = j.ask(ctx, l.url, stone); err != nil {
			return err
		}
	}
	s.kill(j, l)
	close(l.begin)

	by := map[string]int{}
	for i, got := range future.AsCompleted(ctx, answers...) {
		if got.Err != nil {
			return fmt.Errorf("%s: %w", stones[i], got.Err)
		}
		by[got.Value.by]++
		fmt.Fprintf(out, "  %-8s %d carats, by %s after %v\n", stones[i], got.Value.carats, got.Value.by, time.Since(began).Round(time.Millisecond))
	}
	fmt.Fprintf(out, "  %d asked, each weighed once: %t; settled: %d by push, %d by poll; lost: %d pushes, %d polls\n\n",
		len(stones), l.weighed.Load() == int64(len(stones)), by["push"], by["poll"], l.unpushed.Load(), j.unseen.Load())
	return nil
}
