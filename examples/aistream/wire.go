package main

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/antiphon-go/antiphon/callback"
)

// stalled is how long a wire stalls.
const stalled = 150 * time.Millisecond

// A wire is an end of a connection to which nothing comes while it stalls.
type wire struct {
	callback.Transport
	from atomic.Pointer[time.Time] // when it begins to stall
}

// stallAt has w stall from a time on.
func (w *wire) stallAt(from time.Time) { w.from.Store(&from) }

func (w *wire) Listen(ctx context.Context, addr string) (callback.Inbox, error) {
	in, err := w.Transport.Listen(ctx, addr)
	return inbox{in, w}, err
}

type inbox struct {
	callback.Inbox
	wire *wire
}

func (in inbox) Receive(ctx context.Context) (callback.Delivery, error) {
	d, err := in.Inbox.Receive(ctx)
	if from := in.wire.from.Load(); from != nil && time.Since(*from) >= 0 {
		time.Sleep(stalled - time.Since(*from))
	}
	return d, err
}
