package antiphon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// An Error is an error as it crosses a wire, and a sentinel where it has a
// Reason. Errors of any other type are turned into one by [FromError].
//
// What survives the way there and back, in JSON or any other codec that keeps
// the exported fields: the text, the code, the class, the reason, the details,
// the advice on retrying, and errors.Is for every sentinel with a Reason and
// for the well-known errors of the standard library that the original error
// was. What does not: the types and stacks of the errors it wrapped.
//
// Concurrency: an Error is not modified once it is in use, and may be shared.
//
// Zero value: an error of code unknown and class failed without a message.
type Error struct {
	// Code is what kind of error it is. Empty means CodeUnknown.
	Code Code
	// Class is what is known about the request. Empty means what the code
	// suggests; see ClassOf.
	Class Class
	// Reason is the identity of a sentinel, as "package.reason" in lower case:
	// errors.Is holds between two Errors of the same Reason, on either side of
	// a wire. Empty means that it is no sentinel.
	Reason string
	// Message is the text for people: what Error returns. Empty means the code.
	Message string
	// Details is for machines: small facts by name. May be nil.
	Details map[string]string
	// Marks are the further sentinels that the error is, by their Reason, and
	// the standard errors that it is, by a name of ours. FromError fills it.
	Marks []string
	// Permanent says that trying again is of no use; see Permanent.
	Permanent bool
	// RetryAfter is how long to wait at least before trying again, or 0.
	RetryAfter time.Duration

	cause error // the local error it was made from; does not travel
}

// What an Error may hold on the wire. More is cut when it is encoded, and again
// when it is decoded, for the far side may not be ours.
const (
	maxMessage = 4 << 10 // bytes of Message
	maxReason  = 128     // bytes of Code, Class, Reason, a mark, or a detail's name
	maxMarks   = 32      // marks
	maxDetails = 64      // details
	maxDetail  = 1 << 10 // bytes of a detail's value
)

// Errorf returns an Error of the given code with a message as of fmt.Errorf.
// What %w names is wrapped on this side of a wire and, where it is a sentinel,
// recognised on the other; a class of its own and its advice on retrying are
// taken over.
func Errorf(code Code, format string, args ...any) *Error {
	cause := fmt.Errorf(format, args...)
	e := &Error{
		Code:      code,
		Message:   cause.Error(),
		Marks:     marksOf(cause),
		Permanent: IsPermanent(cause),
	}
	e.RetryAfter, _ = RetryDelay(cause)
	if d := describe(cause); d != nil {
		e.Class = d.Class
	}
	switch w := cause.(type) {
	case interface{ Unwrap() error }:
		e.cause = w.Unwrap()
	case interface{ Unwrap() []error }:
		e.cause = cause
	}
	return e
}

// FromError returns the wire form of err, which still wraps err on this side.
// It is nil for nil, and err itself if err is an *Error. Its Message is
// err.Error(), or what the first [Describer] in err's tree that is no *Error
// gives as its own: an answering end that must not show its texts to askers
// returns such an error, or an Error with another text.
func FromError(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := err.(*Error); ok {
		return e
	}
	e := &Error{
		Code:      CodeOf(err),
		Class:     ClassOf(err),
		Message:   err.Error(),
		Marks:     marksOf(err),
		Permanent: IsPermanent(err),
		cause:     err,
	}
	e.RetryAfter, _ = RetryDelay(err)
	var d Describer
	if !errors.As(err, &d) {
		return e
	}
	w := d.AntiphonError()
	e.Reason, e.Details = w.Reason, w.Details
	anyIn(err, func(err error) bool {
		d, ok := err.(Describer)
		if _, plain := err.(*Error); !ok || plain {
			return false
		}
		if text := d.AntiphonError().Message; text != "" {
			e.Message = text
		}
		return true
	})
	return e
}

// Error returns the message, or the code where there is none.
func (e *Error) Error() string {
	if e.Message != "" {
		return e.Message
	}
	return string(e.code())
}

// AntiphonError returns e: it makes *Error a [Describer].
func (e *Error) AntiphonError() *Error { return e }

// Unwrap returns the local error that e was made from, or nil: always nil for
// an Error that came over a wire.
func (e *Error) Unwrap() error { return e.cause }

// Is reports whether e stands for target: an *Error of the same Reason, or an
// error of the standard library that the original was. An Error of code
// canceled is context.Canceled, one of code deadline_exceeded is
// context.DeadlineExceeded.
func (e *Error) Is(target error) bool {
	if t, ok := target.(*Error); ok {
		return t.Reason != "" && (t.Reason == e.Reason || slices.Contains(e.Marks, t.Reason))
	}
	switch target {
	case context.Canceled:
		if e.Code == CodeCanceled {
			return true
		}
	case context.DeadlineExceeded:
		if e.Code == CodeDeadlineExceeded {
			return true
		}
	}
	if len(e.Marks) == 0 {
		return false
	}
	for i := range standard {
		if standard[i].err == target {
			return slices.Contains(e.Marks, standard[i].mark)
		}
	}
	return false
}

