package callbacktest

import (
	"context"
	"errors"
	"time"

	"github.com/antiphon-go/antiphon/callback"
)

// A faultyInbox is an inbox on which things go wrong. What is held up is its
// reader's, under the lock of its transport.
type faultyInbox struct {
	callback.Inbox
	f         *FaultyTransport
	air       air
	told      int // of how many breaks the reader knows
	closed    bool
	end       error  // how the inbox in it ended, to be told when nothing is held up
	interrupt func() // ends the wait of the reader; nil if it does not wait
}

// Listen opens an inbox of the transport in it.
func (f *FaultyTransport) Listen(ctx context.Context, addr string) (callback.Inbox, error) {
	return f.listen(addr, func() (callback.Inbox, error) { return f.inner.Listen(ctx, addr) })
}

// ListenGroup opens a shared inbox of the transport in it. It fails with
// errors.ErrUnsupported if that has none.
func (f *FaultyTransport) ListenGroup(ctx context.Context, addr, group string) (callback.Inbox, error) {
	g, ok := f.inner.(callback.GroupListener)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return f.listen(addr, func() (callback.Inbox, error) { return g.ListenGroup(ctx, addr, group) })
}

func (f *FaultyTransport) listen(addr string, inner func() (callback.Inbox, error)) (callback.Inbox, error) {
	if f.wrong != nil {
		return nil, f.wrong
	}
	in, err := inner()
	if err != nil {
		return nil, err
	}
	i := &faultyInbox{Inbox: in, f: f}
	f.mu.Lock()
	defer f.mu.Unlock()
	i.told = f.breaks
	f.inboxes[i] = struct{}{}
	if addr == "" && f.own == nil {
		f.own = i
	}
	return i, nil
}

// Close closes the inbox in it, and drops what is held up for it.
func (in *faultyInbox) Close() error {
	f := in.f
	f.mu.Lock()
	in.air.clear()
	in.closed = true
	if f.own == in {
		f.own = nil
	}
	f.changed()
	delete(f.inboxes, in)
	f.mu.Unlock()
	return in.Inbox.Close()
}

// Receive returns what comes as it is to come.
func (in *faultyInbox) Receive(ctx context.Context) (callback.Delivery, error) {
	f := in.f
	for {
		f.mu.Lock()
		due, some := in.air.next()
		closed := f.closed || in.closed
		switch {
		case in.told < f.breaks && !closed:
			in.told++
			err := f.disconnected(f.cause)
			f.changed()
			f.mu.Unlock()
			return callback.Delivery{}, err
		case f.down && !closed:
			change := f.change
			f.mu.Unlock()
			select {
			case <-change:
				continue
			case <-ctx.Done():
				return callback.Delivery{}, gaveUp(ctx)
			}
		case in.end != nil && (!some || closed):
			err := in.end
			in.end = nil
			f.mu.Unlock()
			return callback.Delivery{}, err
		case some && due <= 0:
			d := in.air.pop()
			f.mu.Unlock()
			if f.inner.Caps().NativeExpiry && !d.Deadline.IsZero() && !time.Now().Before(d.Deadline) {
				continue
			}
			return d, nil
		}
		waiting, cancel := context.WithCancelCause(ctx)
		interrupt := func() { cancel(errInterrupted) }
		in.interrupt = interrupt
		breaks, full := f.breaks, len(in.air.flights) >= aloft || in.end != nil
		f.mu.Unlock()
		d, err := in.wait(waiting, interrupt, due, some, full)
		interrupted := waiting.Err() != nil && ctx.Err() == nil && (errors.Is(err, errInterrupted) || errors.Is(err, context.Canceled))
		interrupt()
		f.mu.Lock()
		in.interrupt = nil
		cut := f.breaks != breaks
		f.mu.Unlock()
		switch {
		case interrupted:
		case errors.Is(err, callback.ErrDisconnected) || errors.Is(err, callback.ErrClosed):
			in.end = err // which does not overtake what came before it
		case err != nil:
			return callback.Delivery{}, err
		case cut:
			in.lose(ctx, d)
		default:
			if d, err := in.meet(ctx, d); d.Message != nil || err != nil {
				return d, err
			}
		}
	}
}

// wait receives from the inbox in it, as long as nothing that is held up is due, or
// only waits for that if too much is.
func (in *faultyInbox) wait(ctx context.Context, cancel func(), due time.Duration, some, full bool) (callback.Delivery, error) {
	if some {
		timer := time.AfterFunc(due, cancel)
		defer timer.Stop()
	}
	if full {
		<-ctx.Done()
		return callback.Delivery{}, gaveUp(ctx)
	}
	return in.Inbox.Receive(ctx)
}

// meet has d meet its fate. It returns nothing if it is lost, or held up.
func (in *faultyInbox) meet(ctx context.Context, d callback.Delivery) (callback.Delivery, error) {
	f := in.f
	x := f.fate(inward, d.Message)
	f.tell(x, d.Message)
	if x.lost {
		in.lose(ctx, d)
		return callback.Delivery{}, nil
	}
	if x.corrupted {
		if d.Message = corrupted(d.Message, x.bit); d.Message == nil {
			in.lose(ctx, d)
			return callback.Delivery{}, callback.ErrMalformed
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if x.doubled {
		double := callback.Delivery{Message: clone(d.Message), Attempt: d.Attempt}
		if d.Settle != nil {
			double.Settle = func(context.Context, error) error { return nil } // the other does
		}
		in.air.put(double, x.again, true)
	}
	if x.delay > 0 || in.air.kept > 0 && !x.overtaken {
		in.air.put(d, x.delay, x.overtaken)
		return callback.Delivery{}, nil
	}
	return d, nil
}

var (
	errLost        = errors.New("callbacktest: lost on purpose")
	errInterrupted = errors.New("callbacktest: something changed")
)

// lose drops d; where deliveries are settled it comes again.
func (in *faultyInbox) lose(ctx context.Context, d callback.Delivery) {
	if d.Settle != nil {
		_ = d.Settle(ctx, errLost)
	}
}
