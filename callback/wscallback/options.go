package wscallback

import (
	"net/http"
	"path"
	"slices"
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
	// message on the wire may be 160 KiB larger, in the text form a third and 256
	// KiB; that limit holds for its inflated size, and a connection that exceeds it
	// is dropped before the rest is read. Both ends should have the same.
	MaxBody int
	// Buffer is how many bytes wait to be written: when it is full, Send waits.
	// Requests get half of it, events a quarter. One message of each sort always
	// fits. 0 means 256 KiB.
	Buffer int
	// Inbox is how many bytes of messages wait for Receive: when it is full, no
	// more is read from the connection. One message always fits. 0 means 1 MiB. A
	// callback.Peer takes each message at once, and needs none.
	Inbox int
	// WriteTimeout is how long the network may take for one write, of 64 KiB at
	// most unless Compress is set, before the connection counts as broken. 0 means
	// 30 seconds.
	WriteTimeout time.Duration
	// Heartbeat is how long the other end may be silent before it is pinged, and
	// how long it may then take to answer before the connection counts as broken. 0
	// means 30 seconds. Pings are signs of life, too; the end that dialed waits an
	// eighth longer, so one end pings.
	Heartbeat time.Duration
	// Compress turns on permessage-deflate (RFC 7692) without context takeover.
	Compress bool
	// Resume is for how long a session outlives its connection: the ends remember
	// what they sent until it is acknowledged. Both must want it; the lesser time
	// counts. 0 means that there are no sessions, nor are there in the text form.
	Resume time.Duration
	// ResumeBuffer is how many bytes of that are remembered, the newest: a session
	// whose other end lacks more does not survive. Without a connection, Send takes
	// what fits into it, and then waits. 0 means 1 MiB.
	ResumeBuffer int

	// Header is sent with each request to connect: credentials, for example. Those
	// that expire are better added by the Transport of Client. Dial only.
	Header http.Header
	// Client connects: its Transport decides about proxies, TLS, and whether there
	// is a network at all. nil means http.DefaultClient. Dial only.
	Client *http.Client
	// Backoff is how long to wait before the next attempt to connect again. nil
	// means antiphon.Exponential(100*time.Millisecond, 30*time.Second): full
	// jitter. Attempts are counted from the last connection that lasted 5 seconds.
	// Dial only.
	Backoff antiphon.Backoff
	// ConnectTimeout is how long one attempt to connect may take, or a client to
	// say which session it is for. 0 means 10 seconds.
	ConnectTimeout time.Duration
	// Text asks for the text form of messages. Dial only: a handler speaks both.
	Text bool

	// Authorize is asked before a connection is accepted, also one that is to
	// resume a session: an error refuses it, with status 403, or that of a
	// [*StatusError]. nil accepts everybody. Handler only.
	Authorize func(*http.Request) error
	// Same is asked, after Authorize, before a session that began with a request is
	// resumed by another: whether both come from the same. nil means that knowing
	// the session's id, which has 128 random bits, is enough. Handler only.
	Same func(began, now *http.Request) bool
	// Origins are the hosts, as patterns of path.Match, from whose pages browsers
	// may connect beside the handler's own. Handler only.
	Origins []string
	// MaxConns is how many connections, and sessions without one, a handler has at
	// once; one more is refused with status 503. As many again may be about to say
	// which session they are for. 0 means 16384. Handler only.
	MaxConns int

	// Observer is told of the events listed in the package comment. nil means
	// nobody.
	Observer antiphon.Observer
	// Clock measures all times of ours. nil means the real one.
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

// filled returns the options with their defaults, or says which is wrong.
func (o *Options) filled() (*Options, error) {
	f := new(Options)
	if o != nil {
		*f = *o
	}
	for _, n := range []struct {
		name  string
		value *int
		def   int
	}{
		{"MaxBody", &f.MaxBody, 4 << 20},
		{"Buffer", &f.Buffer, 256 << 10},
		{"Inbox", &f.Inbox, 1 << 20},
		{"ResumeBuffer", &f.ResumeBuffer, 1 << 20},
		{"MaxConns", &f.MaxConns, 16384},
	} {
		if *n.value < 0 {
			return f, negative(n.name)
		}
		set(n.value, n.def)
	}
	for _, d := range []struct {
		name  string
		value *time.Duration
		def   time.Duration
	}{
		{"WriteTimeout", &f.WriteTimeout, 30 * time.Second},
		{"Heartbeat", &f.Heartbeat, 30 * time.Second},
		{"Resume", &f.Resume, 0},
		{"ConnectTimeout", &f.ConnectTimeout, 10 * time.Second},
	} {
		if *d.value < 0 {
			return f, negative(d.name)
		}
		set(d.value, d.def)
	}
	for _, p := range f.Origins {
		if _, err := path.Match(p, ""); err != nil {
			return f, misuse("Options.Origins has a pattern that is none")
		}
	}
	f.Header = f.Header.Clone()
	f.Origins = slices.Clone(f.Origins)
	if f.Backoff == nil {
		f.Backoff = backoff
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

func negative(name string) error { return misuse("Options." + name + " is negative") }

func misuse(text string) error {
	err := antiphon.Errorf(antiphon.CodeInvalidArgument, "wscallback: %s", text)
	err.Class, err.Permanent = antiphon.ClassNotAccepted, true
	return err
}

func (o *Options) compression() websocket.CompressionMode {
	if o.Compress {
		return websocket.CompressionNoContextTakeover
	}
	return websocket.CompressionDisabled
}

// limit is how many bytes a message may have when it is inflated: a body, in the
// text form perhaps as base64, and all that may go with it.
func (o *Options) limit(text bool) int64 {
	if text {
		return int64(o.MaxBody)/3*4 + 256<<10
	}
	return int64(o.MaxBody) + 160<<10
}
