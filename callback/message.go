package callback

import (
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/antiphon-go/antiphon"
)

// A Kind says what a message is for. Its values are those on the wire; see
// docs/wire.md.
type Kind uint8

// The kinds. What else comes is ignored and observed.
const (
	Request  Kind = 1 // asks for an answer; Seq is the credit of a stream's asker, or 0
	Reply    Kind = 2 // the answer, and the end of a stream; Seq is the number of its parts
	Part     Kind = 3 // one of many answers; Seq counts from 1
	Progress Kind = 4 // how far the work has come; Seq counts from 1
	Cancel   Kind = 5 // the asker has given up
	Credit   Kind = 6 // the asker has room; Seq is how many parts it has allowed in all
	Event    Kind = 7 // needs no answer
	Ping     Kind = 8 // are you there?
	Pong     Kind = 9 // yes
)

var kindNames = [...]string{"", "request", "reply", "part", "progress", "cancel", "credit", "event", "ping", "pong"}

// String returns the kind's name on the wire's text form, such as "request".
func (k Kind) String() string {
	if int(k) < len(kindNames) && k > 0 {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// answers reports whether a message of kind k is for an asker.
func (k Kind) answers() bool { return k >= Reply && k <= Progress }

// A Message is what travels.
//
// Ownership: whoever has a message owns it whole, with its header and body, and
// loses it by sending it.
type Message struct {
	Kind Kind
	// ID is the correlation id: of the request, and of all that belongs to it.
	// Zero for events, pings and pongs.
	ID ID
	// To is the address: of a request or event the name of what is served, else
	// the ReplyTo of whom it is for.
	To string
	// ReplyTo is where answers go, opaque and chosen by the asker's transport.
	// Empty on point-to-point wires.
	ReplyTo string
	// Seq is as its kind says.
	Seq uint32
	// Deadline is when nobody is interested in the message any more; zero for
	// never. It travels as the time that remains.
	Deadline time.Time
	// Header is what travels along, trace context for example. May be nil.
	Header map[string]string
	// Err says that a Reply is a failure.
	Err *antiphon.Error
	// Body is the encoded value.
	Body []byte
}

// Limits of every wire. What exceeds them is refused by whoever sends it and is
// malformed to whoever receives it.
const (
	MaxHeaders    = 64       // entries in a header
	MaxHeaderSize = 16 << 10 // bytes of all names and values of a header
	MaxAddress    = 512      // bytes of To, and of ReplyTo
)

// ErrMalformed: what was received is no message, or exceeds a limit. Of class not
// accepted.
var ErrMalformed error = &antiphon.Error{
	Code:    antiphon.CodeInvalidArgument,
	Class:   antiphon.ClassNotAccepted,
	Reason:  "callback.malformed",
	Message: "callback: malformed message",
}

// A lane is what of a message's kind decides over who goes first.
type lane uint8

const (
	control  lane = iota // answers and what belongs to running requests
	requests             // what starts work
	events               // what may be late or dropped
	lanes
)

func laneOf(k Kind) lane {
	switch k {
	case Request:
		return requests
	case Event:
		return events
	}
	return control
}

// size is about what a message weighs while it waits.
func (m *Message) size() int {
	n := 200 + len(m.To) + len(m.ReplyTo) + len(m.Body)
	for k, v := range m.Header {
		n += len(k) + len(v) + 32
	}
	if m.Err != nil {
		n += len(m.Err.Message) + 100
	}
	return n
}

// check reports what makes a message that is to be sent unsendable.
func (m *Message) check(maxBody int) error {
	switch {
	case len(m.To) > MaxAddress || len(m.ReplyTo) > MaxAddress:
		return misuse("address", fmt.Sprintf("a name or address has at most %d bytes", MaxAddress))
	case !utf8.ValidString(m.To) || !utf8.ValidString(m.ReplyTo):
		return misuse("address", "a name or address is UTF-8")
	case maxBody > 0 && len(m.Body) > maxBody:
		return antiphon.Errorf(antiphon.CodeResourceExhausted, "callback: %d bytes of body, of at most %d: %w", len(m.Body), maxBody, antiphon.ErrTooLarge)
	case m.Header == nil:
		return nil
	case len(m.Header) > MaxHeaders:
		return misuse("header", fmt.Sprintf("a header has at most %d entries", MaxHeaders))
	}
	n := 0
	for k, v := range m.Header {
		n += len(k) + len(v)
		if !utf8.ValidString(k) || !utf8.ValidString(v) {
			return misuse("header", "a header is UTF-8")
		}
	}
	if n > MaxHeaderSize {
		return misuse("header", fmt.Sprintf("a header has at most %d bytes", MaxHeaderSize))
	}
	return nil
}
