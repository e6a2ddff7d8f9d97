package callback

import (
	"context"
	"time"

	"github.com/antiphon-go/antiphon"
)

// write empties lane l into the transport.
func (b *outbox) write(l lane) {
	ended := false
	defer func() {
		if !ended { // what hangs on a future has ended the goroutine: the others must not suffer
			b.done.Add(1)
			go b.write(l)
		}
		b.done.Done()
	}()
	for o := b.next(l); o != nil; o = b.next(l) {
		b.send(o)
	}
	ended = true
}

// send waits for the transport at most until the message is of no use.
func (b *outbox) send(o *outgoing) {
	p := b.peer
	now := p.clock.Now()
	kind, id, to, deadline := o.m.Kind, o.m.ID, o.m.To, o.m.Deadline
	if expired(o.m, now) {
		if kind == Event {
			p.observe(antiphon.Event{Name: "callback.dropped", Kind: to, Err: ErrExpired})
		}
		if o.sent != nil {
			o.sent(nil)
		}
		return // of a request: its ask expires by itself
	}
	var t trip
	if o.ask != nil {
		var wanted bool
		if t, wanted = o.ask.leaves(p); !wanted {
			return
		}
		if o.m.ReplyTo == "" {
			o.m.ReplyTo = p.replyTo() // it was asked before there was one
		}
	}
	err := b.deliver(o.m, now)
	if o.ask == nil {
		if o.sent != nil {
			o.sent(err)
		}
		switch {
		case err == nil:
		case kind == Event && !deadline.IsZero() && !p.clock.Now().Before(deadline) && antiphon.ClassOf(err) == notAccepted:
			p.observe(antiphon.Event{Name: "callback.dropped", Kind: to, Err: ErrExpired})
		default:
			what := kind.String()
			if kind == Event { // of all else the address is where its asker is reached
				what += " " + to
			}
			p.observe(antiphon.Event{Name: "callback.unsent", Kind: what, ID: idString(id), Err: err})
		}
		return
	}
	t.ends(p, id, err)
	if err != nil && p.clock.Now().Before(deadline) { // else the ask expires by itself
		p.failed(id, o.ask, err)
	}
}

// deliver has the transport take m, and waits for that at most until m is of no use.
func (b *outbox) deliver(m *Message, now time.Time) error {
	p := b.peer
	if p.try != nil {
		if ok, err := p.try.TrySend(m); ok {
			return err
		}
	}
	limit := p.opts.SendTimeout
	if !m.Deadline.IsZero() {
		limit = min(limit, m.Deadline.Sub(now))
	}
	ctx, cancel := context.WithCancelCause(p.life)
	defer cancel(nil)
	timer := p.clock.AfterFunc(limit, func() { cancel(errSlow) })
	defer timer.Stop()
	err := p.transport.Send(ctx, m)
	if err != nil && context.Cause(ctx) == errSlow {
		err = because(errSlow, antiphon.ClassOf(err))
	}
	return err
}

var errSlow error = &antiphon.Error{
	Code:    antiphon.CodeUnavailable,
	Class:   antiphon.ClassUnknown,
	Reason:  "callback.slow",
	Message: "callback: the transport has taken too long",
}
