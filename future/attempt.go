package future

import (
	"context"
	"errors"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/internal/ending"
)

// An attempt is one call of the function, which may be a copy of another.
type attempt[Q, R any] struct {
	*ask[Q, R]
	n     int
	call  call[Q, R]
	asker context.Context // what that of call is derived from
	copy  bool            // of another call
}

// deriveContext makes what the function gets of the asker's context. The
// argument of cancel is the cause that copies of the attempt see.
func (t *attempt[Q, R]) deriveContext() (cancel func(cause error)) {
	cancel = func(error) {}
	ctx := t.asker
	if t.l.Attempts > 1 {
		info := antiphon.InfoFrom(ctx)
		info.Attempt = t.n
		ctx = antiphon.WithInfo(ctx, info)
	}
	if t.l.Hedge > 0 {
		ctx, cancel = context.WithCancelCause(ctx)
	}
	if t.l.Timeout > 0 {
		timed, stop := withTimeout(ctx, t.l.Clock, t.l.Timeout)
		t.call.ctx = timed
		unwatch := context.AfterFunc(timed, t.timedOut)
		outer := cancel
		return func(cause error) {
			unwatch()
			outer(cause)
			stop()
		}
	}
	t.call.ctx = ctx
	return cancel
}

func (t *attempt[Q, R]) launch() {
	if t.call.scope != nil {
		t.call.scope.start(t)
		return
	}
	go t.run()
}

func (t *attempt[Q, R]) run() {
	if t.call.scope != nil {
		defer t.call.scope.leave()
	}
	if !t.wanted() { // decided while it waited for a slot of the scope, or to run
		t.giveSlot()
		return
	}
	var returned bool
	defer func() {
		if !returned {
			t.returned(t.zero(), caught(recover()))
		}
	}()
	if t.copy {
		t.emit(t.call.ctx, antiphon.Event{Name: "future.hedge", Attempt: t.n, Duration: t.l.Hedge})
	}
	v, err := t.call.f(t.call.ctx, t.call.q)
	returned = true
	t.returned(v, err)
}

// wanted reports whether the attempt is still undecided.
func (t *attempt[Q, R]) wanted() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.phase == running && t.n == t.ask.attempt
}

// timeUp reports whether it was the attempt's own time that was up, rather than
// the asker's, or that of a policy around this one.
func (t *attempt[Q, R]) timeUp() bool {
	return t.l.Timeout > 0 && context.Cause(t.call.ctx) == ErrTimeout && context.Cause(t.asker) != ErrTimeout
}

// refuse is called by a scope that has ended before the call could start. It
// goes on elsewhere: whoever brought the slot must not meet the transforms that
// hang on this ask, nor begin those that wait behind it, one inside the other.
func (t *attempt[Q, R]) refuse(err error) { go t.refused(err) }

// refused ends the ask, unless a copy of the call was or is under way: then that
// one's outcome counts.
func (t *attempt[Q, R]) refused(err error) {
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
	if last := t.failures(); last != nil {
		err = gaveUp(errGaveUp, nil, several{last, err})
	}
	t.end(t.zero(), err)
}

// returned is told how the call ended. It counts only while its attempt is
// undecided, and a failure only if it is the last copy.
func (t *attempt[Q, R]) returned(v R, err error) {
	err = interrupted(t.asker, err)
	t.giveSlot()
	late := err != nil && t.timeUp()
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
		err = joined(append(t.errs, err))
		if late && !errors.Is(err, ErrTimeout) { // then that is what it is, whatever it says
			err = ending.Because(ErrTimeout, err)
		}
		t.failed(v, err, late)
	}
}

// timedOut decides an attempt whose time is up although the function is not
// back. The function keeps its slot.
func (t *attempt[Q, R]) timedOut() {
	if !t.timeUp() {
		return // it was the asker's context that ended
	}
	t.mu.Lock()
	if t.phase != running || t.n != t.ask.attempt {
		t.mu.Unlock()
		return
	}
	t.failed(t.zero(), joined(append([]error{ErrTimeout}, t.errs...)), true)
}

// arm sets the timer that doubles the attempt.
func (t *attempt[Q, R]) arm() {
	t.keep(t.n, running, t.l.Clock.AfterFunc(t.l.Hedge, t.hedge))
}

// hedge doubles an attempt that takes long, if there is a slot for it.
func (t *attempt[Q, R]) hedge() {
	t.mu.Lock()
	if t.phase != running || t.n != t.ask.attempt {
		t.mu.Unlock()
		return
	}
	room := t.l.slots == nil || t.l.slots.spare()
	if room {
		t.copies++
		t.made++
	}
	more := t.made < t.l.copies
	t.mu.Unlock()
	if room {
		double := *t
		double.copy = true
		double.launch()
	}
	if more {
		t.arm()
	}
}
