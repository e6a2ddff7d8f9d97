package callback

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
)

// Bytes is the codec of those who encode for themselves: it passes []byte and
// string as they are, and refuses everything else with code invalid_argument.
//
// Ownership: what is marshalled belongs to the message from then on, and what is
// unmarshalled to the reader.
type Bytes struct{}

// ContentType returns "application/octet-stream".
func (Bytes) ContentType() string { return "application/octet-stream" }

// Marshal returns v itself.
func (Bytes) Marshal(v any) ([]byte, error) {
	switch v := v.(type) {
	case []byte:
		return v, nil
	case string:
		return []byte(v), nil
	case struct{}:
		return nil, nil
	}
	return nil, misuse("bytes", fmt.Sprintf("the codec Bytes takes []byte and string, not %T", v))
}

// Unmarshal stores data itself in v.
func (Bytes) Unmarshal(data []byte, v any) error {
	switch v := v.(type) {
	case *[]byte:
		*v = data
		return nil
	case *string:
		*v = string(data)
		return nil
	case *struct{}:
		return nil
	}
	return misuse("bytes", fmt.Sprintf("the codec Bytes gives []byte and string, not %T", v))
}

// marshal encodes v; a codec that panics has failed. Nothing is encoded as nothing.
func marshal[T any](c antiphon.Codec, v T) (body []byte, err error) {
	_, plain := c.(Bytes)
	switch v := any(v).(type) {
	case struct{}:
		return nil, nil
	case []byte:
		if plain {
			return v, nil // which need not be boxed
		}
	}
	defer recovered(&err)
	return c.Marshal(v)
}

// unmarshal decodes a value. From nothing, JSON makes the zero value; other codecs
// may have values that take no bytes.
func unmarshal[T any](c antiphon.Codec, body []byte) (v T, err error) {
	defer recovered(&err)
	if len(body) == 0 {
		if _, none := any(v).(struct{}); none || c.ContentType() == "application/json" {
			return v, nil
		}
	}
	if _, plain := c.(Bytes); plain {
		if to, is := any(&v).(*[]byte); is {
			*to = body // which need not be boxed
			return v, nil
		}
	}
	boxed := new(T)
	err = c.Unmarshal(body, boxed)
	return *boxed, err
}

// misfit says what it was that could not be decoded.
func misfit(what, name string, err error) error {
	if _, panicked := err.(*future.PanicError); panicked {
		return err
	}
	return antiphon.Errorf(antiphon.CodeOf(err), "callback: the %s of %q: %w", what, name, err)
}

// recovered makes an error of a panic of what is the user's.
func recovered(err *error) {
	if v := recover(); v != nil {
		*err = &future.PanicError{Value: v, Stack: debug.Stack()}
	}
}

// A report is progress as it travels: always JSON, data as the codec of the
// answerer wrote it if that is JSON, else base64.
type report struct {
	Percent float64         `json:"percent"`
	Message string          `json:"message,omitempty"`
	Data    json.RawMessage `json:"data,omitempty"`
	Bytes   []byte          `json:"bytes,omitempty"`
}

// maxReport is how many bytes progress may have.
const maxReport = 64 << 10

func makeReport(c antiphon.Codec, pr antiphon.Progress) (body []byte, err error) {
	defer recovered(&err)
	r := report{Percent: pr.Percent, Message: pr.Message}
	if pr.Data != nil {
		data, err := marshal(c, pr.Data)
		if err != nil {
			return nil, err
		}
		if c.ContentType() == "application/json" {
			r.Data = data
		} else {
			r.Bytes = data
		}
	}
	body, err = json.Marshal(r)
	if err == nil && len(body) > maxReport {
		err = antiphon.ErrTooLarge
	}
	return body, err
}

func parseProgress(body []byte) (r report, err error) {
	if len(body) > 0 {
		err = antiphon.JSON{MaxSize: maxReport}.Unmarshal(body, &r)
	}
	return r, err
}

// tell reports to the asker's context.
func (r *report) tell(ctx context.Context) {
	defer func() { _ = recover() }() // what listens is the asker's, the goroutine ours
	var data any
	switch {
	case r.Data != nil:
		data = []byte(r.Data)
	case r.Bytes != nil:
		data = r.Bytes
	}
	antiphon.Report(ctx, r.Percent, r.Message, data)
}
