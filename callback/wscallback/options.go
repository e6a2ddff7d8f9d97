package wscallback

import (
	"errors"
	"net/http"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/coder/websocket"

	"github.com/antiphon-go/antiphon"
)

// Options are the limits of a connection. A zero field means its default, nil
// options mean all of them; a negative field is an error of [Dial], and of every
// request to a [Handler].
type Options struct {
	// MaxBody is how many bytes a body may have, either way. 0 means 4 MiB. A
	// message on the wire may be 64 KiB larger; that limit holds for its inflated
	// size, and a connection that exceeds it is dropped before it is read.
	MaxBody int
	// Buffer is how many bytes wait to be written: when it is full, Send waits.
	// Requests get half of it, events a quarter. One message always fits. 0 means
	// 256 KiB.
	Buffer int
	// Inbox is how many bytes of messages wait to be received: when it is full,
	// no more is read from the connection. One message always fits. 0 means 1 MiB.
	Inbox int
	// WriteTimeout is how long the network may take for one write before the
	// connection counts as broken. 0 means 30 seconds.
	WriteTimeout time.Duration
	// Heartbeat is how often the other end is pinged, and how long it may take to
	// answer before the connection counts as broken. 0 means 30 seconds.
	Heartbeat time.Duration
	// Compress turns on permessage-deflate (RFC 7692) without context takeover.
	Compress bool
	// Resume is for how long a session outlives its connection: the ends remember
	// what they sent until it is acknowledged. Both must want it; the lesser time
	// counts. 0 means that there are no sessions.
	Resume time.Duration
	// ResumeBuffer is how many bytes of that are remembered: a session that would
	// need more does not survive. 0 means 1 MiB.
	ResumeBuffer int

	// Header is sent with the request to connect: credentials, for example. Dial
	// only.
	Header http.Header
	// Client connects. nil means http.DefaultClient. Dial only.
	Client *http.Client
	// Backoff is how long to wait before the next attempt to connect again. nil
	// means antiphon.Exponential(100*time.Millisecond, 30*time.Second): full
	// jitter. Dial only.
	Backoff antiphon.Backoff
	// ConnectTimeout is how long one attempt to connect may take. 0 means 10
	// seconds. Dial only.
	ConnectTimeout time.Duration
	// Text asks for the text form of messages. Dial only: a handler speaks both.
	Text bool

	// Authorize is asked before a connection is accepted: an error refuses it,
	// with status 403, or that of a [*StatusError]. nil accepts everybody.
	// Handler only.
	Authorize func(*http.Request) error
	// Origins are the hosts, as patterns of path.Match, from whose pages browsers
	// may connect beside the handler's own. Handler only.
	Origins []string
	// MaxConns is how many connections, and sessions without one, a handler has at
	// once; one more is refused with status 503. 0 means 16384. Handler only.
	MaxConns int

	// Observer is told of ws.connected, ws.disconnected (with Err), ws.resumed, and
	// ws.retry (an attempt to connect failed with Err; the next comes after
	// Duration). nil means nobody.
	Observer antiphon.Observer
	// Clock measures Heartbeat, Resume and the waits between attempts. nil means
	// the real one.
	Clock clock.Clock
}

// A StatusError refuses a connection with a status of its own.
type StatusError struct {
	Status int    // such as http.StatusUnauthorized
	Text   string // told to the client; empty means http.StatusText(Status)
}

// Error returns the text.
func (e *StatusError) Error() string {
	if e.Text != "" {
		return e.Text
	}
	return http.StatusText(e.Status)
}

var errOptions = errors.New("wscallback: an option is negative")

func (o *Options) filled() (Options, error) {
	var f Options
	if o != nil {
		f = *o
	}
	for _, n := range []*int{&f.MaxBody, &f.Buffer, &f.Inbox, &f.ResumeBuffer, &f.MaxConns} {
		if *n < 0 {
			return f, errOptions
		}
	}
	for _, d := range []*time.Duration{&f.WriteTimeout, &f.Heartbeat, &f.Resume, &f.ConnectTimeout} {
		if *d < 0 {
			return f, errOptions
		}
	}
	set(&f.MaxBody, 4<<20)
	set(&f.Buffer, 256<<10)
	set(&f.Inbox, 1<<20)
	set(&f.ResumeBuffer, 1<<20)
	set(&f.MaxConns, 16384)
	set(&f.WriteTimeout, 30*time.Second)
	set(&f.Heartbeat, 30*time.Second)
	set(&f.ConnectTimeout, 10*time.Second)
	if f.Backoff == nil {
		f.Backoff = antiphon.Exponential(100*time.Millisecond, 30*time.Second)
	}
	if f.Clock == nil {
		f.Clock = clock.New()
	}
	return f, nil
}

func set[T comparable](field *T, def T) {
	var zero T
	if *field == zero {
		*field = def
	}
}

func (o *Options) compression() websocket.CompressionMode {
	if o.Compress {
		return websocket.CompressionNoContextTakeover
	}
	return websocket.CompressionDisabled
}

// slack is how much larger than its body a message on the wire may be.
const slack = 64 << 10
