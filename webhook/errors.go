package webhook

import (
	"context"

	"github.com/antiphon-go/antiphon"
)

// misuse is the error of a call, or of options, that cannot be meant.
func misuse(reason, text string) *antiphon.Error {
	return &antiphon.Error{
		Code:      antiphon.CodeInvalidArgument,
		Class:     antiphon.ClassNotAccepted,
		Reason:    "webhook." + reason,
		Message:   "webhook: " + text,
		Permanent: true,
	}
}

// background is ctx, or context.Background() for nil.
func background(ctx context.Context) context.Context {
	if ctx == nil {
		return context.Background()
	}
	return ctx
}

// retriable is a mistake that a message is not to be lost for: it is handled when the
// mistake is mended.
func retriable(e *antiphon.Error) *antiphon.Error {
	e.Permanent = false
	return e
}
