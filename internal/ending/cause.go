package ending

import (
	"context"
	"errors"

	"github.com/antiphon-go/antiphon"
)

// Cause is why ctx has ended, or nil if it has not: its cause, which is also its Err,
// and has the code of that.
func Cause(ctx context.Context) error {
	err := ctx.Err()
	if err == nil {
		return nil
	}
	cause := context.Cause(ctx)
	if errors.Is(cause, err) && antiphon.CodeOf(cause) == antiphon.CodeOf(err) {
		return cause
	}
	return &caused{cause, err}
}

// A caused error is that of a context which ended for a reason of its own.
type caused struct{ cause, err error }

func (c *caused) Error() string   { return c.cause.Error() }
func (c *caused) Unwrap() []error { return []error{c.cause, c.err} }

func (c *caused) AntiphonError() *antiphon.Error {
	return &antiphon.Error{Code: antiphon.CodeOf(c.err), Class: antiphon.ClassUnknown, Message: antiphon.FromError(c.cause).Message}
}
