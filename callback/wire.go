package callback

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"time"
	"unicode/utf8"

	"github.com/antiphon-go/antiphon"
)

// The envelope, version 1: how a message is written on wires that have no fields
// of their own. docs/wire.md is its specification, with test vectors.

// Subprotocol names the envelope where a connection negotiates one.
const Subprotocol = "antiphon.v1"

const (
	hasID = 1 << iota
	hasTo
	hasReplyTo
	hasSeq
	hasTimeout
	hasHeader
	hasError
	reserved
)

// maxErrorSize is how many bytes an encoded error may have.
const maxErrorSize = 128 << 10

// AppendMessage appends the binary envelope of m to b; now is what m's deadline is
// measured from. It fails, and appends nothing, if m exceeds a limit.
func AppendMessage(b []byte, m *Message, now time.Time) ([]byte, error) {
	if err := m.check(0); err != nil {
		return b, err
	}
	start := len(b)
	b = append(b, byte(m.Kind), 0)
	var flags byte
	if !m.ID.IsZero() {
		flags |= hasID
		b = append(b, m.ID[:]...)
	}
	if m.To != "" {
		flags |= hasTo
		b = appendString(b, m.To)
	}
	if m.ReplyTo != "" {
		flags |= hasReplyTo
		b = appendString(b, m.ReplyTo)
	}
	if m.Seq != 0 {
		flags |= hasSeq
		b = binary.AppendUvarint(b, uint64(m.Seq))
	}
	if !m.Deadline.IsZero() {
		flags |= hasTimeout
		b = binary.AppendUvarint(b, uint64(max(m.Deadline.Sub(now), 0)/time.Microsecond))
	}
	if len(m.Header) > 0 {
		flags |= hasHeader
		b = binary.AppendUvarint(b, uint64(len(m.Header)))
		for k, v := range m.Header {
			b = appendString(appendString(b, k), v)
		}
	}
	if m.Err != nil {
		flags |= hasError
		text, err := json.Marshal(m.Err)
		if err != nil {
			return b[:start], err
		}
		b = binary.AppendUvarint(b, uint64(len(text)))
		b = append(b, text...)
	}
	b[start+1] = flags
	return append(b, m.Body...), nil
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// ParseMessage reads a binary envelope. The body of the message is part of b. It
// fails with [ErrMalformed] if b is no envelope or exceeds a limit; it allocates
// no more than b is long. A kind that is not known is no error.
func ParseMessage(b []byte, now time.Time) (*Message, error) {
	if len(b) < 2 {
		return nil, malformed("too short")
	}
	m, flags := &Message{Kind: Kind(b[0])}, b[1]
	if flags&reserved != 0 {
		return nil, malformed("unknown flag")
	}
	r := reader{b: b[2:]}
	if flags&hasID != 0 {
		copy(m.ID[:], r.take(len(m.ID)))
	}
	if flags&hasTo != 0 {
		m.To = r.text(MaxAddress)
	}
	if flags&hasReplyTo != 0 {
		m.ReplyTo = r.text(MaxAddress)
	}
	if flags&hasSeq != 0 {
		m.Seq = uint32(r.number(math.MaxUint32))
	}
	if flags&hasTimeout != 0 {
		m.Deadline = now.Add(time.Duration(r.number(math.MaxInt64/int64(time.Microsecond))) * time.Microsecond)
	}
	if flags&hasHeader != 0 {
		n := r.number(MaxHeaders)
		m.Header = make(map[string]string, n)
		size := 0
		for range n {
			k, v := r.text(MaxHeaderSize), r.text(MaxHeaderSize)
			if size += len(k) + len(v); size > MaxHeaderSize {
				r.bad = true
			}
			if r.bad {
				break
			}
			m.Header[k] = v
		}
	}
	if flags&hasError != 0 {
		text := r.take(int(r.number(maxErrorSize)))
		m.Err = new(antiphon.Error)
		if !r.bad && (antiphon.JSON{MaxSize: maxErrorSize}).Unmarshal(text, m.Err) != nil {
			return nil, malformed("error that is none")
		}
	}
	if r.bad {
		return nil, malformed("cut short, or a limit exceeded")
	}
	if len(r.b) > 0 {
		m.Body = r.b
	}
	return m, m.complete()
}

// complete reports what a message of its kind lacks.
func (m *Message) complete() error {
	needsID := m.Kind >= Request && m.Kind <= Credit
	switch {
	case needsID && m.ID.IsZero():
		return malformed("no id")
	case m.Kind == 0:
		return malformed("no kind")
	case m.Kind == Event && m.To == "", m.Kind == Part && m.Seq == 0:
		return malformed("incomplete")
	}
	return nil
}

func malformed(why string) error {
	return antiphon.Errorf(antiphon.CodeInvalidArgument, "%w: %s", ErrMalformed, why)
}

// A reader takes what it reads off b; once bad, it gives nothing.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if r.bad || n > len(r.b) {
		r.bad = true
		return nil
	}
	got := r.b[:n]
	r.b = r.b[n:]
	return got
}