func (e *Error) code() Code {
	if e.Code == "" {
		return CodeUnknown
	}
	return e.Code
}

// marksOf lists what err is, beyond the reason that describes it: the reasons
// and marks of all Errors in its tree, and the standard errors.
func marksOf(err error) []string {
	var marks []string
	add := func(mark string) {
		if mark != "" && len(marks) < maxMarks && !slices.Contains(marks, mark) {
			marks = append(marks, mark)
		}
	}
	budget := 1024 // a tree of errors can be as large as its maker likes
	var walk func(error)
	walk = func(err error) {
		if budget--; err == nil || budget < 0 {
			return
		}
		if d, ok := err.(Describer); ok {
			e := d.AntiphonError()
			add(e.Reason)
			for _, m := range e.Marks {
				add(m)
			}
		}
		switch w := err.(type) {
		case interface{ Unwrap() error }:
			walk(w.Unwrap())
		case interface{ Unwrap() []error }:
			for _, err := range w.Unwrap() {
				walk(err)
			}
		}
	}
	walk(err)
	for i := range standard {
		if errors.Is(err, standard[i].err) {
			add(standard[i].mark)
		}
	}
	return marks
}

// wireError is the JSON form of an Error. Code and message are never empty:
// clients of long-running operations (Azure's, for one) insist on both.
type wireError struct {
	Code         Code              `json:"code"`
	Message      string            `json:"message"`
	Class        Class             `json:"class,omitempty"`
	Reason       string            `json:"reason,omitempty"`
	Details      map[string]string `json:"details,omitempty"`
	Marks        []string          `json:"marks,omitempty"`
	Permanent    bool              `json:"permanent,omitempty"`
	RetryAfterMs int64             `json:"retryAfterMs,omitempty"`
}

// MarshalJSON writes code and message, both never empty, and class, reason,
// details, marks, permanent and retryAfterMs (rounded up) where they are set.
// What exceeds the limits is cut: 4 KiB of message, 64 details of 1 KiB,
// 32 marks, 128 bytes for a name.
func (e *Error) MarshalJSON() ([]byte, error) {
	w := wireError{
		Code:      e.code(),
		Message:   e.Error(),
		Class:     e.Class,
		Reason:    e.Reason,
		Details:   e.Details,
		Marks:     e.Marks,
		Permanent: e.Permanent,
	}
	if e.RetryAfter > 0 {
		w.RetryAfterMs = millisUp(e.RetryAfter)
	}
	w.bound()
	return json.Marshal(w)
}

// UnmarshalJSON reads what MarshalJSON writes, ignores unknown fields, and cuts
// what exceeds the limits.
func (e *Error) UnmarshalJSON(data []byte) error {
	var w wireError
	if err := json.Unmarshal(data, &w); err != nil {
		return err
	}
	w.bound()
	*e = Error{
		Code:       w.Code,
		Class:      w.Class,
		Reason:     w.Reason,
		Message:    w.Message,
		Details:    w.Details,
		Marks:      w.Marks,
		Permanent:  w.Permanent,
		RetryAfter: millis(w.RetryAfterMs),
	}
	return nil
}

func (w *wireError) bound() {
	w.Code = Code(cut(string(w.Code), maxReason))
	w.Class = Class(cut(string(w.Class), maxReason))
	w.Reason = cut(w.Reason, maxReason)
	w.Message = cut(w.Message, maxMessage)
	if len(w.Marks) > maxMarks {
		w.Marks = w.Marks[:maxMarks]
	}
	if slices.ContainsFunc(w.Marks, func(m string) bool { return len(m) > maxReason }) {
		w.Marks = slices.Clone(w.Marks)
		for i, m := range w.Marks {
			w.Marks[i] = cut(m, maxReason)
		}
	}
	if len(w.Details) == 0 {
		w.Details = nil
		return
	}
	names := slices.Sorted(maps.Keys(w.Details))
	details := make(map[string]string, min(len(names), maxDetails))
	for _, name := range names[:min(len(names), maxDetails)] {
		details[cut(name, maxReason)] = cut(w.Details[name], maxDetail)
	}
	w.Details = details
}

// cut shortens s to at most n bytes of valid UTF-8.
func cut(s string, n int) string {
	s = strings.ToValidUTF8(shorten(s, n), "\uFFFD")
	return shorten(s, n) // what stands for a bad byte is longer
}

// shorten cuts s between two runes.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// millisUp rounds up, so that nothing travels as "at once" that was not.
func millisUp(d time.Duration) int64 {
	ms := d.Milliseconds()
	if d%time.Millisecond > 0 {
		ms++
	}
	return ms
}

// millis saturates: a peer's number must not wrap round to a small delay.
func millis(ms int64) time.Duration {
	const most = int64(1<<63-1) / int64(time.Millisecond)
	return time.Duration(max(0, min(ms, most))) * time.Millisecond
}
