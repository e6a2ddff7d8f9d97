package natscallback

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/nats-io/nats.go"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
)

// What NATS has no field for travels in these headers. All may be missing.
const (
	prefix        = "Antiphon-"
	headerKind    = prefix + "Kind"     // callback.Kind as text, unless it can be seen
	headerID      = prefix + "Id"       // unless it is the end of a subject
	headerReplyTo = prefix + "Reply-To" // unless it is NATS's own
	headerSeq     = prefix + "Seq"
	headerTimeout = prefix + "Timeout" // microseconds that remain
	headerError   = prefix + "Error"   // as JSON
	headerMore    = prefix + "Header"  // name=value, escaped as in a query: what NATS cannot carry as it is
)

// The headers of a server that speaks for itself.
const (
	headerStatus = "Status"
	noResponders = "503"
)

// How responders say that they failed, by the conventions of NATS's own services.
const (
	headerServiceError = "Nats-Service-Error"
	headerServiceCode  = "Nats-Service-Error-Code"
)

// controls is put before the name of what is served, for cancels and credits that
// nobody knows a better address for: a responder that knows nothing of us must not
// take them for requests.
const controls = "_ANTIPHON."

// nobody stands where an id would, in a message without one.
const nobody = "_"

// headroom is what of the server's max_payload is kept for headers.
const headroom = 64 << 10

// maxErrorSize is how many bytes of an error travel whole.
const maxErrorSize = 32 << 10

// An outgoing is a message that is ready to be published.
type outgoing struct {
	msg      *nats.Msg
	kind     callback.Kind
	id       callback.ID
	replyTo  string
	deadline time.Time
	size     int
}

// encode makes the message that is published for m.
func (t *Transport) encode(m *callback.Message) (outgoing, error) {
	o := outgoing{kind: m.Kind, id: m.ID, replyTo: m.ReplyTo, deadline: m.Deadline}
	if err := check(m); err != nil {
		return o, err
	}
	if len(m.Body) > t.caps.MaxBody {
		return o, tooLarge(len(m.Body), t.caps.MaxBody)
	}
	msg := &nats.Msg{Data: m.Body, Header: make(nats.Header, 1+len(m.Header))}
	o.msg = msg
	set := func(k, v string) { msg.Header[k] = []string{v} }
	inSubject := strings.HasSuffix(m.To, ".")
	switch {
	case inSubject:
		msg.Subject = m.To + token(m.ID)
	case m.Kind == callback.Cancel || m.Kind == callback.Credit:
		msg.Subject = controls + m.To
	default:
		msg.Subject = m.To
	}
	inReply := m.Kind == callback.Request && strings.HasSuffix(m.ReplyTo, ".")
	switch {
	case inReply:
		msg.Reply = m.ReplyTo + token(m.ID)
	case m.Kind == callback.Request:
		msg.Reply = m.ReplyTo
	case m.ReplyTo != "":
		set(headerReplyTo, m.ReplyTo)
	}
	if !inSubject && !inReply && !m.ID.IsZero() {
		set(headerID, m.ID.String())
	}
	if m.Seq != 0 {
		set(headerSeq, strconv.FormatUint(uint64(m.Seq), 10))
	}
	if !m.Deadline.IsZero() {
		set(headerTimeout, timeout(m.Deadline, time.Now()))
	}
	if shows := kindOf(inSubject, msg.Reply != ""); m.Kind != shows || !ours(msg.Header) && m.Kind == callback.Request {
		set(headerKind, m.Kind.String())
	}
	if m.Err != nil {
		text, err := encodeError(m.Err)
		if err != nil {
			return o, err
		}
		set(headerError, text)
		if !inSubject { // the asker may be none of us
			set(headerServiceError, m.Err.Message)
			set(headerServiceCode, string(m.Err.Code))
		}
	}
	for k, v := range m.Header {
		if plainName(k) && plainValue(v) {
			msg.Header[k] = []string{v}
		} else {
			msg.Header[headerMore] = append(msg.Header[headerMore], url.QueryEscape(k)+"="+url.QueryEscape(v))
		}
	}
	o.size = sizeOf(msg)
	if limit := t.maxPayload; len(m.Body)+headerSize(msg) > limit {
		return o, tooLarge(len(m.Body)+headerSize(msg), limit)
	}
	return o, nil
}

// kindOf is what a message without a kind is.
func kindOf(inOwnInbox, hasReply bool) callback.Kind {
	switch {
	case inOwnInbox:
		return callback.Reply
	case hasReply:
		return callback.Request
	}
	return callback.Event
}

