package callbacktest

import (
	"context"
	"errors"
	"sync"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
)

func checkCloseTwice(t *trial) {
	l := t.line()
	l.works(1)
	for _, c := range []struct {
		what string
		closer
	}{{"Close of an inbox", l.atA}, {"Close of an inbox", l.atB}, {"Close", l.A}, {"Close", l.B}} {
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() { t.close(c.what+", called by several at once,", c) })
		}
		all.Wait()
		t.close(c.what+", called again,", c)
	}
}

func checkClosedRefuses(t *trial) {
	l := t.line()
	l.works(1)
	t.close("Close", l.A)
	for range 2 {
		err, _ := t.sendFor(l.A, l.message(callback.Request, 2), t.wire.Patience)
		closed(t, "Send", err)
		if try, ok := l.A.(callback.TrySender); ok {
			took, err := try.TrySend(l.message(callback.Request, 2))
			if !took {
				t.Errorf("TrySend after Close did not take the message: who called it waits for ever")
			} else {
				closed(t, "TrySend", err)
			}
		}
		ctx, cancel := t.Patient()
		defer cancel()
		_, err = l.A.Listen(ctx, "")
		closed(t, "Listen", err)
		_, err = t.fails(l.atA)
		closed(t, "Receive", err)
	}
}

func closed(t *trial, call string, err error) {
	t.Helper()
	if !errors.Is(err, callback.ErrClosed) {
		t.Errorf("%s after Close ended with %v, want callback.ErrClosed", call, err)
	} else if class := antiphon.ClassOf(err); class != antiphon.ClassNotAccepted {
		t.Errorf("%s after Close failed with %q of class %s: what is refused was not accepted", call, err, class)
	}
}

func checkCloseEndsCalls(t *trial) {
	for _, stuck := range []bool{false, true} {
		l := t.line()
		l.works(1)
		var calls sync.WaitGroup
		call := func(do func() error) {
			calls.Go(func() {
				if err := do(); err != nil && !errors.Is(err, callback.ErrClosed) {
					t.Errorf("a call that Close ended failed with %v, want callback.ErrClosed", err)
				}
			})
		}
		call(func() error { _, err := l.atA.Receive(t.Context()); return err })
		if stuck && t.canStall(l) {
			l.stall()
			l.fill(callback.Request, 0)
			l.fill(callback.Event, 0)
		}
		for i := range 8 {
			kind := []callback.Kind{callback.Request, callback.Event}[i%2]
			call(func() error { return l.A.Send(t.Context(), l.heavy(kind, i)) })
		}
		t.Pause(t.While() / 2)
		t.close("Close, while Send and Receive were under way,", l.A)
		done := make(chan struct{})
		go func() { calls.Wait(); close(done) }()
		t.Within("Send or Receive did not return after Close", done)
		l.flow()
	}
}

func (t *trial) canStall(l *line) bool { return l.Stall != nil || l.A.Caps().PointToPoint }

func checkInboxClose(t *trial) {
	l := t.line()
	sent := 0
	for stuck := false; sent < 3 && !stuck; sent++ {
		var err error
		if err, stuck = t.sendFor(l.A, l.message(callback.Request, sent), t.While()); err != nil && !stuck {
			t.Fatalf("Send failed: %v", err)
		}
	}
	if got := t.number(t.receive(l.atB)); got != 0 && !t.wire.NoOrder {
		t.Errorf("message %d came first", got)
	}
	t.Pause(t.While() / 10)
	t.close("Close of an inbox", l.atB)
	before, err := t.fails(l.atB)
	if before > sent-1 {
		t.Errorf("%d messages were sent, one was received, and %d more after the inbox was closed", sent, before)
	}
	closed(t, "Receive", err)
	_, err = t.fails(l.atB)
	closed(t, "Receive", err)
	if l.B.Caps().PointToPoint {
		return // its only inbox is gone, and with it what the wire is for
	}
	l.atB = t.serving(l.B, l.name)
	t.drain(l.atB) // what comes again where deliveries are settled
	l.works(4)
}

func checkCloseEndsReceive(t *trial) {
	l := t.line()
	returned := make(chan error, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, err := l.atB.Receive(t.Context())
		returned <- err
	}()
	t.Pause(t.While() / 10)
	t.close("Close of an inbox, while Receive waited,", l.atB)
	t.Within("Receive did not return after Close of its inbox", done)
	closed(t, "Receive", <-returned)
}

func checkNoLeak(t *trial) {
	t.LeavesNothing(24, func(i int) {
		u := newTrial(t.TB, t.wire)
		defer u.End()
		l := u.line()
		if l.Again != nil && l.Heal == nil {
			u.Errorf("Ends has Again but no Heal")
		}
		l.works(i)
		ctx, cancel := context.WithCancel(u.Context())
		cancel()
		_, _ = u.take(ctx, l.atA) // a wait that was given up
		switch i % 3 {
		case 0:
			u.close("Close", l.A)
		case 1:
			u.close("Close of an inbox", l.atB)
		}
	})
}
