package callbacktest

import (
	"context"
	"fmt"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
)

// A sky is what of one sort is held up on its way out. Its writer is a goroutine
// that exists while there is something.
type sky struct {
	air
	writing bool
	wake    chan struct{} // has room for one: the first is another
}

// open returns what to wait for if nothing can be sent now. The caller holds the
// lock.
func (f *FaultyTransport) open() (wait <-chan struct{}, err error) {
	switch {
	case f.wrong != nil:
		return nil, f.wrong
	case f.closed:
		return nil, callback.ErrClosed
	case f.down, f.own != nil && f.own.told < f.breaks:
		return f.change, nil
	}
	return nil, nil
}

// TrySend gives m to the transport in it if that takes it at once and nothing is to
// happen to it.
func (f *FaultyTransport) TrySend(m *callback.Message) (bool, error) {
	f.mu.Lock()
	wait, err := f.open()
	f.mu.Unlock()
	switch {
	case err != nil:
		return true, err
	case wait != nil || f.try == nil || !f.plain:
		return false, nil
	}
	return f.try.TrySend(m)
}

// Send gives m to the transport in it, or holds it up, or loses it.
func (f *FaultyTransport) Send(ctx context.Context, m *callback.Message) error {
	if limit := f.inner.Caps().MaxBody; limit > 0 && len(m.Body) > limit {
		return antiphon.Errorf(antiphon.CodeResourceExhausted, "callbacktest: %d bytes of body, of at most %d: %w", len(m.Body), limit, antiphon.ErrTooLarge)
	}
	if err := f.ready(ctx, m.Kind); err != nil {
		return err
	}
	x := f.fate(outward, m)
	if !f.plain { // else the transport in it looks for itself
		if _, err := callback.AppendMessage(nil, m, time.Now()); err != nil {
			return err
		}
	}
	f.tell(x, m)
	if x.corrupted {
		if m = corrupted(m, x.bit); m == nil {
			return nil
		}
	}
	if x.lost {
		return nil
	}
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return callback.ErrClosed
	}
	s := &f.out[sortOf(m.Kind)]
	if x.doubled {
		f.hold(s, clone(m), x.again, true)
	}
	if x.delay > 0 || s.writing {
		f.hold(s, m, x.delay, x.overtaken)
		f.mu.Unlock()
		return nil
	}
	conn, cause := f.conn, f.cause
	f.mu.Unlock()
	err := f.pass(ctx, conn, cause, m)
	if x.corrupted && antiphon.CodeOf(err) == antiphon.CodeInvalidArgument {
		return nil // it was none before
	}
	return err
}

// ready waits until there is a connection, and room for what is held up.
func (f *FaultyTransport) ready(ctx context.Context, k callback.Kind) error {
	for {
		f.mu.Lock()
		wait, err := f.open()
		if wait == nil && err == nil && len(f.out[sortOf(k)].flights) >= aloft {
			wait = f.change
		}
		f.mu.Unlock()
		switch {
		case err != nil:
			return err
		case wait == nil:
			return nil
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return gaveUp(ctx)
		}
	}
}

// pass sends m over the connection conn.
func (f *FaultyTransport) pass(ctx, conn context.Context, cause error, m *callback.Message) error {
	both, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(conn, func() { cancel(callback.ErrDisconnected) })
	defer stop()
	err := f.inner.Send(both, m)
	switch {
	case err == nil || ctx.Err() != nil || conn.Err() == nil:
		return err
	case f.life.Err() != nil:
		return callback.ErrClosed
	}
	return f.disconnected(cause)
}

// hold holds m up. The caller holds the lock.
func (f *FaultyTransport) hold(s *sky, m *callback.Message, delay time.Duration, free bool) {
	s.put(callback.Delivery{Message: m}, delay, free)
	if !s.writing {
		s.writing = true
		f.writers.Add(1)
		go f.write(s)
		return
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// write sends what of s is due, until nothing is left.
func (f *FaultyTransport) write(s *sky) {
	defer f.writers.Done()
	expires := f.inner.Caps().NativeExpiry
	for {
		f.mu.Lock()
		wait, some := s.next()
		if !some || f.closed {
			s.writing = false
			f.changed()
			f.mu.Unlock()
			return
		}
		if wait > 0 {
			change := f.change
			f.mu.Unlock()
			f.sleep(wait, s.wake, change)
			continue
		}
		m, conn, cause := s.pop().Message, f.conn, f.cause
		if len(s.flights) == aloft-1 {
			f.changed()
		}
		f.mu.Unlock()
		if expires && !m.Deadline.IsZero() && !time.Now().Before(m.Deadline) {
			continue
		}
		kind, id := m.Kind, m.ID
		if err := f.pass(f.life, conn, cause, m); err != nil {
			f.opts.Observer.Emit(antiphon.Event{Name: "faulty.lost", Kind: kind.String(), ID: fmt.Sprint(id), Err: err})
		}
	}
}

// sleep waits for d, or for either channel.
func (f *FaultyTransport) sleep(d time.Duration, a, b <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-a:
	case <-b:
	}
}
