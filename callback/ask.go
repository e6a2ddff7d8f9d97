package callback

import (
	"bytes"
	"context"
	"maps"
	"sync/atomic"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
)

// An askCore is what a peer knows of a request of its own, whatever its type. It
// is an entry in the peer's table, and nothing else: no goroutine, no timer.
type askCore struct {
	dial *dialed
	ctx  context.Context // whom to tell of progress
	more *askMore        // nil if there is nothing in it
	// sent is 0 while the request waits to be sent, the epoch + 1 in which it
	// was handed to the transport, or lost when it never will be.
	sent  atomic.Uint32
	heard uint32 // Seq of the last progress; the reader's
}

const lost = ^uint32(0)

// askMore is what only some asks have. While the ask is in the table, the table's
// lock guards it; then it is its taker's.
type askMore struct {
	stop func() bool // takes the hook off ctx
	ctl  string      // where controls go, if not to the request's address
	end  moment      // when it is over
	idle moment      // when it is over unless something comes
	next moment      // when it is sent again
	sent int         // how often
	m    *Message    // to be sent again, or nil
}

// An asked is an entry of a peer's table.
type asked interface {
	entry
	core() *askCore
	// receive is told of what came for it: a reply, and then the entry has been
	// taken out, or anything else.
	receive(m *Message)
	// settle ends it with an error; the entry has been taken out.
	settle(err error)
}

// An ask is a request with one answer.
type ask[R any] struct {
	askCore
	promise future.Promise[R]
}

func (a *ask[R]) core() *askCore { return &a.askCore }

func (a *ask[R]) settle(err error) { a.promise.Reject(err) }

func (a *ask[R]) due(id ID, now moment) { a.dial.peer.askDue(a, id, now) }

func (a *ask[R]) receive(m *Message) {
	p := a.dial.peer
	switch m.Kind {
	case Reply:
		switch {
		case m.Err != nil:
			a.promise.Reject(m.Err)
		case len(m.Body) <= inlineBody:
			a.decode(m.Body)
		default:
			go a.decode(m.Body) // the reader has others to serve
		}
	case Progress:
		p.progress(a, m)
	case Part:
		p.abort(a, m.ID, errIsStream)
	}
}

// inlineBody is how many bytes of body are decoded on the reader's goroutine.
const inlineBody = 16 << 10

var errIsStream = &antiphon.Error{
	Code:      antiphon.CodeFailedPrecondition,
	Class:     antiphon.ClassUnknown,
	Reason:    "callback.is_stream",
	Message:   "callback: it answers with a stream; use DialStream",
	Permanent: true,
}

func (a *ask[R]) decode(body []byte) {
	v, err := unmarshal[R](a.dial.codec, body)
	a.promise.Settle(v, err)
}

// leaves notes that the request is on its way in epoch, unless it is lost.
func (c *askCore) leaves(epoch uint32) bool {
	for {
		s := c.sent.Load()
		if s == lost {
			return false
		}
		if c.sent.CompareAndSwap(s, epoch+1) {
			return true
		}
	}
}

// stays takes leaves back: the transport had no room.
func (c *askCore) stays(epoch uint32) { c.sent.CompareAndSwap(epoch+1, 0) }

// unsent reports whether the request has not left, and sees to it that it never
// will.
func (c *askCore) unsent() bool {
	return c.sent.CompareAndSwap(0, lost) || c.sent.Load() == lost
}

// start enters a and sends its request.
func (d *dialed) start(ctx context.Context, a asked, body []byte, credit uint32) (ID, error) {
	p, c := d.peer, a.core()
	if d.wrong != nil {
		return ID{}, d.wrong
	}
	if ctx.Err() != nil {
		return ID{}, gaveUp(ctx, notAccepted)
	}
	header, err := p.header(ctx, d.opts.Header)
	if err != nil {
		return ID{}, err
	}
	deadline := p.clock.Now().Add(d.opts.Timeout)
	if at, ok := ctx.Deadline(); ok && at.Before(deadline) {
		deadline = at
	}
	m := &Message{Kind: Request, To: d.name, ReplyTo: p.replyTo(), Seq: credit, Deadline: deadline, Header: header, Body: body}
	c.dial, c.ctx = d, ctx
	at := p.table.at(deadline)
	if d.opts.Idle > 0 || d.opts.Attempts > 1 || ctx.Done() != nil {
		c.more = &askMore{end: at, idle: never, next: never, sent: 1}
		if d.opts.Idle > 0 {
			c.more.idle = p.table.in(d.opts.Idle)
		}
		if d.opts.Attempts > 1 {
			c.more.next = p.table.in(d.opts.Backoff(1))
			c.more.m = m.clone()
		}
		at = c.more.at()
	}
	id, err := p.table.add(a, at)
	if err != nil {
		return ID{}, err
	}
	m.ID = id
	if ctx.Done() != nil {
		stop := context.AfterFunc(ctx, func() { p.giveUp(ctx, a, id) })
		if !p.table.hold(id, func() { c.more.stop = stop }) {
			stop()
		}
	}
	if err := p.out.post(&outgoing{m: m, ask: c}); err != nil {
		p.fail(id, err)
	}
	return id, nil
}