func (r *reader) number(limit int64) uint64 {
	v, n := binary.Uvarint(r.b)
	if r.bad || n <= 0 || v > uint64(limit) {
		r.bad = true
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) text(limit int64) string {
	s := r.take(int(r.number(limit)))
	if !utf8.Valid(s) {
		r.bad = true
	}
	return string(s)
}

// textual is the text form of an envelope, for browsers and for people.
type textual struct {
	Kind    string            `json:"kind"`
	ID      string            `json:"id,omitempty"`
	To      string            `json:"to,omitempty"`
	ReplyTo string            `json:"replyTo,omitempty"`
	Seq     uint32            `json:"seq,omitempty"`
	Timeout *float64          `json:"timeoutMs,omitempty"`
	Header  map[string]string `json:"header,omitempty"`
	Err     *antiphon.Error   `json:"error,omitempty"`
	Bytes   []byte            `json:"bytes,omitempty"`
	Body    json.RawMessage   `json:"body,omitempty"`
}

// AppendMessageText appends the text envelope of m, a JSON object, to b. A body
// that is JSON is a part of it as it stands; any other is base64.
func AppendMessageText(b []byte, m *Message, now time.Time) ([]byte, error) {
	if err := m.check(0); err != nil {
		return b, err
	}
	t := textual{Kind: m.Kind.String(), To: m.To, ReplyTo: m.ReplyTo, Seq: m.Seq, Header: m.Header, Err: m.Err}
	if !m.ID.IsZero() {
		t.ID = m.ID.String()
	}
	if !m.Deadline.IsZero() {
		ms := float64(max(m.Deadline.Sub(now), 0)/time.Microsecond) / 1000
		t.Timeout = &ms
	}
	verbatim := len(m.Body) > 0 && utf8.Valid(m.Body) && json.Valid(m.Body)
	if !verbatim {
		t.Bytes = m.Body
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

// ParseMessageText reads a text envelope. It fails with [ErrMalformed] as
// ParseMessage does.
func ParseMessageText(b []byte, now time.Time) (*Message, error) {
	var t textual
	if err := (antiphon.JSON{MaxSize: max(len(b), 1), MaxDepth: 66}).Unmarshal(b, &t); err != nil {
		return nil, malformed("no JSON object, or too deep")
	}
	m := &Message{To: t.To, ReplyTo: t.ReplyTo, Seq: t.Seq, Header: t.Header, Err: t.Err, Body: t.Body}
	for k, name := range kindNames {
		if k > 0 && name == t.Kind {
			m.Kind = Kind(k)
		}
	}
	switch {
	case t.Kind == "":
		return nil, malformed("no kind")
	case m.Kind == 0:
		m.Kind = 255 // not known
	case t.Body != nil && t.Bytes != nil:
		return nil, malformed("two bodies")
	}
	if t.Bytes != nil {
		m.Body = t.Bytes
	}
	if t.ID != "" && m.ID.UnmarshalText([]byte(t.ID)) != nil {
		return nil, malformed("the id is none")
	}
	if t.Timeout != nil {
		ms := *t.Timeout
		if !(ms >= 0 && ms < math.MaxInt64/1e6) {
			return nil, malformed("the timeout is none")
		}
		m.Deadline = now.Add(time.Duration(ms * 1e6))
	}
	if len(m.To) > MaxAddress || len(m.ReplyTo) > MaxAddress || m.check(0) != nil {
		return nil, malformed("a limit exceeded")
	}
	return m, m.complete()
}
