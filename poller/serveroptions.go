package poller

import (
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/antiphon-go/antiphon"
)

// ServerOptions are the policy and the limits of a [Server]. A zero field means its
// default, and nil options mean all of them. A negative field is a mistake, unless it
// says what it means, and so is a URL that is none: every request is answered with it,
// as 500, and Shutdown returns it.
type ServerOptions struct {
	// Name is what is served, for observers; the Kind of the operations of ServeFunc.
	// Empty means "func" there.
	Name string
	// BaseURL is the absolute URL under which the server is reached, without
	// "/operations". Empty means that of each request: the scheme of its connection, its
	// Host, and its path. What proxies say about themselves (X-Forwarded-Proto and the
	// like) is not believed, so behind one that changes any of these, say it here.
	BaseURL string

	// Inline is how long a request that starts an operation is held, to be answered with
	// the result if there is one by then. Prefer: wait and respond-async change it. 0
	// means 500 ms, negative not at all.
	Inline time.Duration
	// MaxWait bounds what Prefer: wait may ask for. 0 means 60 s.
	MaxWait time.Duration
	// Heartbeat is how often a stream of events says that it is alive. 0 means 15 s.
	Heartbeat time.Duration
	// PollAfter is how long a client is to wait before it looks again at an operation that
	// gives no advice itself, by its age. Nil means half the age, from 500 ms to 30 s.
	PollAfter func(age time.Duration) time.Duration
	// Tombstone is how long an operation that is not kept any more is 410 and not 404.
	// Of what this server has accepted or shown, the latest 65536 are remembered. 0
	// means an hour, negative not at all.
	Tombstone time.Duration

	// MaxBody is how many bytes a request may have. 0 means 1 MiB.
	MaxBody int64
	// MaxHeld is how many requests may be held at once, and event streams be open.
	// Beyond that they are answered at once, and streams with the status. 0 means 16384.
	MaxHeld int

	// Owner tells who sends a request; whose operations it may see are the same
	// owner's, and all others are 404 to it. At most 256 bytes. An error of code
	// permission_denied is 403, any other 401; its text is not shown. Nil means that
	// whoever knows an id may see the operation, and list all of them. Work finds the owner
	// under OwnerHeader.
	Owner func(*http.Request) (string, error)
	// Challenge is the WWW-Authenticate of a 401. Empty means Bearer.
	Challenge string
	// Origins are those whose pages may use the server (CORS), with credentials, such
	// as "https://app.example.com"; "*" are all, without credentials.
	Origins []string
	// Headers are the names of headers that the work finds in antiphon.InfoFrom, in lower
	// case, beside traceparent and tracestate. They are kept with the operation, and not
	// shown.
	Headers []string

	// TTL is how long an operation may take, of ServeFunc. 0 means 24 h.
	TTL time.Duration
	// KeepResults is how long it is known how an operation ended, of ServeFunc. 0 means
	// 24 h.
	KeepResults time.Duration
	// MaxRunning is how many operations ServeFunc does at once; more are not accepted,
	// and answered with 429. 0 means 1024.
	MaxRunning int
	// MaxKept is how many operations that have ended ServeFunc keeps at the most,
	// whatever KeepResults says; the oldest are forgotten first. 0 means 65536.
	MaxKept int
	// MaxResult is how many bytes a result of ServeFunc may have. 0 means 4 MiB.
	MaxResult int64
	// Codec is how requests and results are encoded. Nil means antiphon.JSON{}. Serve
	// uses its ContentType alone.
	Codec antiphon.Codec

	// Observer is told of the events listed in the package comment. May be nil.
	Observer antiphon.Observer
	// Clock is the source of time. Nil means the real one.
	Clock clock.Clock
}

// configure fills the defaults in, and reports what cannot be meant.
func (o *ServerOptions) configure() error {
	for _, f := range []struct {
		name  string
		value *time.Duration
		def   time.Duration
		none  bool // negative means none
	}{
		{"Inline", &o.Inline, 500 * time.Millisecond, true},
		{"MaxWait", &o.MaxWait, time.Minute, false},
		{"Heartbeat", &o.Heartbeat, 15 * time.Second, false},
		{"Tombstone", &o.Tombstone, time.Hour, true},
		{"TTL", &o.TTL, 24 * time.Hour, false},
		{"KeepResults", &o.KeepResults, 24 * time.Hour, false},
	} {
		if err := orDefault(f.name, f.value, f.def, f.none); err != nil {
			return err
		}
	}
	for _, f := range []struct {
		name  string
		value *int
		def   int
	}{
		{"MaxHeld", &o.MaxHeld, 16384},
		{"MaxRunning", &o.MaxRunning, 1024},
		{"MaxKept", &o.MaxKept, 1 << 16},
	} {
		if err := orDefault(f.name, f.value, f.def, false); err != nil {
			return err
		}
	}
	for _, f := range []struct {
		name  string
		value *int64
		def   int64
	}{
		{"MaxBody", &o.MaxBody, 1 << 20},
		{"MaxResult", &o.MaxResult, 4 << 20},
	} {
		if err := orDefault(f.name, f.value, f.def, false); err != nil {
			return err
		}
		*f.value = min(*f.value, math.MaxInt32)
	}
	if o.BaseURL = strings.TrimRight(o.BaseURL, "/"); o.BaseURL != "" {
		if u, err := url.Parse(o.BaseURL); err != nil || !u.IsAbs() || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
			return badServer("ServerOptions.BaseURL is no absolute URL, or has more than a path")
		}
	}
	if o.Challenge == "" {
		o.Challenge = "Bearer"
	}
	if o.Codec == nil {
		o.Codec = antiphon.JSON{MaxSize: int(max(o.MaxBody, o.MaxResult))}
	}
	if o.Clock == nil {
		o.Clock = clock.New()
	}
	o.Origins = slices.Clone(o.Origins)
	return nil
}

func orDefault[N int | int64 | time.Duration](name string, value *N, def N, none bool) error {
	switch {
	case *value < 0 && none:
		*value = 0
	case *value < 0:
		return badServer("ServerOptions." + name + " is negative")
	case *value == 0:
		*value = def
	}
	return nil
}