// ours reports whether a message with the header h was sent by one of us.
func ours(h nats.Header) bool { return h[headerTimeout] != nil || h[headerKind] != nil }

func token(id callback.ID) string {
	if id.IsZero() {
		return nobody
	}
	return id.String()
}

// timeout is how much time remains until deadline. One that is over has none, and
// what is longer than 31 years is as long as that.
func timeout(deadline, now time.Time) string {
	return strconv.FormatInt(min(int64(max(deadline.Sub(now), 0)/time.Microsecond), maxTimeout), 10)
}

const maxTimeout = int64(1e15)

// encodeError writes e as JSON. What would be too long goes without its details, and
// with the beginning of its message.
func encodeError(e *antiphon.Error) (string, error) {
	text, err := json.Marshal(e)
	if err == nil && len(text) > maxErrorSize {
		less := *e
		less.Details = nil
		if len(less.Message) > maxErrorSize/8 {
			less.Message = strings.ToValidUTF8(less.Message[:maxErrorSize/8], "")
		}
		text, err = json.Marshal(&less)
	}
	return string(text), err
}

// check reports what makes m a message that must not travel.
func check(m *callback.Message) error {
	if m.Kind < callback.Request || m.Kind > callback.Pong {
		return misuse("kind", "a message has a kind")
	}
	if err := checkAddress(m.To, false); err != nil {
		return err
	}
	if m.ReplyTo != "" {
		if err := checkAddress(m.ReplyTo, false); err != nil {
			return err
		}
	}
	if len(m.Header) > callback.MaxHeaders {
		return misuse("header", fmt.Sprintf("a header has at most %d entries", callback.MaxHeaders))
	}
	n := 0
	for k, v := range m.Header {
		n += len(k) + len(v)
		if !utf8.ValidString(k) || !utf8.ValidString(v) {
			return misuse("header", "a header is UTF-8")
		}
	}
	if n > callback.MaxHeaderSize {
		return misuse("header", fmt.Sprintf("a header has at most %d bytes", callback.MaxHeaderSize))
	}
	return nil
}

// checkAddress reports what makes s no subject, and with a dot at its end no inbox of
// ours. Only who listens may use wildcards.
func checkAddress(s string, wildcards bool) error {
	if len(s) > callback.MaxAddress {
		return misuse("address", fmt.Sprintf("a name or address has at most %d bytes", callback.MaxAddress))
	}
	start := 0
	for i := 0; i <= len(s); i++ {
		if i < len(s) && s[i] != '.' {
			if s[i] <= ' ' || s[i] == 0x7F {
				return misuse("address", fmt.Sprintf("%q is no subject of NATS: it has spaces", s))
			}
			continue
		}
		switch part := s[start:i]; {
		case part == "" && (i < len(s) || start == 0 || wildcards):
			return misuse("address", fmt.Sprintf("%q is no subject of NATS: a part of it is empty", s))
		case (part == "*" || part == ">") && !wildcards:
			return misuse("address", fmt.Sprintf("%q has wildcards, and nothing can be sent to all that", s))
		}
		start = i + 1
	}
	if !utf8.ValidString(s) {
		return misuse("address", "a name or address is UTF-8")
	}
	return nil
}

// plainName reports whether k may be the name of a NATS header as it is. Those that
// mean something to a server, or to us, may not.
func plainName(k string) bool {
	if k == "" || strings.HasPrefix(k, prefix) || strings.HasPrefix(k, "Nats-") || k == headerStatus || k == "Description" {
		return false
	}
	for i := range len(k) {
		if c := k[i]; c <= ' ' || c >= 0x7F || c == ':' {
			return false
		}
	}
	return true
}

// plainValue reports whether v comes through as it is: neither trimmed nor cut into
// lines.
func plainValue(v string) bool {
	if v != strings.TrimSpace(v) {
		return false
	}
	for i := range len(v) {
		if v[i] < ' ' || v[i] == 0x7F {
			return false
		}
	}
	return true
}

func headerSize(msg *nats.Msg) int {
	n := len("NATS/1.0\r\n\r\n")
	for k, vs := range msg.Header {
		for _, v := range vs {
			n += len(k) + len(v) + len(": \r\n")
		}
	}
	return n + len("1000000000000000") // a timeout is written anew
}

// sizeOf is about what a message weighs while it waits.
func sizeOf(msg *nats.Msg) int {
	return 300 + len(msg.Subject) + len(msg.Reply) + headerSize(msg) + len(msg.Data)
}
