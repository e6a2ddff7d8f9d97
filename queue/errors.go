package queue

import (
	"context"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/internal/ending"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// Sentinels, for errors.Is. They keep their identity in a store and across a wire.
var (
	// ErrLeaseLost: a worker lost its job to another, because its lease had run out;
	// it is also the cause with which the work's context ends then.
	ErrLeaseLost = driver.ErrLeaseLost
	// ErrCanceled: the job was canceled, by its id. Of class not accepted if the work
	// never began, failed if it agreed to end, else unknown.
	ErrCanceled = driver.ErrCanceled
	// ErrFull: the queue has no room. Of class not accepted.
	ErrFull = driver.ErrFull
	// ErrDropped: the job had to give way to newer ones. Of class not accepted.
	ErrDropped = driver.ErrDropped
	// ErrKeyReused: the idempotency key belongs to a job with another payload. Of
	// class not accepted.
	ErrKeyReused = driver.ErrKeyReused
	// ErrUnknownJob: there is no such job, or it ended too long ago to be known. What is
	// wished of it was not accepted; the future of a Job fails with class unknown, for it
	// may have been done.
	ErrUnknownJob = driver.ErrUnknownJob
	// ErrExpired: the job's time to live was over before it had ended. The error is
	// also context.DeadlineExceeded.
	ErrExpired = driver.ErrExpired
	// ErrClosed: the queue or its backend is closed. Of class not accepted.
	ErrClosed = driver.ErrClosed
	// ErrDead: the job is a dead letter. The error is also what its last attempt
	// ended in.
	ErrDead error = &antiphon.Error{
		Code:    antiphon.CodeAborted,
		Class:   antiphon.ClassFailed,
		Reason:  "queue.dead",
		Message: "queue: given up",
	}
	// ErrLost: workers were handed the job and never heard of again, too often. The
	// job is a dead letter; what became of the work is unknown.
	ErrLost error = &antiphon.Error{
		Code:      antiphon.CodeAborted,
		Class:     antiphon.ClassUnknown,
		Reason:    "queue.lost",
		Message:   "queue: the workers that took it did not come back",
		Permanent: true,
	}
	// ErrTimeout: an attempt took longer than Options.Timeout; it is also the cause
	// with which the work's context ends then, and context.DeadlineExceeded.
	ErrTimeout error = &antiphon.Error{
		Code:    antiphon.CodeDeadlineExceeded,
		Class:   antiphon.ClassUnknown,
		Reason:  "queue.timeout",
		Message: "queue: the attempt took too long",
	}
	// ErrDraining: the worker is being stopped. It is the cause with which the
	// contexts of work end that is not done when WorkOptions.Drain is over.
	ErrDraining error = &antiphon.Error{
		Code:    antiphon.CodeUnavailable,
		Class:   antiphon.ClassUnknown,
		Reason:  "queue.draining",
		Message: "queue: the worker is stopping",
	}
	// ErrStuck: work did not return although its context had ended. Work returns it
	// if it had to leave such behind.
	ErrStuck error = &antiphon.Error{
		Code:    antiphon.CodeAborted,
		Class:   antiphon.ClassUnknown,
		Reason:  "queue.stuck",
		Message: "queue: work does not return",
	}
)

// misuse is the error of a call that cannot be meant.
func misuse(reason, text string) *antiphon.Error {
	return &antiphon.Error{
		Code:      antiphon.CodeInvalidArgument,
		Class:     antiphon.ClassNotAccepted,
		Reason:    "queue." + reason,
		Message:   "queue: " + text,
		Permanent: true,
	}
}

// gaveUp is the error of a call whose context has ended.
func gaveUp(ctx context.Context, class antiphon.Class) error {
	return ending.GaveUp(ctx, errGaveUp, class)
}

var errGaveUp error = &antiphon.Error{Reason: "queue.gave_up", Message: "queue: gave up"}

// unclear is err, but of class unknown.
func unclear(err error) error { return classed(err, antiphon.ClassUnknown) }

// ran is err, about work that has been done.
func ran(err error) error { return classed(err, antiphon.ClassFailed) }

func classed(err error, c antiphon.Class) error {
	d := *antiphon.FromError(err)
	d.Class = c
	return &reclassed{&d, err}
}

// reclassed is an error of another class than the one it wraps.
type reclassed struct {
	d   *antiphon.Error
	err error
}

func (r *reclassed) Error() string                  { return r.err.Error() }
func (r *reclassed) Unwrap() error                  { return r.err }
func (r *reclassed) AntiphonError() *antiphon.Error { return r.d }

// errForgotten is ErrUnknownJob as an answer.
var errForgotten = unclear(ErrUnknownJob)
