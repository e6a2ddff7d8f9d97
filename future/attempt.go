package future

import (
	"context"
	"errors"

	"github.com/antiphon-go/antiphon"
)

// attemptContext derives what the function gets from the asker's context. The
// result of cancel is the cause that copies of the attempt see.
func (a *ask[Q, R]) attemptContext(ctx context.Context, n int) (context.Context, func(cause error)) {
	cancel := func(error) {}
	if a.l.Attempts > 1 {
		info := antiphon.InfoFrom(ctx)
		info.Attempt = n
		ctx = antiphon.WithInfo(ctx, info)
	}
	if a.l.Hedge > 0 {
		ctx, cancel = context.WithCancelCause(ctx)
	}
	if a.l.Timeout > 0 {
		timed, stop := withTimeout(ctx, a.l.Clock, a.l.Timeout)
		unwatch := context.AfterFunc(timed, func() { a.timedOut(timed, n) })
		outer := cancel
		ctx, cancel = timed, func(cause error) {
			unwatch()
			outer(cause)
			stop()
		}
	}
	return ctx, cancel
}

func (a *ask[Q, R]) launch(n int, c call[Q], hedge bool) {
	t := &attempt[Q, R]{a, n, c, hedge}
	if c.scope != nil {
		c.scope.start(t)
		return
	}
	go t.run()
}

// An attempt is one call of the function, which may be a copy of another.
type attempt[Q, R any] struct {
	*ask[Q, R]
	n     int
	call  call[Q]
	hedge bool
}

func (t *attempt[Q, R]) run() {
	if t.call.scope != nil {
		defer t.call.scope.leave()
	}
	if !t.wanted() { // decided while it waited for a slot of the scope, or to run
		t.giveSlot()
		return
	}
	if t.hedge {
		t.emit(t.call.ctx, antiphon.Event{Name: "future.hedge", Attempt: t.n, Duration: t.l.Hedge})
	}
	var returned bool
	defer func() {
		if !returned {
			t.returned(t.zero(), caught(recover()))
		}
	}()
	v, err := t.l.f(t.call.ctx, t.call.q)
	returned = true
	t.returned(v, err)
}

// wanted reports whether the attempt is still undecided.
func (t *attempt[Q, R]) wanted() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.phase == running && t.n == t.ask.attempt
}

// refuse is called by a scope that has ended before the call could start. Where
// a copy of it was or is under way, that one's outcome counts.
func (t *attempt[Q, R]) refuse(err error) {
	t.giveSlot()
	t.mu.Lock()
	if t.phase != running || t.n != t.ask.attempt {
		t.mu.Unlock()
		return
	}
	if t.copies--; t.copies > 0 {
		t.mu.Unlock()
		return
	}
	if last := errors.Join(append(t.errs, t.last)...); last != nil {
		err = gaveUp(errGaveUp, reason{}, errors.Join(last, err))
	}
	t.end(t.zero(), err)
}

// returned is told how the call ended. It counts only while its attempt is
// undecided, and a failure only if it is the last copy.
func (t *attempt[Q, R]) returned(v R, err error) {
	t.giveSlot()
	// What fails because its time was up has timed out, whatever it says.
	late := err != nil && context.Cause(t.call.ctx) == ErrTimeout && !errors.Is(err, ErrTimeout)
	t.mu.Lock()
	switch {
	case t.phase != running || t.n != t.ask.attempt:
		t.mu.Unlock()
		t.emit(t.call.ctx, antiphon.Event{Name: "future.late", Attempt: t.n, Err: err})
	case err == nil:
		t.copies--
		t.end(v, nil)
	case t.copies > 1:
		t.copies--
		t.errs = append(t.errs, err)
		t.mu.Unlock()
	default:
		t.copies--
		if len(t.errs) > 0 {
			err = errors.Join(append(t.errs, err)...)
		}
		if late {
			err = &ended{what: ErrTimeout.(*antiphon.Error), code: antiphon.CodeDeadlineExceeded, class: antiphon.ClassUnknown, why: []error{err}}
		}
		t.failed(v, err, late)
	}
}

// timedOut decides an attempt whose time is up although the function is not
// back. The function keeps its slot.
func (a *ask[Q, R]) timedOut(ctx context.Context, n int) {
	if context.Cause(ctx) != ErrTimeout {
		return // it was the asker's context that ended
	}
	a.mu.Lock()
	if a.phase != running || n != a.attempt {
		a.mu.Unlock()
		return
	}
	err := ErrTimeout
	if len(a.errs) > 0 {
		err = errors.Join(append([]error{err}, a.errs...)...)
	}
	a.failed(a.zero(), err, true)
}

// arm sets the timer that doubles attempt n.
func (a *ask[Q, R]) arm(n int, c call[Q]) {
	a.keep(n, running, a.l.Clock.AfterFunc(a.l.Hedge, func() { a.hedge(n, c) }))
}

// hedge doubles an attempt that takes long, if there is a slot for it.
func (a *ask[Q, R]) hedge(n int, c call[Q]) {
	a.mu.Lock()
	if a.phase != running || n != a.attempt {
		a.mu.Unlock()
		return
	}
	room := a.l.slots == nil || a.l.slots.spare()
	if room {
		a.copies++
		a.made++
	}
	more := a.made < a.l.copies
	a.mu.Unlock()
	if room {
		a.launch(n, c, true)
	}
	if more {
		a.arm(n, c)
	}
}
