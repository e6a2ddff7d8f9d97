package natscallback

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go"

	"github.com/antiphon-go/antiphon"
)

func misuse(reason, text string) error {
	return &antiphon.Error{
		Code:      antiphon.CodeInvalidArgument,
		Class:     antiphon.ClassNotAccepted,
		Reason:    "natscallback." + reason,
		Message:   "natscallback: " + text,
		Permanent: true,
	}
}

// gaveUp is the error of a call whose context has ended before anything came of it.
func gaveUp(ctx context.Context) error {
	err := antiphon.Errorf(antiphon.CodeOf(ctx.Err()), "natscallback: gave up: %w", context.Cause(ctx))
	err.Class = antiphon.ClassNotAccepted
	return err
}

func tooLarge(n, limit int) error {
	err := antiphon.Errorf(antiphon.CodeResourceExhausted, "natscallback: %d bytes, of at most %d: %w", n, limit, antiphon.ErrTooLarge)
	err.Class = antiphon.ClassNotAccepted
	return err
}

// notTaken reports whether err of PublishMsg says that nats.go has not taken the
// message. What else fails is a write, of which nobody knows how far it got.
func notTaken(err error) bool {
	for _, known := range []error{
		nats.ErrMaxPayload, nats.ErrConnectionClosed, nats.ErrConnectionDraining, nats.ErrReconnectBufExceeded,
		nats.ErrHeadersNotSupported, nats.ErrBadSubject, nats.ErrBadHeaderMsg,
	} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}
