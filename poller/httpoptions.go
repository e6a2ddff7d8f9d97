package poller

import (
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/antiphon-go/antiphon"
)

// HTTPOptions say how to follow an operation over HTTP. A zero field means its default,
// and nil options mean all of them.
//
// The operation's own origin, to which credentials go, is that of the URL of its start:
// scheme, host and port.
type HTTPOptions struct {
	// Poll is how often and how long to ask. Its PerPoll bounds each request (0 means
	// 30 s), but for streams of events; its Error, MaxErrors and Retryable also bound
	// how often a start is repeated that was not answered. Name defaults to Kind.
	Poll *Options
	// Scheduler is what follows. Nil means one for each operation. A request that a
	// server holds (see LongPoll) takes one of Scheduler.Concurrency as long as it is held.
	Scheduler *Scheduler
	// Client makes the requests. Nil means http.DefaultClient. It is neither changed nor
	// closed; redirects are followed by the rules of this package, not by
	// Client.CheckRedirect. What another origin is asked is without Client.Jar.
	Client *http.Client
	// Header is sent with every request to the operation's own origin, the start too,
	// where the request has no such header yet.
	Header http.Header
	// Authorize prepares each request to the operation's own origin, and no other. It
	// is called again, once, for one that was answered 401 or 403. An error of it is
	// one of the request.
	Authorize func(r *http.Request, again bool) error
	// AllowHost tells whether to follow a pointer to another origin, or from https to
	// http. Neither Header nor Authorize go there. Nil means no.
	AllowHost func(u *url.URL) bool
	// Codec encodes requests and decodes results. Nil means antiphon.JSON, within
	// MaxResult.
	Codec antiphon.Codec
	// MaxStatus and MaxResult are how many bytes a status, or an event, and a result may
	// have, when they are inflated. 0 means 1 MiB and 32 MiB.
	MaxStatus, MaxResult int64
	// LongPoll is how long a server is asked to hold a request until there is news
	// (Prefer: wait). 0 means 25 s, less if PerPoll or Client.Timeout needs it; negative
	// means not to ask for it.
	LongPoll time.Duration
	// Grace is how long the operation may be not found before it was seen for the first
	// time, for servers whose copies do not agree. 0 means 10 s, negative none.
	Grace time.Duration
	// Kind is what the operation is called, and part of its token. Empty means the name
	// of the type of the result.
	Kind string
	// Final says where the result is, in the words of Azure's final-state-via:
	// azure-async-operation or operation-location (in the status, or the status itself),
	// location (what Location named), original-uri (what was asked first). Empty means
	// what the status holds; else its resourceLocation; else what Location named; else,
	// for PUT and PATCH, what was asked first.
	Final string
	// OperationURL makes the URL of an operation in the style of AIP-151 of its name; if
	// it is set, every start is answered in that style. Nil means that a name such as
	// operations/7 is found at the origin of the start, under the version that its path
	// begins with, if it does: /v1/operations/7.
	OperationURL func(start *url.URL, name string) (*url.URL, error)
}

// A caller makes the requests of operations that have the same options.
type caller struct {
	HTTPOptions
	pace   Options
	clock  clock.Clock
	own    *http.Client // for the operation's own origin
	alien  *http.Client // for the others
	jsonly bool         // results are JSON
}

// newCaller fills the defaults in. kind is the default of Kind.
func newCaller(o *HTTPOptions, kind string) (*caller, error) {
	c := new(caller)
	if o != nil {
		c.HTTPOptions = *o
	}
	if c.Poll != nil {
		c.pace = *c.Poll
	}
	c.Header = make(http.Header, len(c.Header))
	if o != nil {
		for name, values := range o.Header {
			c.Header[http.CanonicalHeaderKey(name)] = slices.Clone(values)
		}
	}
	if c.Kind == "" {
		c.Kind = kind
	}
	if c.pace.Name == "" {
		c.pace.Name = c.Kind
	}
	if c.MaxStatus <= 0 {
		c.MaxStatus = 1 << 20
	}
	if c.MaxResult <= 0 {
		c.MaxResult = 32 << 20
	}
	if c.Codec == nil {
		c.Codec = antiphon.JSON{MaxSize: int(min(c.MaxResult, 1<<31-1))}
	}
	c.jsonly = isJSON(c.Codec.ContentType())
	if c.pace.PerPoll == 0 {
		c.pace.PerPoll = 30 * time.Second
	}
	if c.Grace == 0 {
		c.Grace = 10 * time.Second
	}
	if c.pace.Clock == nil {
		c.pace.Clock = clock.New()
	}
	c.clock = c.pace.Clock
	if c.Client == nil {
		c.Client = http.DefaultClient
	}
	own, alien := *c.Client, *c.Client
	own.CheckRedirect = dontRedirect
	alien.CheckRedirect, alien.Jar = dontRedirect, nil
	c.own, c.alien = &own, &alien
	c.limitWait()
	switch c.Final {
	case "", viaAzure, viaOperation, viaLocation, viaOriginal:
		return c, nil
	}
	return nil, misused("final", "HTTPOptions.Final is none of the words it knows")
}

// limitWait makes LongPoll fit into the time that a request may take.
func (c *caller) limitWait() {
	if c.LongPoll == 0 {
		c.LongPoll = 25 * time.Second
	}
	for _, limit := range [...]time.Duration{c.pace.PerPoll, c.Client.Timeout} {
		if limit > 0 {
			c.LongPoll = min(c.LongPoll, limit/6*5)
		}
	}
}

func dontRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func misused(reason, text string) *antiphon.Error {
	return &antiphon.Error{
		Code:      antiphon.CodeInvalidArgument,
		Class:     antiphon.ClassNotAccepted,
		Reason:    "poller." + reason,
		Message:   "poller: " + text,
		Permanent: true,
	}
}
