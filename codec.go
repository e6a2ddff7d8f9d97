package antiphon

import (
	"encoding/json"
	"fmt"
)

// A Codec turns values into bytes and back.
//
// Implementations are safe for concurrent use. Marshal's result belongs to the
// caller; Unmarshal does not keep data.
type Codec interface {
	// ContentType is the media type of the bytes, for example
	// "application/json".
	ContentType() string
	Marshal(v any) ([]byte, error)
	Unmarshal(data []byte, v any) error
}

// ErrTooLarge is what a [Codec] of ours refuses bytes with that exceed its
// limit on size or depth. Its code is resource_exhausted, its class not
// accepted.
var ErrTooLarge = &Error{
	Code:      CodeResourceExhausted,
	Class:     ClassNotAccepted,
	Reason:    "antiphon.too_large",
	Message:   "antiphon: value exceeds the codec's limits",
	Permanent: true,
}

// JSON is the default [Codec]: encoding/json within limits, both ways. Bytes
// after the value are refused. Errors are of code invalid_argument, or
// [ErrTooLarge]; they do not quote the value.
//
// Zero value: the defaults.
type JSON struct {
	// MaxSize is the most bytes an encoded value may have. 0 means 4 MiB.
	MaxSize int
	// MaxDepth is how deep arrays and objects may nest. 0 means 64.
	MaxDepth int
}

const (
	defaultMaxSize  = 4 << 20
	defaultMaxDepth = 64
)

// ContentType returns "application/json".
func (JSON) ContentType() string { return "application/json" }

// Marshal encodes v.
func (c JSON) Marshal(v any) ([]byte, error) {
	data, ok := encodeScalar(v)
	if !ok {
		var err error
		if data, err = json.Marshal(v); err != nil {
			return nil, Errorf(CodeInvalidArgument, "antiphon: a %T cannot be encoded as JSON: %w", v, err)
		}
	}
	if err := c.check(data); err != nil {
		return nil, err
	}
	return data, nil
}

// Unmarshal decodes data, one value with nothing but white space after it, into
// the value that v points to.
func (c JSON) Unmarshal(data []byte, v any) error {
	if err := c.check(data); err != nil {
		return err
	}
	if decodeScalar(data, v) {
		return nil
	}
	if err := json.Unmarshal(data, v); err != nil {
		return malformed(err, v)
	}
	return nil
}

// malformed describes err without the values that encoding/json quotes.
func malformed(err error, v any) error {
	switch e := err.(type) {
	case *json.SyntaxError:
		return Errorf(CodeInvalidArgument, "antiphon: malformed JSON at byte %d", e.Offset)
	case *json.UnmarshalTypeError:
		field := ""
		if e.Field != "" {
			field = fmt.Sprintf(" (field %q)", e.Field)
		}
		return Errorf(CodeInvalidArgument, "antiphon: JSON does not fit %v at byte %d%s", e.Type, e.Offset, field)
	}
	return Errorf(CodeInvalidArgument, "antiphon: JSON does not decode into %T", v)
}

// check walks over data once, before anything is allocated for it.
func (c JSON) check(data []byte) error {
	size, deepest := c.MaxSize, c.MaxDepth
	if size <= 0 {
		size = defaultMaxSize
	}
	if deepest <= 0 {
		deepest = defaultMaxDepth
	}
	if len(data) > size {
		return tooLarge("%d bytes, limit %d", len(data), size)
	}
	depth, quoted := 0, false
	for i := 0; i < len(data); i++ {
		switch b := data[i]; {
		case quoted:
			if b == '\\' {
				i++
			} else if b == '"' {
				quoted = false
			}
		case b == '"':
			quoted = true
		case b == '{' || b == '[':
			if depth++; depth > deepest {
				return tooLarge("nested deeper than %d", deepest)
			}
		case b == '}' || b == ']':
			depth--
		}
	}
	return nil
}

func tooLarge(format string, args ...any) error {
	e := Errorf(ErrTooLarge.Code, "antiphon: value exceeds the codec's limits: "+format, args...)
	e.Class, e.Reason, e.Permanent = ErrTooLarge.Class, ErrTooLarge.Reason, true
	return e
}
