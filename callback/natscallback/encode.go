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
	headerID      = prefix + "Id"       // unless it is in a subject
	headerReplyTo = prefix + "Reply-To" // unless it is NATS's own
	headerSeq     = prefix + "Seq"
	headerTimeout = prefix + "Timeout" // microseconds that remain, unless they are in a subject
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

// The last token of an address of ours is an id, and after one of these the time that
// remains, in microseconds, or nothing if that has no end. So neither a question nor its
// answer needs a header, which costs as much as all the rest.
const (
	asking    = "~" // in the reply subject of a request, which a plain responder sends back
	answering = "!" // in the subject of what comes back from one of us
)

// An outgoing is a message that is ready to be published.
type outgoing struct {
	*callback.Message
	header nats.Header // nil if there is none
	size   int
}

// encode checks m, and makes its header.
func (t *Transport) encode(m *callback.Message) (outgoing, error) {
	o := outgoing{Message: m}
	if err := check(m); err != nil {
		return o, err
	}
	if len(m.Body) > t.caps.MaxBody {
		return o, tooLarge(len(m.Body), t.caps.MaxBody)
	}
	set := func(k, v string) {
		if o.header == nil {
			o.header = make(nats.Header, 4)
		}
		o.header[k] = append(o.header[k], v)
	}
	toOwn, fromOwn := o.toOwn(), o.fromOwn()
	if m.Kind != kindOf(toOwn, m.Kind == callback.Request && m.ReplyTo != "") {
		set(headerKind, m.Kind.String())
	}
	if m.Kind != callback.Request && m.ReplyTo != "" {
		set(headerReplyTo, m.ReplyTo)
	}
	if !toOwn && !fromOwn {
		if !m.ID.IsZero() {
			set(headerID, m.ID.String())
		}
		if !m.Deadline.IsZero() {
			set(headerTimeout, "") // which is known when it leaves
		}
	}
	if m.Seq != 0 {
		set(headerSeq, strconv.FormatUint(uint64(m.Seq), 10))
	}
	if m.Err != nil {
		text, err := encodeError(m.Err)
		if err != nil {
			return o, err
		}
		set(headerError, text)
		if !toOwn { // the asker may be none of us
			set(headerServiceError, beginning(m.Err.Message))
			set(headerServiceCode, beginning(string(m.Err.Code)))
		}
	}
	for k, v := range m.Header {
		if plainName(k) && plainValue(v) {
			set(k, v)
		} else {
			set(headerMore, url.QueryEscape(k)+"="+url.QueryEscape(v))
		}
	}
	size := headerSize(o.header)
	o.size = weight(len(m.To)+len(m.ReplyTo), size, len(m.Body))
	if limit := t.maxPayload; len(m.Body)+size > limit {
		return o, tooLarge(len(m.Body)+size, limit)
	}
	return o, nil
}

// toOwn reports whether o goes to an inbox that nobody else has.
func (o *outgoing) toOwn() bool { return strings.HasSuffix(o.To, ".") }

// fromOwn reports whether o is a request whose answers go to such an inbox.
func (o *outgoing) fromOwn() bool {
	return o.Kind == callback.Request && strings.HasSuffix(o.ReplyTo, ".")
}

// subjects returns where o is published, and the reply subject.
func (o *outgoing) subjects(now time.Time) (subject, reply string) {
	switch {
	case o.toOwn():
		subject = o.address(o.To, answering, now)
	case o.Kind == callback.Cancel || o.Kind == callback.Credit:
		subject = controls + o.To
	default:
		subject = o.To
	}
	switch {
	case o.fromOwn():
		reply = o.address(o.ReplyTo, asking, now)
	case o.Kind == callback.Request:
		reply = o.ReplyTo
	}
	return subject, reply
}

// address is the subject for the message in an inbox that nobody else has.
func (o *outgoing) address(inbox string, mark string, now time.Time) string {
	var room [128]byte
	b := append(room[:0], inbox...)
	if o.ID.IsZero() {
		b = append(b, nobody...)
	} else {
		b, _ = o.ID.AppendText(b) // which never fails
	}
	switch {
	case !o.Deadline.IsZero():
		b = appendTimeout(append(b, mark...), o.Deadline, now)
	case mark == asking:
		b = append(b, mark...)
	}
	return string(b)
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

// appendTimeout writes how much time remains until deadline. One that is over has none,
// and what is longer than 31 years is as long as that.
func appendTimeout(b []byte, deadline, now time.Time) []byte {
	return strconv.AppendInt(b, min(int64(max(deadline.Sub(now), 0)/time.Microsecond), maxTimeout), 10)
}

const maxTimeout = int64(1e15)

// encodeError writes e as JSON. What would be too long goes without its details, and
// with the beginning of its message.
func encodeError(e *antiphon.Error) (string, error) {
	text, err := json.Marshal(e)
	if err == nil && len(text) > maxErrorSize {
		less := *e
		less.Details = nil
		less.Message = beginning(less.Message)
		text, err = json.Marshal(&less)
	}
	return string(text), err
}

// beginning is as much of a text as travels where all of it would be too long.
func beginning(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), maxErrorSize/8)], "")
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
// ours. Only who listens may use wildcards: one that is none to the server, which
// nats.go does not find, costs the connection.
func checkAddress(s string, wildcards bool) error {
	if len(s) > callback.MaxAddress {
		return misuse("address", fmt.Sprintf("a name or address has at most %d bytes", callback.MaxAddress))
	}
	start, ascii := 0, true
	for i := 0; i <= len(s); i++ {
		if i < len(s) && s[i] != '.' {
			if s[i] <= ' ' || s[i] == 0x7F {
				return misuse("address", fmt.Sprintf("%q is no subject of NATS: it has spaces", s))
			}
			ascii = ascii && s[i] < utf8.RuneSelf
			continue
		}
		switch part := s[start:i]; {
		case part == "" && (i < len(s) || start == 0 || wildcards):
			return misuse("address", fmt.Sprintf("%q is no subject of NATS: a part of it is empty", s))
		case (part == "*" || part == ">") && !wildcards:
			return misuse("address", fmt.Sprintf("%q has wildcards, and nothing can be sent to all that", s))
		case part == ">" && i < len(s):
			return misuse("address", fmt.Sprintf("%q is no subject of NATS: > stands at the end", s))
		}
		start = i + 1
	}
	if !ascii && !utf8.ValidString(s) {
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

func headerSize(h nats.Header) int {
	if len(h) == 0 {
		return 0
	}
	n := len("NATS/1.0\r\n\r\n") + len("1000000000000000") // for a timeout
	for k, vs := range h {
		for _, v := range vs {
			n += len(k) + len(v) + len(": \r\n")
		}
	}
	return n
}

// weight is about what a message weighs while it waits.
func weight(addresses, header, body int) int { return 300 + addresses + header + body }
