package webhook

import (
	"errors"
	"net/http"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
)

// A verdict is what a handler says about the message, around its error.
type verdict struct {
	err  error
	gone bool // else it is discarded
}

func (v *verdict) Error() string { return v.err.Error() }
func (v *verdict) Unwrap() error { return v.err }

// Gone is the error of a handler that wants no messages any more, because of err: it is
// answered with 410, and whoever pushes stops. Gone(nil) is nil.
func Gone(err error) error { return judged(err, true) }

// Discard is the error of a handler that gives the message up because of err: it is
// answered with 204, remembered as handled, and observed. Discard(nil) is nil.
func Discard(err error) error { return judged(err, false) }

func judged(err error, gone bool) error {
	if err == nil {
		return nil
	}
	return &verdict{err: err, gone: gone}
}

// isGone and isDiscarded read the outermost verdict.
func isGone(err error) bool {
	var v *verdict
	return errors.As(err, &v) && v.gone
}

func isDiscarded(err error) bool {
	var v *verdict
	return errors.As(err, &v) && !v.gone
}

// An outcome is what a handler's error means.
type outcome struct {
	answer answer
	done   bool // the message is not to be handled again
	event  string
}

func outcomeOf(err error) outcome {
	o := outcome{answer: answer{status: http.StatusNoContent}, done: true, event: "webhook.received"}
	if err == nil {
		return o
	}
	after, later := antiphon.RetryDelay(err)
	switch {
	case isGone(err):
		o.answer.status, o.done = http.StatusGone, false
	case errors.Is(err, ErrUnhandled):
		o.event = "webhook.unhandled"
	case isDiscarded(err), antiphon.IsPermanent(err) && !errors.Is(err, future.ErrPanic) && !errors.Is(err, future.ErrGoexit):
		o.event = "webhook.discarded"
	case later:
		o.answer, o.done = answer{http.StatusServiceUnavailable, max(after, time.Second)}, false
	default:
		o.answer.status, o.done = http.StatusInternalServerError, false
	}
	return o
}

// ErrUnhandled: nobody handles messages of this type. Providers switch endpoints off
// that refuse messages, so it is a [Discard].
var ErrUnhandled error = &antiphon.Error{
	Code:      antiphon.CodeUnimplemented,
	Class:     antiphon.ClassNotAccepted,
	Reason:    "webhook.unhandled",
	Message:   "webhook: nobody handles messages of this type",
	Permanent: true,
}
