package callback

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"slices"
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

// maxTimeout is the longest time that travels, some 31 years: in JavaScript's
// numbers it is still exact to the microsecond.
const maxTimeout = int64(1e15)

// AppendMessage appends the binary envelope of m to b; now is what m's deadline is
// measured from. Equal messages have equal envelopes. It fails, and appends
// nothing, if m exceeds a limit or lacks what its kind needs.
func AppendMessage(b []byte, m *Message, now time.Time) ([]byte, error) {
	if err := m.sendable(); err != nil {
		return b, err
	}
	var text []byte
	if m.Err != nil {
		var err error
		if text, err = encodeError(m.Err); err != nil {
			return b, err
		}
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
		b = binary.AppendUvarint(b, uint64(timeout(m.Deadline, now)))
	}
	if len(m.Header) > 0 {
		flags |= hasHeader
		b = appendHeader(b, m.Header)
	}
	if m.Err != nil {
		flags |= hasError
		b = binary.AppendUvarint(b, uint64(len(text)))
		b = append(b, text...)
	}
	b[start+1] = flags
	return append(b, m.Body...), nil
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// appendHeader writes the entries in the order of their names.
func appendHeader(b []byte, h map[string]string) []byte {
	var room [MaxHeaders]string
	names := room[:0]
	for k := range h {
		names = append(names, k)
	}
	if len(names) > 1 {
		slices.Sort(names)
	}
	b = binary.AppendUvarint(b, uint64(len(names)))
	for _, k := range names {
		b = appendString(appendString(b, k), h[k])
	}
	return b
}

// encodeError writes e as JSON. What would be too long, for its quotes and control
// characters count six times, goes without its details.
func encodeError(e *antiphon.Error) ([]byte, error) {
	text, err := json.Marshal(e)
	if err == nil && len(text) > maxErrorSize {
		less := *e
		less.Details = nil
		text, err = json.Marshal(&less)
	}
	return text, err
}

// timeout is how many microseconds remain until deadline.
func timeout(deadline, now time.Time) int64 {
	return min(int64(max(deadline.Sub(now), 0)/time.Microsecond), maxTimeout)
}

// ParseMessage reads a binary envelope. The body of the message is part of b. It
// fails with [ErrMalformed] if b is no envelope, exceeds a limit, or lacks what its
// kind needs; what it allocates is at most a small multiple of the length of b. A
// kind that is not known is no error.
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
		m.Deadline = now.Add(time.Duration(min(r.number(math.MaxUint64), uint64(maxTimeout))) * time.Microsecond)
	}
	if flags&hasHeader != 0 {
		m.Header = r.header()
	}
	if flags&hasError != 0 {
		text := r.take(int(r.number(maxErrorSize)))
		m.Err = new(antiphon.Error)
		if !r.bad && (!bytes.HasPrefix(text, []byte{'{'}) || (antiphon.JSON{MaxSize: maxErrorSize}).Unmarshal(text, m.Err) != nil) {
			return nil, malformed("the error is none")
		}
	}
	if r.bad {
		return nil, malformed("cut short, or a limit exceeded")
	}
	if len(r.b) > 0 {
		m.Body = r.b
	}
	if err := m.complete(); err != nil {
		return nil, err
	}
	return m, nil
}

// sendable reports what makes m no envelope that the other end would accept.
func (m *Message) sendable() error {
	if err := m.check(0); err != nil {
		return err
	}
	return m.complete()
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

func (r *reader) number(limit uint64) uint64 {
	v, n := binary.Uvarint(r.b)
	if r.bad || n <= 0 || v > limit {
		r.bad = true
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) text(limit uint64) string {
	s := r.take(int(r.number(limit)))
	if !utf8.Valid(s) {
		r.bad = true
	}
	return string(s)
}

// header reads entries, no two of one name. An entry takes two bytes at least, so a
// number of them that b cannot hold costs nothing.
func (r *reader) header() map[string]string {
	n := r.number(MaxHeaders)
	if n > uint64(len(r.b)/2) {
		r.bad = true
	}
	if r.bad || n == 0 {
		return nil
	}
	h, size := make(map[string]string, n), 0
	for range n {
		k, v := r.text(MaxHeaderSize), r.text(MaxHeaderSize)
		if size += len(k) + len(v); size > MaxHeaderSize {
			r.bad = true
		}
		if _, twice := h[k]; twice || r.bad {
			r.bad = true
			return nil
		}
		h[k] = v
	}
	return h
}
