package poller

import (
	"context"
	"runtime/debug"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/internal/lifetime"
)

// A question is what is asked again and again.
type question[T any] struct {
	check Check[T]
	end   *Status[T] // the first end that was seen, while it is confirmed
}

// errSlow is the cause with which a poll is cut.
var errSlow error = &antiphon.Error{Code: antiphon.CodeDeadlineExceeded, Class: antiphon.ClassUnknown,
	Reason: "poller.slow", Message: "poller: the poll took too long"}

// look polls once, which t has counted already, and says what comes next. What the user
// has to say to that runs here, and may panic.
func (q *question[T]) look(ctx context.Context, t *track, clk clock.Clock, now func() time.Duration) (st Status[T], s step) {
	poll, cut := ctx, func() {}
	if d := t.opts.perPoll(); d < forever {
		poll, cut = lifetime.WithTimeout(ctx, clk, d, errSlow)
	}
	began := time.Duration(0)
	if t.observer != nil {
		began = now()
	}
	asked, decided := false, false
	defer func() {
		if decided {
			return
		}
		t.last = future.ErrGoexit
		if v := recover(); v != nil {
			t.last = &future.PanicError{Value: v, Stack: debug.Stack()}
		}
		if !asked {
			cut()
			t.polled(ctx, began, now, t.last)
		}
		s = over(t.gaveUp(ctx, nil))
	}()
	st, err := q.check(poll)
	asked = true
	cut()
	t.polled(ctx, began, now, err)
	if err != nil {
		s = t.failed(ctx, err, now())
	} else {
		s = t.observed(ctx, seen{st.State, percentage(st.Percent), st.Message, st.After, st.Version}, now())
	}
	if s.first && t.opts.Confirm > 1 {
		first := st
		q.end = &first
	}
	if s.over && s.err == nil {
		if q.end != nil {
			st = *q.end
		}
		s.err = failure(t.opts.Name, st.State, st.Err, st.Message)
	}
	decided = true
	return st, s
}

// polled tells of a poll.
func (t *track) polled(ctx context.Context, began time.Duration, now func() time.Duration, err error) {
	if t.observer != nil {
		t.emit(antiphon.Event{Name: "poller.poll", Context: ctx, Attempt: t.polls, Duration: now() - began, Err: err})
	}
}
