package callback

import (
	"context"
	"errors"
	"time"

	"github.com/antiphon-go/antiphon"
)

// read hands out what comes to in until that closes: to the asks and the work if it
// is our own inbox, else to s. It never runs work and never waits for anything but
// the inbox. It returns nil if in is one of s and was drained.
//
// What hangs on a future is called here, and may end the goroutine: then another
// goes on.
func (p *Peer) read(r *running, in Inbox, s *service) error {
	take := func(d Delivery, err error) error {
		switch {
		case err == nil:
			p.dispatch(d, s)
		case r.ctx.Err() != nil:
			return err // whatever the cause is
		case errors.Is(err, ErrMalformed):
			p.observe(antiphon.Event{Name: "callback.malformed", Err: err})
		case errors.Is(err, ErrDisconnected):
			p.disconnected(err, s)
		default:
			return err
		}
		return nil
	}
	var err error
	if f, ok := in.(Feeder); ok {
		err = f.Feed(r.ctx, func(d Delivery, err error) { _ = take(d, err) })
	} else {
		for err == nil {
			err = take(in.Receive(r.ctx))
		}
	}
	switch {
	case s != nil && errors.Is(err, ErrClosed):
		return nil
	case errors.Is(err, ErrClosed):
		return ErrDisconnected // by the other end: if it is ours, nobody looks at this
	}
	return err
}

func (p *Peer) dispatch(d Delivery, s *service) {
	m := d.Message
	if p.opts.Heartbeat > 0 {
		p.heard.Store(p.table.now())
	}
	if m.Kind == Request || m.Kind == Event {
		if s == nil {
			s = p.served(m.To)
		}
		p.jobs.accept(d, s)
		return
	}
	if m.Kind.answers() && s != nil {
		// An answer belongs into the inbox that it was asked for.
		p.malformed(m, ErrMalformed)
	} else {
		p.belongs(m)
	}
	settle(p, d, nil)
}

// belongs deals with what belongs to a request.
func (p *Peer) belongs(m *Message) {
	switch m.Kind {
	case Reply, Part, Progress:
		p.answered(m)
	case Cancel:
		p.jobs.cancelled(keyOf(m))
	case Credit:
		p.jobs.credited(keyOf(m), m.Seq)
	case Ping:
		_ = p.out.post(outgoing{m: &Message{Kind: Pong, To: m.ReplyTo}})
	case Pong:
	default:
		p.malformed(m, ErrMalformed)
	}
}

func (p *Peer) malformed(m *Message, why error) {
	p.observe(antiphon.Event{Name: "callback.malformed", Kind: m.Kind.String(), ID: idString(m.ID), Err: why})
}

// answered settles the ask that m is for, or tells it more.
func (p *Peer) answered(m *Message) {
	var e entry
	var err error
	if m.Kind == Reply {
		if p.caps.Bounces && m.Err != nil && error(m.Err) == ErrUndeliverable && p.asksAgain(m.ID) {
			return
		}
		e, err = p.table.remove(m.ID, answered)
	} else {
		e, err = p.table.get(m.ID)
	}
	if err != nil {
		p.observe(antiphon.Event{Name: orphanEvent(err), Kind: m.Kind.String(), ID: m.ID.String(), Err: err})
		p.cancelAgain(m, err)
		return
	}
	a, large := e.(asked), len(m.Body) > p.maxBody
	switch {
	case m.Kind == Reply:
		a.core().drop()
		if large {
			a.settle(errTooLarge)
			return
		}
	case large && m.Kind == Part:
		p.abort(a, m.ID, errTooLarge)
		return
	case large:
		p.malformed(m, antiphon.ErrTooLarge)
		return
	}
	a.receive(m)
}

// asksAgain reports whether the request of id, which the wire has brought back, will be
// sent once more.
func (p *Peer) asksAgain(id ID) (again bool) {
	e, err := p.table.get(id)
	return err == nil && p.table.hold(id, func() { again = e.(asked).core().again() }) && again
}

// cancelAgain ends work for an ask that was given up before it was known who does it:
// the cancel went to the name then, and of a group perhaps to another. What comes of
// such work says where it is done.
func (p *Peer) cancelAgain(m *Message, why error) {
	if why == ErrLate && m.Kind != Reply && m.ReplyTo != "" {
		_ = p.out.post(outgoing{m: &Message{Kind: Cancel, ID: m.ID, To: m.ReplyTo, ReplyTo: p.replyTo()}})
	}
}

// disconnected fails the asks that went over the connection that broke, but for
// those that will be asked again. Each inbox tells of the break; ours is the one
// that asks depend on.
//
// Work goes on: its asker may ask again, under the same id. Streams do not, for
// nobody asks for one again.
func (p *Peer) disconnected(why error, s *service) {
	if s != nil {
		return
	}
	p.observe(antiphon.Event{Name: "callback.disconnected", Err: why})
	p.epoch.Add(1)
	if p.caps.RepliesSurvive {
		return
	}
	hit := p.table.all(func(e entry) bool {
		c := e.(asked).core()
		return c.broken(p) && !c.again()
	})
	err := because(ErrDisconnected, unknown, why)
	each(hit, func(e placed) {
		if _, missing := p.table.remove(e.id, gone); missing == nil {
			a := e.entry.(asked)
			a.core().drop()
			a.settle(err)
		}
	})
	if p.caps.PointToPoint {
		p.jobs.cancel(err, true)
	}
}

// beat asks for signs of life, and gives the connection up if there are none.
func (p *Peer) beat(r *running) {
	p.heard.Store(p.table.now())
	asked := false
	p.inners.Add(1)
	go func() {
		defer p.inners.Done()
		every := p.opts.Heartbeat
		tick := p.clock.Timer(every)
		defer tick.Stop()
		for {
			select {
			case <-r.ctx.Done():
				return
			case <-tick.C:
			}
			silent := time.Duration(p.table.now() - p.heard.Load())
			switch {
			case silent < every:
				asked = false
				tick.Reset(every - silent)
			case !asked:
				asked = true
				_ = p.out.post(outgoing{m: &Message{Kind: Ping}})
				tick.Reset(every)
			default:
				asked = false
				p.dead(r)
				tick.Reset(every)
			}
		}
	}()
}

var errSilent = antiphon.Errorf(antiphon.CodeUnavailable, "the other end is silent: %w", context.DeadlineExceeded)

func (p *Peer) dead(r *running) {
	err := because(ErrDisconnected, unknown, errSilent)
	if t, ok := p.transport.(Reconnector); ok {
		t.Reconnect(err)
		p.heard.Store(p.table.now())
		return
	}
	r.cancel(err)
}

func idString(id ID) string {
	if id.IsZero() {
		return ""
	}
	return id.String()
}
