// Package ending has the errors that say how something ended that did not succeed.
package ending

import (
	"context"

	"github.com/antiphon-go/antiphon"
)

// An Error says what happened, what is known about the request, and why. It is all of
// that to errors.Is and errors.As. On a wire it has the reason of What, and of Why only
// what those errors tell others.
type Error struct {
	What  *antiphon.Error // a sentinel
	Code  antiphon.Code
	Class antiphon.Class
	Why   []error // the cause first, the last real error last
}

// Because is what, which must be an *antiphon.Error, with its code and class, for those
// of the reasons that are not nil.
func Because(what error, why ...error) *Error {
	w := what.(*antiphon.Error)
	e := &Error{What: w, Code: w.Code, Class: w.Class}
	for _, err := range why {
		if err != nil {
			e.Why = append(e.Why, err)
		}
	}
	return e
}

// GaveUp is what, of that class, for the reason that ctx has ended, whose code it has.
func GaveUp(ctx context.Context, what error, class antiphon.Class) *Error {
	cause := Cause(ctx)
	e := Because(what, cause)
	e.Code, e.Class = antiphon.CodeOf(cause), class
	return e
}

// Error is the text of what happened, and of why.
func (e *Error) Error() string {
	text := e.What.Message
	for _, err := range e.Why {
		text += ": " + err.Error()
	}
	return text
}

// Unwrap returns What and Why.
func (e *Error) Unwrap() []error { return append([]error{e.What}, e.Why...) }

// AntiphonError is the error's form on a wire.
func (e *Error) AntiphonError() *antiphon.Error {
	d := *e.What
	d.Code, d.Class = e.Code, e.Class
	for _, err := range e.Why {
		d.Message += ": " + antiphon.FromError(err).Message // not what err keeps to itself
	}
	return &d
}