func (m *Message) clone() *Message {
	n := *m
	n.Header, n.Body = maps.Clone(m.Header), bytes.Clone(m.Body)
	return &n
}

// at is the next moment that a has to be looked at.
func (a *askMore) at() moment { return min(a.end, a.idle, a.next) }

// askDue: the time is over, or it is time to ask again.
func (p *Peer) askDue(a asked, id ID, now moment) {
	again := false
	p.table.hold(id, func() {
		more := a.core().more
		again = more != nil && more.next <= now && now < min(more.end, more.idle)
	})
	if again {
		p.sendAgain(a, id)
		return
	}
	if !p.table.removeDue(id) {
		return // answered or heard of meanwhile
	}
	err := ErrExpired
	if a.core().unsent() {
		err = errUnsent
	}
	p.observe(antiphon.Event{Name: "callback.expired", Context: a.core().ctx, Kind: a.core().dial.name, ID: id.String(), Err: err})
	p.over(a, id, err)
}

var errUnsent = because(ErrExpired, notAccepted)

// sendAgain sends the request of a once more, under the same id.
func (p *Peer) sendAgain(a asked, id ID) {
	c := a.core()
	more, attempt := c.more, 0
	if !p.table.hold(id, func() { more.sent++; attempt = more.sent }) {
		return
	}
	next := never
	if attempt < c.dial.opts.Attempts {
		next = p.table.in(c.dial.opts.Backoff(attempt))
	}
	if p.table.touch(id, func() moment { more.next = next; return more.at() }) != nil {
		return
	}
	p.observe(antiphon.Event{Name: "callback.resend", Context: c.ctx, Kind: c.dial.name, ID: id.String(), Attempt: attempt})
	m := more.m.clone()
	m.ID = id
	_ = p.out.post(&outgoing{m: m, ask: c}) // if it fails, it comes again or expires
}

// over ends an ask that has been taken out, and its work, because of err.
func (p *Peer) over(a asked, id ID, err error) {
	c := a.core()
	c.drop()
	a.settle(err)
	if c.unsent() {
		return
	}
	to := c.dial.name
	if c.more != nil && c.more.ctl != "" {
		to = c.more.ctl
	}
	// If there is no room, the deadline will end the work.
	_ = p.out.post(&outgoing{m: &Message{Kind: Cancel, ID: id, To: to, ReplyTo: p.replyTo()}})
}

// drop takes the hook off the asker's context; the entry has been taken out.
func (c *askCore) drop() {
	if c.more != nil && c.more.stop != nil {
		c.more.stop()
		c.more.stop = nil
	}
}

// giveUp: the asker's context has ended.
func (p *Peer) giveUp(ctx context.Context, a asked, id ID) {
	if _, err := p.table.remove(id, gone); err != nil {
		return
	}
	class := unknown
	if a.core().unsent() {
		class = notAccepted
	}
	p.over(a, id, gaveUp(ctx, class))
}

// abort ends an ask that is still there with err, and its work.
func (p *Peer) abort(a asked, id ID, err error) {
	if _, missing := p.table.remove(id, gone); missing == nil {
		p.over(a, id, err)
	}
}

// fail ends the ask of id, whose request could not be sent. What the transport
// does not vouch for is unknown.
func (p *Peer) fail(id ID, err error) {
	e, missing := p.table.remove(id, gone)
	if missing != nil {
		return
	}
	if antiphon.ClassOf(err) != notAccepted {
		err = because(ErrDisconnected, unknown, err)
	}
	a := e.(asked)
	a.core().drop()
	a.settle(err)
}

// progress tells the asker how far the work has come, in order.
func (p *Peer) progress(a asked, m *Message) {
	c := a.core()
	if m.Seq <= c.heard {
		return // overtaken
	}
	c.heard = m.Seq
	p.follow(a, m)
	report, err := parseProgress(m.Body)
	if err != nil {
		p.observe(antiphon.Event{Name: "callback.malformed", Kind: c.dial.name, ID: m.ID.String(), Err: err})
		return
	}
	report.tell(c.ctx)
}

// follow notes that something came for a, and where from.
func (p *Peer) follow(a asked, m *Message) {
	c := a.core()
	if m.ReplyTo != "" {
		p.table.hold(m.ID, func() {
			if c.more == nil {
				c.more = &askMore{end: never, idle: never, next: never} // its moment stays
			}
			c.more.ctl = m.ReplyTo
		})
	}
	if idle := c.dial.opts.Idle; idle > 0 {
		at := p.table.in(idle)
		_ = p.table.touch(m.ID, func() moment { c.more.idle = at; return c.more.at() })
	}
}
