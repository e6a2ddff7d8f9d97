package poller

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/url"

	"github.com/antiphon-go/antiphon"
)

// ErrToken: what Resume was given is no token of the operation that it was asked to
// follow. Nothing was asked for. Its class is that of not accepted.
var ErrToken error = &antiphon.Error{
	Code:      antiphon.CodeInvalidArgument,
	Class:     antiphon.ClassNotAccepted,
	Reason:    "poller.token",
	Message:   "poller: not a token of this operation",
	Permanent: true,
}

const (
	tokenVersion = 1
	maxToken     = 32 << 10
)

// A ticket is what a token says.
type ticket struct {
	Version int    `json:"v"`
	Kind    string `json:"k"`
	Style   string `json:"s"`
	Method  string `json:"m"`
	Start   string `json:"a"`
	URL     string `json:"u"`
	Result  string `json:"r,omitempty"`
	Fetch   string `json:"f,omitempty"`
	Via     string `json:"w,omitempty"`
	ID      string `json:"i,omitempty"`
	Seen    bool   `json:"e,omitempty"`
	Last    int64  `json:"l,omitempty"`
}

// token writes down how far m is. What redeem would not take, it does not write.
func (m *monitor) token() string {
	m.mu.Lock()
	at := m.now
	m.mu.Unlock()
	text := func(u *url.URL) string {
		if u == nil {
			return ""
		}
		return u.String()
	}
	data, err := json.Marshal(ticket{tokenVersion, m.Kind, at.style, at.method, text(at.start), text(at.url),
		text(at.result), text(at.fetch), at.via, at.id, at.seen, at.last})
	if err != nil || base64.RawURLEncoding.EncodedLen(len(data)) > maxToken {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(data)
}

// redeem reads a token. Its errors do not quote it.
func (c *caller) redeem(token string) (at ref, err error) {
	if len(token) > maxToken {
		return at, wrongToken("it is too long")
	}
	data, err := base64.RawURLEncoding.Strict().DecodeString(token)
	var t ticket
	if err != nil || json.Unmarshal(data, &t) != nil {
		return at, wrongToken("it cannot be read")
	}
	switch {
	case t.Version != tokenVersion:
		return at, wrongToken("it is of another version of this package")
	case t.Kind != c.Kind:
		return at, wrongToken("it is of another kind of operation")
	case t.Style != styleStatus && t.Style != styleLocation && t.Style != styleAIP:
		return at, wrongToken("it is of a style that is not known")
	case t.Start == "" || t.URL == "":
		return at, wrongToken("there is no URL in it")
	}
	at = ref{style: t.Style, method: t.Method, via: t.Via, id: t.ID, seen: t.Seen, last: max(t.Last, 0)}
	if at.start, err = url.Parse(t.Start); err != nil {
		return at, wrongToken("it cannot be read")
	}
	at.home = originOf(at.start)
	for _, u := range [...]struct {
		at   **url.URL
		text string
	}{{&at.start, t.Start}, {&at.url, t.URL}, {&at.result, t.Result}, {&at.fetch, t.Fetch}} {
		if u.text == "" {
			continue
		}
		if *u.at, err = url.Parse(u.text); err != nil || c.allowed(at.home, *u.at) != nil {
			return at, wrongToken("there is a URL in it that may not be asked")
		}
	}
	return at, nil
}

func wrongToken(why string) error {
	return antiphon.Errorf(antiphon.CodeInvalidArgument, "%w: %s", ErrToken, why)
}

// Resume follows the operation of a [Remote.Token] further, after a restart, say, until
// ctx ends. The options are those of the start; with others than the token's Kind, or a
// token that is none, it fails with [ErrToken] before anything is asked.
//
// Whoever can make a token decides which URLs are asked, and which origin is sent the
// credentials: take it from nobody but yourself.
func Resume[R any](ctx context.Context, token string, o *HTTPOptions) (*Remote[R], error) {
	if ctx == nil {
		ctx = context.Background()
	}
	c, err := newCaller(o, typeName[R]())
	if err != nil {
		return nil, err
	}
	at, err := c.redeem(token)
	if err != nil {
		return nil, err
	}
	return followed[R](ctx, c.watch(at, antiphon.Operation{ID: at.id, Version: at.last})), nil
}
