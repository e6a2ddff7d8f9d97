package antiphon

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
)

// A Code says what kind of error it is, in the words of the gRPC and Connect
// protocols (https://connectrpc.com/docs/protocol, "Error codes"). A code that
// is not listed here, from a newer peer say, is kept as it is and treated as
// CodeUnknown. The zero value means CodeUnknown.
type Code string

// The codes. Their meanings are those of google/rpc/code.proto.
const (
	CodeCanceled           Code = "canceled"            // the asker gave up
	CodeUnknown            Code = "unknown"             // nothing better is known
	CodeInvalidArgument    Code = "invalid_argument"    // the request itself is wrong
	CodeDeadlineExceeded   Code = "deadline_exceeded"   // time ran out
	CodeNotFound           Code = "not_found"           // what was asked for does not exist
	CodeAlreadyExists      Code = "already_exists"      // what was to be created exists
	CodePermissionDenied   Code = "permission_denied"   // known, but not allowed
	CodeResourceExhausted  Code = "resource_exhausted"  // a limit or quota is used up
	CodeFailedPrecondition Code = "failed_precondition" // the system is not in the state for it
	CodeAborted            Code = "aborted"             // lost a race; start over at a higher level
	CodeOutOfRange         Code = "out_of_range"        // past the valid range
	CodeUnimplemented      Code = "unimplemented"       // not supported here
	CodeInternal           Code = "internal"            // an invariant is broken
	CodeUnavailable        Code = "unavailable"         // not reachable or not ready now
	CodeDataLoss           Code = "data_loss"           // data is lost or corrupted
	CodeUnauthenticated    Code = "unauthenticated"     // who asks is not known
)

// A Class answers the question that a caller must ask before asking again: was
// the request done?
type Class string

// The classes.
const (
	// ClassNotAccepted: the request was surely not done. Asking again is safe.
	ClassNotAccepted Class = "not_accepted"
	// ClassFailed: the request was tried, and ended badly.
	ClassFailed Class = "failed"
	// ClassUnknown: it may have been done, or be under way, or not have arrived.
	ClassUnknown Class = "unknown"
)

// A Describer is an error that knows its own wire form. [CodeOf], [ClassOf] and
// [FromError] ask the first Describer that errors.As finds. The returned Error
// must not be nil nor be modified afterwards.
type Describer interface {
	error
	AntiphonError() *Error
}

// CodeOf returns the code of err: that of the first [Describer] in its tree,
// else that of the standard error it wraps (context.Canceled,
// context.DeadlineExceeded and other timeouts, fs.ErrNotExist,
// errors.ErrUnsupported and the like), else CodeUnknown. The code of nil is
// empty.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e := describe(err); e != nil {
		return e.code()
	}
	for i := range standard {
		if s := &standard[i]; s.code != "" && errors.Is(err, s.err) {
			return s.code
		}
	}
	var timeout interface{ Timeout() bool }
	if errors.As(err, &timeout) && timeout.Timeout() {
		return CodeDeadlineExceeded
	}
	return CodeUnknown
}

// ClassOf returns what err says about the request. An [Error] that names its
// class says just that. Otherwise codes canceled, deadline_exceeded and
// unavailable mean ClassUnknown, and everything else ClassFailed: an error that
// says nothing of its own came from the work itself, which was tried and ended
// badly. The class of nil is empty.
func ClassOf(err error) Class {
	if err == nil {
		return ""
	}
	if e := describe(err); e != nil && e.Class != "" {
		return e.Class
	}
	switch CodeOf(err) {
	case CodeCanceled, CodeDeadlineExceeded, CodeUnavailable:
		return ClassUnknown
	}
	return ClassFailed
}

func describe(err error) *Error {
	if e, ok := err.(*Error); ok { // the common case, without a walk
		return e
	}
	var d Describer
	if errors.As(err, &d) {
		return d.AntiphonError()
	}
	return nil
}

// standard lists the errors of the standard library that keep their identity
// across a wire, each with the mark that stands for it there.
var standard = []struct {
	mark string
	code Code // what CodeOf says of it; empty where it says nothing
	err  error
}{
	{"context.canceled", CodeCanceled, context.Canceled},
	{"context.deadline_exceeded", CodeDeadlineExceeded, context.DeadlineExceeded},
	{"os.deadline_exceeded", CodeDeadlineExceeded, os.ErrDeadlineExceeded},
	{"errors.unsupported", CodeUnimplemented, errors.ErrUnsupported},
	{"fs.not_exist", CodeNotFound, fs.ErrNotExist},
	{"fs.exist", CodeAlreadyExists, fs.ErrExist},
	{"fs.permission", CodePermissionDenied, fs.ErrPermission},
	{"fs.invalid", CodeInvalidArgument, fs.ErrInvalid},
	{"fs.closed", "", fs.ErrClosed},
	{"net.closed", "", net.ErrClosed},
	{"io.eof", "", io.EOF},
	{"io.unexpected_eof", "", io.ErrUnexpectedEOF},
}
