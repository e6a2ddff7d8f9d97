package callback

import (
	"context"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/internal/ending"
)

// Sentinels, for errors.Is. They keep their identity across a wire.
var (
	// ErrOrphan: an answer came that nobody waits for. It comes with its reason,
	// which is ErrLate, ErrDuplicate or ErrUnknownID.
	ErrOrphan error = orphan
	// ErrLate: the answer is an orphan because the expectation had expired or
	// been cancelled.
	ErrLate error = &antiphon.Error{
		Code:    antiphon.CodeFailedPrecondition,
		Class:   antiphon.ClassNotAccepted,
		Reason:  "callback.late",
		Message: "callback: the answer came too late",
		Marks:   []string{orphan.Reason},
	}
	// ErrDuplicate: the answer is an orphan because another came before it.
	ErrDuplicate error = &antiphon.Error{
		Code:    antiphon.CodeAlreadyExists,
		Class:   antiphon.ClassNotAccepted,
		Reason:  "callback.duplicate",
		Message: "callback: answered already",
		Marks:   []string{orphan.Reason},
	}
	// ErrUnknownID: the answer is an orphan because nobody expects its id, or it
	// ended too long ago to be remembered.
	ErrUnknownID error = &antiphon.Error{
		Code:    antiphon.CodeNotFound,
		Class:   antiphon.ClassNotAccepted,
		Reason:  "callback.unknown_id",
		Message: "callback: no such expectation",
		Marks:   []string{orphan.Reason},
	}
	// ErrExpired: no answer came in time. Of class unknown; the error is also
	// context.DeadlineExceeded.
	ErrExpired error = &antiphon.Error{
		Code:    antiphon.CodeDeadlineExceeded,
		Class:   antiphon.ClassUnknown,
		Reason:  "callback.expired",
		Message: "callback: no answer in time",
	}
	// ErrFull: a limit is reached: of what may be pending, queued, or handled at
	// once. Of class not accepted.
	ErrFull error = &antiphon.Error{
		Code:    antiphon.CodeResourceExhausted,
		Class:   antiphon.ClassNotAccepted,
		Reason:  "callback.full",
		Message: "callback: too many at once",
	}
	// ErrClosed: the registry, peer, transport or inbox is closed. Of class not
	// accepted where it answers a request; what was pending when it closed fails
	// with an error of class unknown that is ErrClosed.
	ErrClosed error = &antiphon.Error{
		Code:    antiphon.CodeUnavailable,
		Class:   antiphon.ClassNotAccepted,
		Reason:  "callback.closed",
		Message: "callback: closed",
	}
	// ErrDisconnected: the connection broke after the request was sent. Of class
	// unknown.
	ErrDisconnected error = &antiphon.Error{
		Code:    antiphon.CodeUnavailable,
		Class:   antiphon.ClassUnknown,
		Reason:  "callback.disconnected",
		Message: "callback: disconnected",
	}
	// ErrUndeliverable: the message was surely not delivered: nobody is there to
	// take it, or there is no connection. Of class not accepted.
	ErrUndeliverable error = &antiphon.Error{
		Code:    antiphon.CodeUnavailable,
		Class:   antiphon.ClassNotAccepted,
		Reason:  "callback.undeliverable",
		Message: "callback: not delivered",
	}
	// ErrGap: parts of a stream were lost or overtook each other by more than
	// the wire may let them. Of class unknown.
	ErrGap error = &antiphon.Error{
		Code:    antiphon.CodeDataLoss,
		Class:   antiphon.ClassUnknown,
		Reason:  "callback.gap",
		Message: "callback: a part of the stream is missing",
	}
)

const notAccepted, unknown = antiphon.ClassNotAccepted, antiphon.ClassUnknown

var orphan = &antiphon.Error{
	Code:    antiphon.CodeFailedPrecondition,
	Class:   antiphon.ClassNotAccepted,
	Reason:  "callback.orphan",
	Message: "callback: nobody waits for this answer",
}

func misuse(reason, text string) *antiphon.Error {
	return &antiphon.Error{
		Code:      antiphon.CodeInvalidArgument,
		Class:     antiphon.ClassNotAccepted,
		Reason:    "callback." + reason,
		Message:   "callback: " + text,
		Permanent: true,
	}
}

// because is the error what, of the given class, for the reasons why.
func because(what error, class antiphon.Class, why ...error) error {
	e := ending.Because(what, why...)
	e.Class = class
	return e
}

// gaveUp is the error of an ask or a wait whose context has ended.
func gaveUp(ctx context.Context, class antiphon.Class) error {
	return ending.GaveUp(ctx, errGaveUp, class)
}

var errGaveUp = &antiphon.Error{
	Code:    antiphon.CodeCanceled,
	Class:   antiphon.ClassUnknown,
	Reason:  "callback.gave_up",
	Message: "callback: gave up",
}
