package future

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/internal/ending"
)

// Sentinels, for errors.Is. They keep their identity across a wire.
var (
	// ErrPending: whoever waited gave up, and the future is still pending. Of
	// class unknown; the error is also ctx.Err(), whose code it has, and the
	// cause.
	ErrPending error = &antiphon.Error{
		Code:    antiphon.CodeUnknown,
		Class:   antiphon.ClassUnknown,
		Reason:  "future.pending",
		Message: "future: gave up waiting",
	}
	// ErrPanic: the work panicked. What a *PanicError is.
	ErrPanic error = &antiphon.Error{
		Code:      antiphon.CodeInternal,
		Class:     antiphon.ClassFailed,
		Reason:    "future.panic",
		Message:   "future: the work panicked",
		Permanent: true,
	}
	// ErrGoexit: the work ended its goroutine by runtime.Goexit, as
	// testing.T.FailNow does.
	ErrGoexit error = &antiphon.Error{
		Code:      antiphon.CodeInternal,
		Class:     antiphon.ClassFailed,
		Reason:    "future.goexit",
		Message:   "future: the work called runtime.Goexit",
		Permanent: true,
	}
	// ErrAbandoned: the promise was garbage collected unsettled. Only seen
	// while debugging.
	ErrAbandoned error = &antiphon.Error{
		Code:    antiphon.CodeAborted,
		Class:   antiphon.ClassUnknown,
		Reason:  "future.abandoned",
		Message: "future: the promise was dropped unsettled",
	}
	// ErrNone: Any, Race or First were given nothing to choose from.
	ErrNone error = &antiphon.Error{
		Code:    antiphon.CodeInvalidArgument,
		Class:   antiphon.ClassNotAccepted,
		Reason:  "future.none",
		Message: "future: nothing to choose from",
	}
	// ErrNotStarted: the work was never started, because its context or Scope
	// had ended before its turn came. Of class not accepted; the error is also
	// the cause.
	ErrNotStarted error = &antiphon.Error{
		Code:    antiphon.CodeCanceled,
		Class:   antiphon.ClassNotAccepted,
		Reason:  "future.not_started",
		Message: "future: not started",
	}
	// ErrTimeout: the work had not ended when its time was up, and may still be
	// under way. Of class unknown; the error is also context.DeadlineExceeded.
	ErrTimeout error = &antiphon.Error{
		Code:    antiphon.CodeDeadlineExceeded,
		Class:   antiphon.ClassUnknown,
		Reason:  "future.timeout",
		Message: "future: the work did not end in time",
	}
	// ErrFull: more asks are waiting for a slot than Policy.Queue allows. Of
	// class not accepted.
	ErrFull error = &antiphon.Error{
		Code:    antiphon.CodeResourceExhausted,
		Class:   antiphon.ClassNotAccepted,
		Reason:  "future.full",
		Message: "future: too many asks are waiting",
	}
	// ErrLost is the cause with which the losers of Hedge, Policy.Hedge and
	// First are cancelled.
	ErrLost error = &antiphon.Error{
		Code:    antiphon.CodeCanceled,
		Class:   antiphon.ClassUnknown,
		Reason:  "future.lost",
		Message: "future: another attempt was faster",
	}
)

// errInterrupted: the work failed with the cause for which its context had ended.
var errInterrupted = &antiphon.Error{Reason: "future.interrupted", Message: "future: interrupted", Class: antiphon.ClassUnknown}

// interrupted is err, the failure of work in ctx. If it is nothing but the cause
// for which ctx has ended, as the clients of net/http report it, it also says that.
func interrupted(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	if errors.Is(err, ctx.Err()) || !errors.Is(err, context.Cause(ctx)) {
		return err
	}
	e := ending.Because(errInterrupted, err, ctx.Err())
	e.Code = antiphon.CodeOf(ctx.Err())
	return e
}

// errGaveUp: another attempt would have been made, but for the time.
var errGaveUp error = &antiphon.Error{Reason: "future.gave_up", Message: "future: no time for another attempt"}

// Mistakes of the caller.
var (
	errNilFunc   = misuse("nil_func", "future: nil function")
	errNilFuture = misuse("nil_future", "future: nil future")
)

func misuse(reason, text string) *antiphon.Error {
	return &antiphon.Error{
		Code:      antiphon.CodeInvalidArgument,
		Class:     antiphon.ClassNotAccepted,
		Reason:    "future." + reason,
		Message:   text,
		Permanent: true,
	}
}

// A PanicError is what becomes of a panic in a function that this package runs.
// It Is [ErrPanic], and unwraps to the value of the panic where that is an
// error. On a wire it is an error of code internal that says nothing of value
// or stack.
type PanicError struct {
	Value any    // what the work panicked with
	Stack []byte // where, as debug.Stack writes it
}

// Error describes the value; it leaves out the stack.
func (e *PanicError) Error() string { return fmt.Sprintf("future: panic: %v", e.Value) }

// Unwrap returns the value of the panic if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// Is reports whether target is ErrPanic.
func (e *PanicError) Is(target error) bool { return target == ErrPanic }

// AntiphonError returns the wire form.
func (e *PanicError) AntiphonError() *antiphon.Error { return ErrPanic.(*antiphon.Error) }

// caught turns what recover returned into an error. It is called only where
// the work did not return, so that nil means runtime.Goexit.
func caught(v any) error {
	if v == nil {
		return ErrGoexit
	}
	if debugging.panics {
		panic(v) // the frames that panicked are still on the stack
	}
	return &PanicError{Value: v, Stack: debug.Stack()}
}

func logPanic(text string, err error) {
	var stack string
	if p, ok := err.(*PanicError); ok {
		stack = string(p.Stack)
	}
	slog.Error(text, "error", err, "stack", stack)
}

// because says that what happened for the reason that a context has ended; why may be
// nil.
func because(what, why error) *ending.Error {
	e := ending.Because(what, why)
	if why != nil {
		e.Code = antiphon.CodeOf(why)
	}
	return e
}

// gaveUp says that what keeps last from being tried again; why may be nil. Whether the
// request was done is as last says.
func gaveUp(what, why, last error) error {
	e := ending.Because(what, why, last)
	if why == nil {
		why = last
	}
	e.Code, e.Class = antiphon.CodeOf(why), antiphon.ClassOf(last)
	return e
}

// several are the errors of calls of which each may have done the work. They
// are joined, but for the class: whether the work was done is as the least
// certain of them says.
type several []error

func (s several) Error() string { return errors.Join(s...).Error() }

func (s several) Unwrap() []error { return s }

func (s several) AntiphonError() *antiphon.Error {
	d := *antiphon.FromError(errors.Join(s...))
	d.Class = antiphon.ClassNotAccepted
	for _, err := range s {
		switch class := antiphon.ClassOf(err); {
		case class == antiphon.ClassUnknown, d.Class == antiphon.ClassNotAccepted:
			d.Class = class
		}
	}
	return &d
}

// joined makes one error of those, or nil of none.
func joined(errs []error) error {
	switch len(errs) {
	case 0:
		return nil
	case 1:
		return errs[0]
	}
	return several(errs)
}

// withDoubt returns err, unless it says that nothing was done and before, of an
// earlier attempt, does not: then that stays beside it.
func withDoubt(err, before error) error {
	if before == nil || antiphon.ClassOf(err) != antiphon.ClassNotAccepted || antiphon.ClassOf(before) == antiphon.ClassNotAccepted {
		return err
	}
	return several{err, before}
}

// pending is the error of a waiter that gives up.
func pending(ctx context.Context) error { return because(ErrPending, ending.Cause(ctx)) }
