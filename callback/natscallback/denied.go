package natscallback

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
)

// A denial is what a server says that it does not allow.
type denial struct {
	listen  bool // or to send
	subject string
	group   string
}

func denialOf(err error) (d denial, ok bool) {
	if !errors.Is(err, nats.ErrPermissionViolation) {
		return d, false
	}
	_, what, _ := strings.Cut(err.Error(), "Permissions Violation for ")
	if what, d.listen = strings.CutPrefix(what, "Subscription to "); !d.listen {
		if what, ok = strings.CutPrefix(what, "Publish to "); !ok {
			return d, false
		}
	}
	d.subject, what, ok = unquote(what)
	if what, grouped := strings.CutPrefix(what, " using queue "); ok && grouped {
		d.group, _, ok = unquote(what)
	}
	return d, ok
}

func unquote(text string) (s, rest string, ok bool) {
	quoted, err := strconv.QuotedPrefix(text)
	if err != nil {
		return "", "", false
	}
	s, err = strconv.Unquote(quoted)
	return s, text[len(quoted):], err == nil
}

// denied ends what the server does not allow.
func (t *Transport) denied(err error) {
	d, ok := denialOf(err)
	if !ok {
		return
	}
	if !d.listen {
		t.deniedSend(d, err)
		return
	}
	t.mu.Lock()
	all := t.all()
	t.mu.Unlock()
	for _, in := range all {
		if in.is(d) {
			t.observe(antiphon.Event{Name: "nats.denied", Kind: d.subject, Err: err})
			in.fail(forbidden(err))
		}
	}
}

// is reports whether it is in that is not allowed.
func (in *inbox) is(d denial) bool {
	return d.listen && in.group == d.group && slices.Contains(in.subjects(), d.subject)
}

// refused returns the error if the last of the connection says that in is not allowed,
// or one too many, and was another before. If yet another has come since, in ends when
// the ear hears.
func (in *inbox) refused(before error) error {
	last := in.t.nc.LastError()
	switch d, denied := denialOf(last); {
	case denied && in.is(d) && last != before:
		return forbidden(last)
	case last == nats.ErrMaxSubscriptionsExceeded && before != nats.ErrMaxSubscriptionsExceeded:
		err := antiphon.Errorf(antiphon.CodeResourceExhausted, "natscallback: %w", last)
		err.Class = antiphon.ClassNotAccepted
		return err
	}
	return nil
}

// deniedSend answers the request that was not allowed: of those to the subject, which
// all are not, the oldest, for the server speaks of one after the other.
func (t *Transport) deniedSend(d denial, err error) {
	t.mu.Lock()
	a, found := t.asked.take(func(a *asked) bool { return a.to == d.subject })
	t.mu.Unlock()
	t.observe(antiphon.Event{Name: "nats.denied", Kind: d.subject, Err: err})
	if found {
		t.answer(a.id, a.replyTo, forbidden(err))
	}
}

// An asked is a request that the server may refuse yet.
type asked struct {
	id          callback.ID
	to, replyTo string
}

// maxAsked is how many of them are known, the newest.
const maxAsked = 1024

func (t *Transport) remember(o *outgoing) {
	if t.asked.n == maxAsked {
		t.asked.pop()
	}
	t.asked.push(asked{o.ID, o.To, o.ReplyTo})
}

func forbidden(err error) *antiphon.Error {
	e := antiphon.Errorf(antiphon.CodePermissionDenied, "natscallback: %w", err)
	e.Class, e.Reason, e.Permanent = antiphon.ClassNotAccepted, "natscallback.denied", true
	return e
}
