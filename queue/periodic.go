package queue

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
)

// A Schedule says when a periodic job is due: Next returns the first time after t,
// or the zero time for never again. The parsers of cron expressions have types that
// are one.
type Schedule interface {
	Next(t time.Time) time.Time
}

// Every is the schedule of the multiples of d since the Unix epoch, in UTC, so that
// all processes agree on it. A d that is not positive is a mistake of Periodic.
func Every(d time.Duration) Schedule { return every(d) }

type every time.Duration

func (e every) Next(t time.Time) time.Time {
	if e <= 0 {
		return time.Time{}
	}
	return time.Unix(0, t.UnixNano()-mod(t.UnixNano(), int64(e))+int64(e)).UTC()
}

func mod(a, b int64) int64 { return (a%b + b) % b }

// Periodic submits a job at each time of s, until ctx ends, s does, or the queue is
// closed; it returns why. There is no leader: every process that is to keep the
// schedule calls it with the same name, and whoever comes first submits the job of a
// time, under a Unique name made of both. The times are those of this process's
// clock, and one that is an hour off may submit what others had done. Times at which
// no process ran are skipped.
//
// make gives the request for a time; if it panics, that time is skipped. A panic of s
// ends Periodic, and is its error. o may set all but Unique, UniqueFor and Key.
func (q *Queue[Q, R]) Periodic(ctx context.Context, name string, s Schedule, make func(at time.Time) Q, o *SubmitOptions) error {
	ctx = background(ctx)
	c := q.core
	var opts SubmitOptions
	if o != nil {
		opts = *o
	}
	e, plain := s.(every)
	switch {
	case s == nil || make == nil:
		return misuse("periodic", "Periodic needs a schedule and a function")
	case plain && e <= 0:
		return misuse("periodic", "Every needs a positive duration")
	case name == "" || len(name) > 256:
		return misuse("periodic", "Periodic needs a name of 1 to 256 bytes")
	case opts.Unique != "" || opts.UniqueFor != 0 || opts.Key != "":
		return misuse("periodic", "Periodic chooses Unique, UniqueFor and Key itself")
	case !c.caps.Uniques:
		return c.unsupported("Periodic, which needs unique names")
	}
	for {
		now := c.clock.Now()
		at, err := next(s, now)
		switch {
		case err != nil:
			return err
		case at.IsZero():
			return nil
		case !at.After(now): // or this would never wait
			return misuse("periodic", "a Schedule has to give later times")
		}
		if err := c.until(ctx, at); err != nil {
			return err
		}
		opts.Unique = fmt.Sprintf("cron:%s:%s", name, at.UTC().Format(time.RFC3339Nano))
		after, err := next(s, at)
		if err != nil {
			return err
		}
		opts.UniqueFor = time.Hour
		if !after.IsZero() {
			opts.UniqueFor = max(opts.UniqueFor, after.Sub(at))
		}
		v, err := guarded(func() Q { return make(at) })
		if err != nil {
			c.observe(antiphon.Event{Name: "queue.tick_failed", Attempt: 1, Err: err})
			continue
		}
		if err := q.tick(ctx, v, &opts, after); err != nil {
			return err
		}
	}
}

func next(s Schedule, t time.Time) (time.Time, error) {
	return guarded(func() time.Time { return s.Next(t) })
}

// guarded calls a function of the user's, whose panic is an error.
func guarded[T any](f func() T) (v T, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &future.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return f(), nil
}

// tick submits one job, again and again until the next is due.
func (q *Queue[Q, R]) tick(ctx context.Context, v Q, o *SubmitOptions, next time.Time) error {
	c := q.core
	for attempt := 1; ; attempt++ {
		j, err := q.Submit(ctx, v, o)
		switch {
		case err == nil:
			c.follow.remove(&j.following) // nobody waits for it
			return nil
		case errors.Is(err, ErrClosed) || ctx.Err() != nil:
			return err
		}
		c.observe(antiphon.Event{Name: "queue.tick_failed", Attempt: attempt, Err: err})
		at := c.clock.Now().Add(storeBackoff(attempt))
		if !next.IsZero() && !at.Before(next) || antiphon.IsPermanent(err) {
			return nil
		}
		if err := c.until(ctx, at); err != nil {
			return err
		}
	}
}

// until waits for a time of this process's clock.
func (c *core) until(ctx context.Context, at time.Time) error {
	timer := c.clock.Timer(max(at.Sub(c.clock.Now()), 0))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-c.follow.life.Done():
		return ErrClosed
	case <-ctx.Done():
		return gaveUp(ctx, antiphon.ClassNotAccepted)
	}
}
