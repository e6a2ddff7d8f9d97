package poller

import (
	"context"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/internal/alarm"
)

// Wait asks until what c asks about has ended, and returns the value if it succeeded,
// or else an *antiphon.Error that says how it ended, of class failed unless that error
// says otherwise. If it stops before that, it returns a [PollError]:
//
//   - when ctx ends; the Cause is then context.Cause(ctx) and ctx.Err(), and Last is
//     the last error that is not merely that. There is no poll after that.
//   - when the limits of o say so;
//   - with a nil Cause, when a poll has failed with an error that will not pass: one
//     that is not Retryable, or a panic in c or in a function of o, which is a
//     *future.PanicError.
//
// c is called by the goroutine that called Wait, which therefore returns when c does:
// at once if c waits for nothing but its context. runtime.Goexit in c ends that
// goroutine, as anywhere.
//
// What has ended while ctx did counts as ended. A nil ctx counts as
// context.Background(), and nil options mean the defaults.
func Wait[T any](ctx context.Context, c Check[T], o *Options) (T, error) {
	st, err := follow(ctx, c, o, nil)
	if err != nil {
		var zero T
		return zero, err
	}
	return st.Value, nil
}

var errNilCheck error = &antiphon.Error{Code: antiphon.CodeInvalidArgument, Class: antiphon.ClassNotAccepted,
	Reason: "poller.nil_check", Message: "poller: nil check", Permanent: true}

// follow asks until it is over, and returns what was seen last. show is told of each
// observation before the last, and says whether to go on; it may be nil.
func follow[T any](ctx context.Context, c Check[T], o *Options, show func(Status[T]) bool) (last Status[T], err error) {
	if c == nil {
		return last, errNilCheck
	}
	if ctx == nil {
		ctx = context.Background()
	}
	if o == nil {
		o = noOptions
	}
	t := track{opts: o, observer: o.Observer}
	z := newSleeper(o.Clock)
	defer z.stop()
	wait := t.begin(ctx, z.start, 0)
	q, now := question[T]{check: c}, z.now
	for {
		if z.sleep(ctx, wait); ctx.Err() != nil { // select is random
			err = t.gaveUp(ctx, nil)
			break
		}
		t.polls++
		st, s := q.look(ctx, &t, o.Clock, now)
		if s.over {
			if _, gaveUp := s.err.(*PollError); !gaveUp {
				last = st
			}
			err = s.err
			break
		}
		if s.news {
			if last = st; show != nil && !show(st) {
				return last, nil
			}
		}
		wait = s.wait
	}
	t.ended(ctx, err)
	return last, err
}

// A sleeper waits, time and again: with one timer that is set anew if the clock is the
// real one, and with an alarm, which knows the faults of mock clocks, if it is not.
type sleeper struct {
	start time.Time
	timer *time.Timer
	alarm *alarm.Alarm
	rang  chan struct{} // has room for one
}

func newSleeper(clk clock.Clock) *sleeper {
	if clk == nil {
		return &sleeper{start: time.Now()}
	}
	z := &sleeper{start: clk.Now(), rang: make(chan struct{}, 1)}
	z.alarm = alarm.New(clk, func() {
		select {
		case z.rang <- struct{}{}:
		default:
		}
	})
	return z
}

// now is how long ago it was made.
func (z *sleeper) now() time.Duration {
	if z.alarm != nil {
		return time.Duration(z.alarm.Now())
	}
	return time.Since(z.start)
}

// sleep returns after d, or when ctx has ended.
func (z *sleeper) sleep(ctx context.Context, d time.Duration) {
	switch {
	case d <= 0:
		return
	case z.alarm != nil:
		z.doze(ctx, alarm.After(z.alarm.Now(), d))
		return
	case z.timer == nil:
		z.timer = time.NewTimer(d)
	default:
		z.timer.Reset(d)
	}
	select {
	case <-z.timer.C:
	case <-ctx.Done():
	}
}

// doze returns at at, whatever rings before.
func (z *sleeper) doze(ctx context.Context, at alarm.Moment) {
	for z.alarm.Now() < at {
		z.alarm.Set(at)
		select {
		case <-z.rang:
		case <-ctx.Done():
			return
		}
	}
}

func (z *sleeper) stop() {
	if z.timer != nil {
		z.timer.Stop()
	}
	if z.alarm != nil {
		z.alarm.Stop()
	}
}
