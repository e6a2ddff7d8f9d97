package callbacktest

import (
	"context"
	"errors"
	"sync"

	"github.com/antiphon-go/antiphon/callback"
)

func checkFlush(t *trial) {
	l := t.line()
	l.works(0)
	const n = 100
	came := make(chan []*callback.Message, 1)
	go func() {
		var all []*callback.Message
		for {
			d, err := l.atB.Receive(t.Context())
			if err != nil {
				came <- all
				return
			}
			if d.Settle != nil {
				_ = d.Settle(t.Context(), nil)
			}
			if all = append(all, d.Message); len(all) == n {
				came <- all
				return
			}
		}
	}()
	for i := range n {
		t.send(l.A, l.heavy(callback.Request, i))
	}
	ctx, cancel := t.Patient()
	defer cancel()
	if err := l.A.(callback.Flusher).Flush(ctx); err != nil {
		t.Fatalf("Flush failed: %v", err)
	}
	t.close("Close", l.A)
	counts := map[int]int{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, m := range <-came {
			counts[l.weighed(m)]++
		}
	}()
	t.Within("what was accepted and flushed did not arrive", done)
	t.once(n, counts)
	l = t.line()
	if !t.canStall(l) {
		return
	}
	l.stall()
	l.fill(callback.Request, 0)
	ctx, cancel = context.WithCancel(t.Context())
	returned := make(chan struct{})
	go func() {
		defer close(returned)
		_ = l.A.(callback.Flusher).Flush(ctx)
	}()
	t.Pause(t.While() / 10)
	cancel()
	t.Within("the wire is stuck, the context of Flush ended, and it did not return", returned)
	l.flow()
}

func checkFeed(t *trial) {
	for _, byClose := range []bool{true, false} {
		l := t.line()
		ctx, cancel := context.WithCancel(t.Context())
		var mu sync.Mutex
		var came, breaks int
		var odd error
		ended := make(chan struct{})
		var failure error
		go func() {
			defer close(ended)
			failure = l.atB.(callback.Feeder).Feed(ctx, func(d callback.Delivery, err error) {
				if err == nil && d.Settle != nil {
					_ = d.Settle(ctx, nil)
				}
				mu.Lock()
				defer mu.Unlock()
				switch {
				case errors.Is(err, callback.ErrDisconnected):
					breaks++
				case err != nil:
					odd = err
				case t.plainNumber(d.Message) != came && !t.wire.NoOrder:
					odd = errors.New("callbacktest: out of order")
				default:
					came++
				}
			})
		}()
		const n = 300
		for i := range n {
			t.send(l.A, l.message(callback.Request, i))
		}
		t.Eventually("messages were sent, and Feed did not hand them out", func() bool { mu.Lock(); defer mu.Unlock(); return came >= n || odd != nil })
		if byClose {
			t.close("Close", l.B)
		}
		cancel()
		t.Within("Feed did not return", ended)
		if byClose && !errors.Is(failure, callback.ErrClosed) && !errors.Is(failure, context.Canceled) {
			t.Errorf("the transport was closed, and Feed returned %v", failure)
		}
		if !byClose && !errors.Is(failure, context.Canceled) {
			t.Errorf("the context of Feed ended, and it returned %v", failure)
		}
		mu.Lock()
		if came != n || odd != nil || breaks > 0 {
			t.Errorf("%d messages were sent, and Feed handed out %d, %d breaks, and %v", n, came, breaks, odd)
		}
		mu.Unlock()
	}
}
