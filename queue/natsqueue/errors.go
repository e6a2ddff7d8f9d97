package natsqueue

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// errConflict: a record is not of the revision any more that the writer knew.
var errConflict = errors.New("natsqueue: another has written")

// errUnderWay: another write of a record is under way, and may not come to anything.
var errUnderWay = errors.New("natsqueue: another is writing, and the servers have not agreed on it")

// readError gives a code to an error of a call that changes nothing.
func (b *Backend) readError(ctx context.Context, err error) error {
	return b.storeError(ctx, err, antiphon.ClassNotAccepted)
}

// writeError gives a code to an error of a call of which nobody knows whether it did
// something, unless the server said so.
func (b *Backend) writeError(ctx context.Context, err error) error {
	class := antiphon.ClassUnknown
	var api *jetstream.APIError
	if errors.As(err, &api) || errors.Is(err, nats.ErrNoResponders) || errors.Is(err, nats.ErrMaxPayload) || errors.Is(err, nats.ErrConnectionClosed) ||
		errors.Is(err, errUnderWay) {
		class = antiphon.ClassNotAccepted
	}
	return b.storeError(ctx, err, class)
}

func (b *Backend) storeError(ctx context.Context, err error, class antiphon.Class) error {
	var known antiphon.Describer
	switch {
	case err == nil:
		return nil
	case b.isClosed():
		return driver.ErrClosed
	case errors.As(err, &known):
		return err
	}
	code := antiphon.CodeUnavailable
	var api *jetstream.APIError
	switch {
	case errors.Is(err, errUnderWay):
	case ctx.Err() != nil:
		err, code = ctx.Err(), antiphon.CodeOf(ctx.Err())
	case errors.As(err, &api) && api.Code == 503, errors.Is(err, context.DeadlineExceeded):
	case errors.As(err, &api):
		code = antiphon.CodeResourceExhausted
	}
	e := antiphon.Errorf(code, "natsqueue: %w", err)
	e.Class = class
	return e
}
