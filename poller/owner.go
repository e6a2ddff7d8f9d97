package poller

import (
	"strings"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/internal/trace"
)

// OwnerHeader is the name in antiphon.Info.Header under which work finds the owner of its
// operation, as ServerOptions.Owner told it. No request can set it: names of headers have
// no space.
const OwnerHeader = "antiphon owner"

// maxOwner and maxKey are how long both may be, so that together they are a key for any
// store.
const (
	maxOwner = 256
	maxKey   = 255
)

// admit finds out who sends the request. It reports false if that is answered.
func (x *exchange) admit() bool {
	if x.s.opts.Owner == nil {
		return true
	}
	owner, err := x.s.opts.Owner(x.r)
	switch {
	case err == nil && len(owner) <= maxOwner:
		x.owner = owner
		return true
	case err == nil:
		x.refuse(errOwnerTooLong)
	case antiphon.CodeOf(err) == antiphon.CodePermissionDenied:
		x.refuse(errForbidden)
	default:
		x.w.Header().Set("WWW-Authenticate", x.s.opts.Challenge)
		x.refuse(errUnauthenticated)
	}
	return false
}

// mine reports whether who asks may see op.
func (x *exchange) mine(op *antiphon.Operation) bool {
	if x.s.opts.Owner == nil {
		return true
	}
	owner, owned := op.Metadata[OwnerHeader]
	return owned && owner == x.owner
}

// scoped is an idempotency key as the store gets it: one owner's is not another's.
func (x *exchange) scoped(key string) string {
	if key == "" || x.s.opts.Owner == nil {
		return key
	}
	return x.owner + "\n" + key // of which no key has one
}

// unscoped is a key as the client sent it.
func unscoped(info antiphon.Info) antiphon.Info {
	if owner, owned := info.Header[OwnerHeader]; owned {
		info.Key = strings.TrimPrefix(info.Key, owner+"\n")
	}
	return info
}

// carried is what travels with the operation to the work. It may be nil.
func (x *exchange) carried() map[string]string {
	h := trace.Of(x.r.Header)
	put := func(name, value string) {
		if h == nil {
			h = make(map[string]string, 2)
		}
		h[name] = value
	}
	for _, name := range x.s.opts.Headers {
		if v := x.r.Header.Values(name); len(v) > 0 {
			put(name, v[0])
		}
	}
	if x.s.opts.Owner != nil {
		put(OwnerHeader, x.owner)
	}
	return h
}

// shownMetadata is m without what the server has put there: it is for the work.
func (s *Server) shownMetadata(m map[string]string) map[string]string {
	var shown map[string]string
	for name, value := range m {
		if !s.puts(name) {
			if shown == nil {
				shown = make(map[string]string, len(m))
			}
			shown[name] = value
		}
	}
	return shown
}

func (s *Server) puts(name string) bool {
	if name == OwnerHeader || trace.Has(name) {
		return true
	}
	for _, n := range s.opts.Headers {
		if n == name {
			return true
		}
	}
	return false
}
