package main

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/antiphon-go/antiphon/callback"
)

// A wire can stall: nothing that is on it arrives meanwhile.
//
// Zero value: flows.
type wire struct{ until atomic.Pointer[time.Time] }

// stallLater has w stall for d after each of these times.
func (w *wire) stallLater(d time.Duration, after ...time.Duration) {
	if d == 0 {
		return
	}
	for _, at := range after {
		time.AfterFunc(at, func() {
			until := time.Now().Add(d)
			w.until.Store(&until)
		})
	}
}

// end makes t an end of w.
func (w *wire) end(t callback.Transport) callback.Transport { return stalling{t, w} }

type stalling struct {
	callback.Transport
	wire *wire
}

func (s stalling) Listen(ctx context.Context, addr string) (callback.Inbox, error) {
	in, err := s.Transport.Listen(ctx, addr)
	return stallingInbox{in, s.wire}, err
}

type stallingInbox struct {
	callback.Inbox
	wire *wire
}

func (in stallingInbox) Receive(ctx context.Context) (callback.Delivery, error) {
	d, err := in.Inbox.Receive(ctx)
	if until := in.wire.until.Load(); until != nil {
		time.Sleep(time.Until(*until))
	}
	return d, err
}
