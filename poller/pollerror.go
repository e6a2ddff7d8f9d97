package poller

import (
	"fmt"

	"github.com/antiphon-go/antiphon"
)

// A PollError says that nobody looks any more, though the operation may still run. Its
// class is unknown.
//
// errors.Is and errors.As find both the Cause and the Last error.
type PollError struct {
	// Name is Options.Name.
	Name string
	// Polls is how many polls there were.
	Polls int
	// State is the last that was seen; empty if there was none.
	State antiphon.State
	// Last is the error of the last poll, if that failed.
	Last error
	// Cause is why there is no other: what ended the context (its cause), or ErrElapsed,
	// ErrPolls, ErrErrors, ErrHint or ErrClosed; or nil where Last will not pass.
	Cause error
	// Token is for Resume, where an operation is followed over HTTP (see Remote.Token). It
	// is a secret, and not part of the text.
	Token string
}

// Why there is no further poll. The first two are context.DeadlineExceeded too.
var (
	// ErrElapsed: Options.Elapsed is over.
	ErrElapsed error = &antiphon.Error{Code: antiphon.CodeDeadlineExceeded, Class: antiphon.ClassUnknown,
		Reason: "poller.elapsed", Message: "poller: the time to wait is over"}
	// ErrHint: whoever is asked wishes not to be asked again before the time is over.
	ErrHint error = &antiphon.Error{Code: antiphon.CodeDeadlineExceeded, Class: antiphon.ClassUnknown,
		Reason: "poller.hint", Message: "poller: whoever is asked wishes to be asked again later than there is time"}
	// ErrPolls: there were Options.MaxPolls.
	ErrPolls error = &antiphon.Error{Code: antiphon.CodeResourceExhausted, Class: antiphon.ClassUnknown,
		Reason: "poller.polls", Message: "poller: asked as often as allowed"}
	// ErrErrors: Options.MaxErrors polls failed in a row.
	ErrErrors error = &antiphon.Error{Code: antiphon.CodeUnavailable, Class: antiphon.ClassUnknown,
		Reason: "poller.errors", Message: "poller: too many polls failed"}
	// ErrClosed: the Scheduler was closed.
	ErrClosed error = &antiphon.Error{Code: antiphon.CodeUnavailable, Class: antiphon.ClassUnknown,
		Reason: "poller.closed", Message: "poller: closed"}
)

// Error names what was asked about, how often, and both errors.
func (e *PollError) Error() string {
	text := "poller: gave up"
	if e.Name != "" {
		text = fmt.Sprintf("poller: gave up on %s", e.Name)
	}
	text += fmt.Sprintf(" after %d polls", e.Polls)
	if e.Polls == 1 {
		text = text[:len(text)-1]
	}
	if e.State != "" {
		text += fmt.Sprintf(", last seen %s", e.State)
	}
	if e.Cause != nil {
		text += fmt.Sprintf(": %v", e.Cause)
	}
	if e.Last != nil {
		text += fmt.Sprintf(" (the last poll failed: %v)", e.Last)
	}
	return text
}

// Unwrap returns the Cause and the Last error.
func (e *PollError) Unwrap() []error {
	errs := make([]error, 0, 2)
	for _, err := range []error{e.Cause, e.Last} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// AntiphonError is the error's form on a wire: the code of the Cause, or that of Last,
// of class unknown.
func (e *PollError) AntiphonError() *antiphon.Error {
	code := antiphon.CodeUnknown
	switch {
	case e.Cause != nil:
		code = antiphon.CodeOf(e.Cause)
	case e.Last != nil:
		code = antiphon.CodeOf(e.Last)
	}
	return &antiphon.Error{Code: code, Class: antiphon.ClassUnknown, Message: e.Error()}
}
