package antiphon

import (
	"fmt"
	"time"
)

// Permanent marks err as one that trying again will not mend. Retry policies,
// queues, pollers and webhook senders obey. The result has err's text and wraps
// it; Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &verdict{err: err, permanent: true}
}

// RetryAfter marks err as one that should not be tried again before d has
// passed. It lengthens the delay a policy would choose, never shortens it; a
// negative d counts as 0. The result has err's text and wraps it;
// RetryAfter(nil, d) is nil.
func RetryAfter(err error, d time.Duration) error {
	if err == nil {
		return nil
	}
	return &verdict{err: err, after: max(0, d)}
}

// IsPermanent reports whether err is marked by [Permanent], on either side of a
// wire.
func IsPermanent(err error) bool {
	return anyIn(err, func(err error) bool {
		switch e := err.(type) {
		case *verdict:
			return e.permanent
		case Describer:
			return e.AntiphonError().Permanent
		}
		return false
	})
}

// RetryDelay returns the longest delay that err asks for by [RetryAfter], on
// either side of a wire, and whether it asks for one at all.
func RetryDelay(err error) (d time.Duration, ok bool) {
	anyIn(err, func(err error) bool {
		switch e := err.(type) {
		case *verdict:
			if !e.permanent {
				d, ok = max(d, e.after), true
			}
		case Describer:
			if after := e.AntiphonError().RetryAfter; after > 0 {
				d, ok = max(d, after), true
			}
		}
		return false
	})
	return d, ok
}

// Retryable is the default answer to whether work that ended in err is worth
// trying again. It says no to nil, to what is [Permanent], to a context that
// was canceled, and to the codes whose cause lies in the request rather than
// in the moment: invalid_argument, not_found, already_exists,
// permission_denied, unauthenticated, failed_precondition, out_of_range,
// unimplemented, data_loss. It says yes to the rest, also where it is unknown
// whether the work was done: only who asks knows whether that is safe.
func Retryable(err error) bool {
	if err == nil || IsPermanent(err) {
		return false
	}
	switch CodeOf(err) {
	case CodeCanceled, CodeInvalidArgument, CodeNotFound, CodeAlreadyExists,
		CodePermissionDenied, CodeUnauthenticated, CodeFailedPrecondition,
		CodeOutOfRange, CodeUnimplemented, CodeDataLoss:
		return false
	}
	return true
}

// verdict is what a Func says about its own failure, around that failure.
type verdict struct {
	err       error
	permanent bool
	after     time.Duration
}

func (v *verdict) Error() string { return v.err.Error() }
func (v *verdict) Unwrap() error { return v.err }

// GoString tells a verdict from the error it wraps where %#v is asked for.
func (v *verdict) GoString() string {
	if v.permanent {
		return fmt.Sprintf("antiphon.Permanent(%#v)", v.err)
	}
	return fmt.Sprintf("antiphon.RetryAfter(%#v, %v)", v.err, v.after)
}

// anyIn reports whether yes holds for any error in err's tree.
func anyIn(err error, yes func(error) bool) bool {
	for err != nil {
		if yes(err) {
			return true
		}
		switch w := err.(type) {
		case interface{ Unwrap() error }:
			err = w.Unwrap()
		case interface{ Unwrap() []error }:
			for _, err := range w.Unwrap() {
				if anyIn(err, yes) {
					return true
				}
			}
			return false
		default:
			return false
		}
	}
	return false
}
