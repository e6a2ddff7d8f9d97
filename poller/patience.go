package poller

import (
	"context"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/antiphon-go/antiphon"
)

// A patience is the context of a request, which ends when it is over.
type patience struct {
	context.Context
	cancel context.CancelCauseFunc
	clock  clock.Clock
	timer  atomic.Pointer[clock.Timer]
	heard  atomic.Int64 // when there was a sign of life; see listen
}

// errUnanswered ends the context of a request that took too long.
var errUnanswered error = &antiphon.Error{Code: antiphon.CodeUnavailable, Class: antiphon.ClassUnknown,
	Reason: "poller.unanswered", Message: "poller: no answer in time"}

// patient bounds a request to d from now; 0 or less is no bound.
func (c *caller) patient(ctx context.Context, d time.Duration) *patience {
	p := &patience{clock: c.clock}
	p.Context, p.cancel = context.WithCancelCause(ctx)
	if d > 0 {
		p.timer.Store(p.clock.AfterFunc(d, p.lose))
	}
	return p
}

func (p *patience) lose() { p.cancel(errUnanswered) }

// listen bounds, from now on, the silence between two signs of life, and ends in any
// case when end has come, unless that is zero.
func (p *patience) listen(silence time.Duration, end time.Time) {
	p.hear()
	if t := p.timer.Load(); t != nil {
		t.Stop()
	}
	var wait func(d time.Duration)
	check := func() {
		now := p.clock.Now()
		left := silence - time.Duration(now.UnixNano()-p.heard.Load())
		if left <= 0 || !end.IsZero() && !now.Before(end) {
			p.lose()
		} else if p.Err() == nil {
			wait(left)
		}
	}
	wait = func(d time.Duration) {
		if !end.IsZero() {
			d = min(d, end.Sub(p.clock.Now()))
		}
		t := p.clock.AfterFunc(max(d, time.Millisecond), check)
		if p.timer.Store(t); p.Err() != nil { // end did not see this one
			t.Stop()
		}
	}
	wait(silence)
}

// hear notes a sign of life.
func (p *patience) hear() { p.heard.Store(p.clock.Now().UnixNano()) }

// end releases it, and ends whatever still happens in it.
func (p *patience) end() {
	p.cancel(nil)
	if t := p.timer.Load(); t != nil {
		t.Stop()
	}
}

// left is how long it is until at, by the clock of the options. A deadline that is past
// though its context goes on is of another clock, and none here.
func (c *caller) left(at time.Time) time.Duration {
	if d := at.Sub(c.clock.Now()); d > 0 {
		return d
	}
	return forever
}

// timeoutOf is what is left, as it travels: whole milliseconds, and no more than there
// are, but at least one.
func timeoutOf(left time.Duration) string {
	return strconv.FormatInt(max(left.Milliseconds(), 1), 10)
}
