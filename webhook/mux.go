package webhook

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/antiphon-go/antiphon"
)

// A Mux hands messages to handlers by their type. [On] registers one, and [Mux.Handle]
// is the Handler of them all:
//
//	var events webhook.Mux
//	webhook.On(&events, "invoice.paid", books.Enter)
//	webhook.On(&events, "invoice.*", books.Note)
//	receiver := webhook.NewReceiver(scheme, events.Handle, nil)
//
// A pattern is a type, or the beginning of types followed by "*"; "*" alone stands for
// all. The type itself goes before a beginning, and a longer beginning before a shorter
// one. A message that nobody handles fails with [ErrUnhandled], and one whose body does
// not decode is a [Discard]: it will not decode next time.
//
// Concurrency: handlers may be registered while messages are handled.
//
// Errors: a pattern that is empty, taken, or has its "*" in the middle, and a nil
// function, are mistakes that Handle returns for every message from then on: they are
// asked for again, and none is lost.
//
// Zero value: handles nothing. A Mux must not be copied.
type Mux struct {
	// TypeOf tells the type of a message. Nil means Message.Type or, if that is empty,
	// the member "type" of its body, as Standard Webhooks, Stripe and many others have
	// it. It is not changed once messages come.
	TypeOf func(Message) string
	// Codec decodes bodies. Nil means antiphon.JSON{}. It is not changed once messages
	// come.
	Codec antiphon.Codec

	mu     sync.RWMutex
	exact  map[string]Handler
	prefix []prefixed // the longest first
	wrong  error
}

type prefixed struct {
	prefix string
	handle Handler
}

// On has messages whose type matches pattern decoded into a T and given to f, with the
// message that it was. If T is []byte, it is the body as it is. f has the errors of a
// [Handler], and the message its type.
func On[T any](x *Mux, pattern string, f func(ctx context.Context, v T, m Message) error) {
	if f == nil {
		x.mistaken("nil_func", fmt.Sprintf("On(%q) needs a function", pattern))
		return
	}
	x.on(pattern, func(ctx context.Context, m Message) error {
		var v T
		if raw, ok := any(&v).(*[]byte); ok {
			*raw = m.Body
		} else if err := x.codec().Unmarshal(m.Body, &v); err != nil {
			return Discard(err)
		}
		return f(ctx, v, m)
	})
}

func (x *Mux) on(pattern string, h Handler) {
	star := strings.IndexByte(pattern, '*')
	if pattern == "" || star >= 0 && star < len(pattern)-1 {
		x.mistaken("pattern", fmt.Sprintf("On(%q): a pattern is a type, or ends in the one * that it has", pattern))
		return
	}
	x.mu.Lock()
	taken := x.add(pattern, star, h)
	x.mu.Unlock()
	if taken {
		x.mistaken("pattern", fmt.Sprintf("On(%q): the pattern is taken", pattern))
	}
}

// add reports whether the pattern was taken. The caller holds the lock.
func (x *Mux) add(pattern string, star int, h Handler) (taken bool) {
	if star < 0 {
		if _, taken = x.exact[pattern]; taken {
			return true
		}
		if x.exact == nil {
			x.exact = make(map[string]Handler)
		}
		x.exact[pattern] = h
		return false
	}
	p := prefixed{pattern[:star], h}
	if slices.ContainsFunc(x.prefix, func(o prefixed) bool { return o.prefix == p.prefix }) {
		return true
	}
	i, _ := slices.BinarySearchFunc(x.prefix, p, func(a, b prefixed) int { return len(b.prefix) - len(a.prefix) })
	x.prefix = slices.Insert(x.prefix, i, p)
	return false
}

// mistaken has Handle return the first mistake.
func (x *Mux) mistaken(reason, text string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.wrong == nil {
		x.wrong = retriable(misuse(reason, text))
	}
}

// Handle is a [Handler].
func (x *Mux) Handle(ctx context.Context, m Message) error {
	m.Type = x.typeOf(m)
	h, err := x.find(m.Type)
	if err != nil {
		return err
	}
	return h(ctx, m)
}

func (x *Mux) typeOf(m Message) string {
	if x.TypeOf != nil {
		return x.TypeOf(m)
	}
	if m.Type != "" {
		return m.Type
	}
	kind, _ := member(m.Body, "type")
	return kind
}

func (x *Mux) find(kind string) (Handler, error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if x.wrong != nil {
		return nil, x.wrong
	}
	if h := x.exact[kind]; h != nil && kind != "" {
		return h, nil
	}
	for _, p := range x.prefix {
		if strings.HasPrefix(kind, p.prefix) {
			return p.handle, nil
		}
	}
	return nil, ErrUnhandled
}

func (x *Mux) codec() antiphon.Codec {
	if x.Codec == nil {
		return antiphon.JSON{}
	}
	return x.Codec
}
