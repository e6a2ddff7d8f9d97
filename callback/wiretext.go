package callback

import (
	"bytes"
	"encoding/json"
	"math"
	"time"
	"unicode/utf8"

	"github.com/antiphon-go/antiphon"
)

// textual is the text form of an envelope, for browsers and for people.
type textual struct {
	Kind    string            `json:"kind"`
	ID      string            `json:"id,omitempty"`
	To      string            `json:"to,omitempty"`
	ReplyTo string            `json:"replyTo,omitempty"`
	Seq     uint32            `json:"seq,omitempty"`
	Timeout *float64          `json:"timeoutMs,omitempty"`
	Header  map[string]string `json:"header,omitempty"`
	Err     json.RawMessage   `json:"error,omitempty"`
	Bytes   []byte            `json:"bytes,omitempty"`
	Body    json.RawMessage   `json:"body,omitempty"`
}

// textDepth is how deep a body may nest that is part of a text envelope as it is.
const textDepth = 64

// AppendMessageText appends the text envelope of m, a JSON object, to b. A body
// that is JSON, without space around it and at most 64 deep, is a part of it as it
// stands; any other is base64. It fails as AppendMessage does.
func AppendMessageText(b []byte, m *Message, now time.Time) ([]byte, error) {
	if err := m.sendable(); err != nil {
		return b, err
	}
	t := textual{Kind: m.Kind.String(), To: m.To, ReplyTo: m.ReplyTo, Seq: m.Seq, Header: m.Header}
	if !m.ID.IsZero() {
		t.ID = m.ID.String()
	}
	if !m.Deadline.IsZero() {
		ms := float64(timeout(m.Deadline, now)) / 1000
		t.Timeout = &ms
	}
	verbatim := isPlainJSON(m.Body)
	if !verbatim {
		t.Bytes = m.Body
	}
	if m.Err != nil {
		var err error
		if t.Err, err = encodeError(m.Err); err != nil {
			return b, err
		}
	}
	head, err := json.Marshal(t)
	if err != nil {
		return b, err
	}
	if !verbatim {
		return append(b, head...), nil
	}
	b = append(b, head[:len(head)-1]...)
	b = append(b, `,"body":`...)
	b = append(b, m.Body...)
	return append(b, '}'), nil
}

// isPlainJSON reports whether body comes back byte for byte out of a text envelope
// that it is a part of.
func isPlainJSON(body []byte) bool {
	if len(body) == 0 || !utf8.Valid(body) {
		return false
	}
	var inner json.RawMessage
	err := (antiphon.JSON{MaxSize: len(body), MaxDepth: textDepth}).Unmarshal(body, &inner)
	return err == nil && len(inner) == len(body)
}

// unknownKind stands for a name that is no kind's.
const unknownKind Kind = 255

// ParseMessageText reads a text envelope. It fails with [ErrMalformed] as
// ParseMessage does.
func ParseMessageText(b []byte, now time.Time) (*Message, error) {
	var t textual
	if !utf8.Valid(b) {
		return nil, malformed("not UTF-8")
	}
	if err := (antiphon.JSON{MaxSize: max(len(b), 1), MaxDepth: textDepth + 1}).Unmarshal(b, &t); err != nil {
		return nil, malformed("no JSON object, or too deep")
	}
	m := &Message{To: t.To, ReplyTo: t.ReplyTo, Seq: t.Seq, Header: t.Header, Body: t.Body}
	for k, name := range kindNames {
		if k > 0 && name == t.Kind {
			m.Kind = Kind(k)
		}
	}
	switch {
	case t.Kind == "":
		return nil, malformed("no kind")
	case t.Body != nil && t.Bytes != nil:
		return nil, malformed("two bodies")
	}
	if m.Kind == 0 {
		m.Kind = unknownKind
	}
	if len(m.Header) == 0 {
		m.Header = nil
	}
	if len(t.Bytes) > 0 {
		m.Body = t.Bytes
	}
	if t.Err != nil && string(t.Err) != "null" {
		m.Err = new(antiphon.Error)
		if !bytes.HasPrefix(t.Err, []byte{'{'}) || json.Unmarshal(t.Err, m.Err) != nil {
			return nil, malformed("the error is none")
		}
	}
	if t.ID != "" && m.ID.UnmarshalText([]byte(t.ID)) != nil {
		return nil, malformed("the id is none")
	}
	if t.Timeout != nil {
		ms := *t.Timeout
		if ms < 0 {
			return nil, malformed("the timeout is none")
		}
		m.Deadline = now.Add(time.Duration(math.Round(min(ms*1000, float64(maxTimeout)))) * time.Microsecond)
	}
	if m.check(0) != nil {
		return nil, malformed("a limit exceeded")
	}
	if err := m.complete(); err != nil {
		return nil, err
	}
	return m, nil
}
