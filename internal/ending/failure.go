package ending

import "github.com/antiphon-go/antiphon"

// Failure is why an operation that has ended did not succeed: err if there is one, with
// the code that the state suggests where it has none, and else an error of class failed
// that says so. Who is what ended, as a text begins with it; message is what the
// operation said last, or empty.
func Failure(who string, state antiphon.State, err *antiphon.Error, message string) *antiphon.Error {
	if err != nil && err.Code != "" {
		return err
	}
	e := antiphon.Error{Class: antiphon.ClassFailed}
	if err != nil {
		e = *err
	} else if e.Message = who + " ended as " + string(state); message != "" {
		e.Message += ": " + message
	}
	switch state {
	case antiphon.StateCanceled:
		e.Code = antiphon.CodeCanceled
	case antiphon.StateExpired:
		e.Code = antiphon.CodeDeadlineExceeded
	default:
		e.Code = antiphon.CodeUnknown
	}
	return &e
}
