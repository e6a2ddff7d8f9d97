package poller

import (
	"context"
	"errors"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/internal/ending"
)

// A track is what is known about an operation from the polls so far, and decides after
// each of them what comes next. Moments are counted from any one.
type track struct {
	opts     *Options
	observer antiphon.Observer
	end      time.Duration // no poll begins after that
	until    time.Duration // when the context will end, as far as it says

	polls   int
	errs    int // in a row that failed
	quiet   int // that did not, since something changed
	sure    int // in a row that saw the end
	state   antiphon.State
	message string
	percent float64
	version int64
	speed   speed
	last    error // of the last poll, if it failed
}

// begin makes t the track of what is asked about from now on, as its options say, and
// returns how long to wait for the first poll.
func (t *track) begin(ctx context.Context, wall time.Time, now time.Duration) time.Duration {
	t.end, t.until = after(now, t.opts.elapsed()), forever
	if at, ok := ctx.Deadline(); ok {
		// A deadline that is past though the context goes on is of another clock.
		if left := at.Sub(wall); left > 0 {
			t.until = after(now, left)
		}
	}
	return min(t.opts.first(), t.opts.elapsed())
}

// seen is a Status without its value.
type seen struct {
	state   antiphon.State
	percent float64
	message string
	after   time.Duration
	version int64
}

// A step is what comes next: another poll after a time, or the end.
type step struct {
	wait  time.Duration
	news  bool // what was observed counts, and is no end
	first bool // it is the first end that was seen
	over  bool
	err   error // how it is over, unless it has succeeded
}

func over(err error) step { return step{over: true, err: err} }

// failed decides after a poll that failed with err.
func (t *track) failed(ctx context.Context, err error, now time.Duration) step {
	if why := ctx.Err(); why != nil {
		if !errors.Is(err, why) && !errors.Is(err, context.Cause(ctx)) {
			t.last = err // for a reason of its own
		}
		return over(t.gaveUp(ctx, nil))
	}
	t.last = err
	t.errs++
	retryable, most := t.opts.Retryable, t.opts.MaxErrors
	if retryable == nil {
		retryable = antiphon.Retryable
	}
	if most == 0 {
		most = 10
	}
	switch {
	case !retryable(err):
		return over(t.gaveUp(ctx, nil))
	case t.errs >= most && most > 0:
		return over(t.gaveUp(ctx, ErrErrors))
	}
	wish, _ := antiphon.RetryDelay(err)
	return t.next(ctx, t.opts.trouble(t.errs), wish, now)
}

// observed decides after a poll that saw o. The first end that is seen wins.
func (t *track) observed(ctx context.Context, o seen, now time.Duration) (s step) {
	t.errs, t.last = 0, nil
	t.quiet++
	end := o.state.Terminal()
	switch {
	case o.version > 0 && o.version < t.version: // of the past
	case t.state.Terminal() && o.state != t.state:
		t.emit(antiphon.Event{Name: "poller.flapped", Context: ctx, Attempt: t.polls})
		t.version = max(t.version, o.version)
		if t.sure++; !end {
			t.sure = 0
		}
	case end:
		s.first = !t.state.Terminal()
		t.note(o)
		t.sure++
	default:
		t.note(o)
		s.news = true
	}
	if t.sure >= max(t.opts.Confirm, 1) {
		s.over = true
		return s
	}
	d := time.Duration(0)
	if o.after <= 0 {
		d = t.pause(now)
	}
	next := t.next(ctx, d, o.after, now)
	next.news, next.first = s.news, s.first
	return next
}

// note makes o what was seen last.
func (t *track) note(o seen) {
	if o.version != t.version || o.state != t.state || o.percent != t.percent || o.message != t.message {
		t.quiet = 1
	}
	t.state, t.percent, t.message, t.version = o.state, o.percent, o.message, max(t.version, o.version)
}

// pause is how long to wait where nobody has a wish.
func (t *track) pause(now time.Duration) time.Duration {
	if t.opts.Adaptive {
		if half, ok := t.speed.saw(t.percent, now); ok {
			return t.opts.clamp(half)
		}
	}
	return t.opts.quiet(t.quiet)
}

// next is another poll after d, but not before whoever is asked wishes, if there is
// one, and no later than the end of the time.
func (t *track) next(ctx context.Context, d, wish, now time.Duration) step {
	least, _ := t.opts.bounds()
	left := t.end - now
	switch {
	case t.opts.MaxPolls > 0 && t.polls >= t.opts.MaxPolls:
		return over(t.gaveUp(ctx, ErrPolls))
	case left < least:
		return over(t.gaveUp(ctx, ErrElapsed))
	case wish > 0:
		wish = t.opts.clamp(wish)
		if wish > min(left, t.until-now) {
			return over(t.gaveUp(ctx, ErrHint))
		}
		d = max(d, t.opts.hinted(wish))
	}
	return step{wait: min(d, left)}
}

// gaveUp says that nobody looks any more: because ctx has ended, or else because of
// cause.
func (t *track) gaveUp(ctx context.Context, cause error) *PollError {
	if ctx.Err() != nil {
		cause = ending.Cause(ctx)
	}
	return &PollError{Name: t.opts.Name, Polls: t.polls, State: t.state, Last: t.last, Cause: cause}
}

func (t *track) emit(e antiphon.Event) {
	if t.observer != nil {
		e.Kind = t.opts.Name
		t.observer.Emit(e)
	}
}

// ended tells of the end with err, if it is that nobody looks any more.
func (t *track) ended(ctx context.Context, err error) {
	if _, gaveUp := err.(*PollError); gaveUp {
		t.emit(antiphon.Event{Name: "poller.gave_up", Context: ctx, Attempt: t.polls, Err: err})
	}
}

// failure is the error of what has ended, of class failed unless it says otherwise; nil
// if it succeeded. name is what was asked about, or empty.
func failure(name string, state antiphon.State, err *antiphon.Error, message string) error {
	if state == antiphon.StateSucceeded {
		return nil
	}
	if name == "" {
		name = "it"
	}
	e := ending.Failure("poller: "+name, state, err, message)
	if e.Class == "" {
		d := *e
		d.Class = antiphon.ClassFailed
		e = &d
	}
	return e
}
