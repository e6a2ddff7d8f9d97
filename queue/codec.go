package queue

import (
	"errors"
	"fmt"

	"github.com/antiphon-go/antiphon"
)

// marshal encodes v within the limit; a codec that panics has failed, and struct{}
// is nothing.
func (c *core) marshal(v any) (b []byte, err error) {
	if _, none := v.(struct{}); none {
		return nil, nil
	}
	defer recovered(&err)
	if b, err = c.opts.Codec.Marshal(v); err != nil {
		return nil, badPayload(err)
	}
	if len(b) > c.opts.MaxPayload {
		return nil, tooLarge(len(b), c.opts.MaxPayload)
	}
	return b, nil
}

// unmarshal decodes a value; nothing is the zero value.
func unmarshal[T any](c *core, b []byte) (v T, err error) {
	if _, none := any(v).(struct{}); none || len(b) == 0 {
		return v, nil
	}
	defer recovered(&err)
	if err = c.opts.Codec.Unmarshal(b, &v); err != nil {
		err = badPayload(err)
	}
	return v, err
}

// badPayload says that a value is none, whatever the codec calls it.
func badPayload(err error) error {
	if errors.Is(err, antiphon.ErrTooLarge) {
		return err
	}
	e := antiphon.Errorf(antiphon.CodeInvalidArgument, "queue: %w", err)
	e.Class, e.Permanent = antiphon.ClassNotAccepted, true
	return e
}

func recovered(err *error) {
	if v := recover(); v != nil {
		*err = misuse("codec_panic", "the codec panicked")
	}
}

func unsupportedBy(backend, what string) error {
	return fmt.Errorf("queue: the backend %q does not do %s: %w", backend, what, errors.ErrUnsupported)
}
