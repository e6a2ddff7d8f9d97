package queue

import (
	"context"
	"errors"
	"runtime/debug"
	"slices"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/internal/ending"
	"github.com/antiphon-go/antiphon/internal/lifetime"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// A verdict is what work says about its own job, around its error.
type verdict struct {
	err    error
	kind   verdictKind
	snooze time.Duration
}

type verdictKind uint8

const (
	snoozed verdictKind = iota
	buried
	discarded
)

func (v *verdict) Error() string { return v.err.Error() }
func (v *verdict) Unwrap() error { return v.err }

var errSnoozed = errors.New("queue: not now")

// Snooze is the error of work that is not to be done now: the job is handed out again
// after d, and this attempt does not count. A negative d counts as 0.
func Snooze(d time.Duration) error {
	return &verdict{err: errSnoozed, kind: snoozed, snooze: max(d, 0)}
}

// Bury makes the job a dead letter at once because of err. Bury(nil) is nil.
func Bury(err error) error {
	if err == nil {
		return nil
	}
	return &verdict{err: err, kind: buried}
}

// Discard ends the job as failed because of err, and keeps no dead letter. Discard(nil)
// is nil.
func Discard(err error) error {
	if err == nil {
		return nil
	}
	return &verdict{err: err, kind: discarded}
}

// finished settles t with what its work returned.
func (w *worker) finished(t *task, result []byte, err error) {
	w.mu.Lock()
	t.running = false
	if t.worked = t.since; !w.core.caps.InProcess { // there it is settled before anybody looks
		t.worked = w.alarm.Now()
	}
	lost, untold := t.lost, t.progress != nil
	w.mu.Unlock()
	cause := t.Cause()
	t.Cancel(nil)
	if untold && !lost { // how far it came is known before how it ended
		w.extend([]*task{t})
		w.mu.Lock()
		lost = t.lost
		w.mu.Unlock()
	}
	if lost {
		t.observe("queue.late", 0, ErrLeaseLost)
		w.drop(t)
		return
	}
	w.settler.settle(t, w.ending(t, w.decide(t, result, err, cause)))
}

// ending lets Options.Ending know what is about to be settled for good.
func (w *worker) ending(t *task, s driver.Settlement) driver.Settlement {
	c := w.core
	if c.opts.Ending == nil || s.Outcome != driver.Done && s.Outcome != driver.Bury {
		return s
	}
	now := c.clock.Now()
	op := antiphon.Operation{
		ID: t.job.ID, Kind: c.name, State: s.State, Attempt: t.job.Attempt, Version: 1,
		Created: now.Add(-t.job.Age), Updated: now, Ended: now,
		Metadata: t.job.Header, Result: s.Result, ContentType: s.ContentType, Err: s.Err,
	}
	if s.State == antiphon.StateSucceeded {
		op.Percent = 100
	}
	err := w.callEnding(t, op)
	if err == nil {
		return s
	}
	delay := max(c.backoff(t.job.Attempt), time.Second)
	t.observe("queue.retry", delay, err)
	return driver.Settlement{Outcome: driver.Release, Delay: delay}
}

// callEnding calls Options.Ending. A panic or a Goexit in it is an error.
func (w *worker) callEnding(t *task, op antiphon.Operation) error {
	ctx, done := lifetime.WithTimeout(antiphon.WithInfo(w.base, t.info()), w.core.opts.Clock, w.core.opts.Lease, ErrTimeout)
	defer done()
	back := make(chan error, 1)
	go func() {
		err := future.ErrGoexit
		defer func() {
			if v := recover(); v != nil {
				err = &future.PanicError{Value: v, Stack: debug.Stack()}
			}
			back <- err
		}()
		err = w.core.opts.Ending(ctx, op)
	}()
	return <-back
}

// decide says what becomes of a job; cause is why its context ended, or nil.
// Errors are the user's, and one whose methods panic is an attempt that failed.
func (w *worker) decide(t *task, result []byte, err, cause error) (s driver.Settlement) {
	defer func() {
		if recover() != nil {
			s = w.decideFailed(t, errPanics, nil)
		}
	}()
	if err == nil {
		return driver.Settlement{State: antiphon.StateSucceeded, Result: result, ContentType: contentType(w.core.opts.Codec)}
	}
	return w.decideFailed(t, err, cause)
}

func (w *worker) decideFailed(t *task, err, cause error) driver.Settlement {
	c := w.core
	var v *verdict
	switch {
	case cause == ErrCanceled:
		return driver.Settlement{State: antiphon.StateCanceled, Err: canceled(err)}
	case cause == ErrDraining && interrupted(err):
		return driver.Settlement{Outcome: driver.Release}
	case errors.As(err, &v) && v.kind == snoozed:
		t.observe("queue.snoozed", v.snooze, nil)
		return driver.Settlement{Outcome: driver.Release, Delay: v.snooze}
	case v != nil && v.kind == discarded:
		t.observe("queue.discarded", 0, err)
		return driver.Settlement{State: antiphon.StateFailed, Err: antiphon.FromError(err)}
	}
	if cause == ErrTimeout || cause == ErrExpired {
		err = because(cause, err)
	}
	if v != nil || t.job.Attempt >= c.opts.Attempts || !c.retryable(err) {
		t.observe("queue.dead", 0, err)
		return driver.Settlement{Outcome: driver.Bury, State: antiphon.StateFailed, Err: asDead(err)}
	}
	delay := c.backoff(t.job.Attempt)
	if after, ok := antiphon.RetryDelay(err); ok {
		delay = max(delay, after)
	}
	t.observe("queue.retry", delay, err)
	return driver.Settlement{Outcome: driver.Retry, Err: antiphon.FromError(err), Delay: delay}
}

var errPanics error = &antiphon.Error{
	Code:    antiphon.CodeInternal,
	Class:   antiphon.ClassUnknown,
	Reason:  "queue.error_panic",
	Message: "queue: the error of the work panics",
}

// because is what work returned after its time was up: the reason is beside it.
func because(cause, err error) error {
	if errors.Is(err, cause) {
		return err
	}
	return ending.Because(cause, err)
}

// retryable and backoff are the user's; a panic in them is a no, and a second.
func (c *core) retryable(err error) (yes bool) {
	defer func() { _ = recover() }()
	return c.opts.Retryable(err)
}

func (c *core) backoff(attempt int) (d time.Duration) {
	d = time.Second
	defer func() { _ = recover() }()
	d = max(c.opts.Backoff(attempt), 0)
	return d
}

// interrupted reports whether err only passes on that the context has ended.
func interrupted(err error) bool {
	return errors.Is(err, ErrDraining) || errors.Is(err, context.Canceled)
}

// canceled is the error of work that agreed to end.
func canceled(err error) *antiphon.Error {
	e := *antiphon.FromError(ErrCanceled)
	e.Class = antiphon.ClassFailed
	if text := antiphon.FromError(err).Message; text != "" && !interrupted(err) {
		e.Message += ": " + text
	}
	return &e
}

// asDead is err as a dead letter keeps it: also ErrDead.
func asDead(err error) *antiphon.Error {
	e := *antiphon.FromError(err)
	dead := antiphon.FromError(ErrDead).Reason
	if !slices.Contains(e.Marks, dead) {
		e.Marks = append(slices.Clip(e.Marks), dead)
	}
	return &e
}

// contentType is empty for JSON, which needs no saying.
func contentType(c antiphon.Codec) (t string) {
	defer func() { _ = recover() }()
	if t := c.ContentType(); t != "application/json" {
		return t
	}
	return ""
}
