package callback

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"sync/atomic"
	"time"

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
	// was handed to the transport, with tries added while that has not said
	// whether it takes it, or lost when it never will be.
	sent  atomic.Uint32
	heard uint32 // Seq of the last progress; the reader's
}

// askMore is what only some asks have. While the ask is in the table, the table's
// lock guards it; then it is its taker's.
type askMore struct {
	stop func() bool // takes the hook off ctx
	ctl  string      // where controls go, if not to the request's address
	end  moment      // when it is over, or 0 if it will not be due for anything else
	idle moment      // when it is over unless something comes
	next moment      // when it is sent again
	sent int         // how often
	m    *Message    // to be sent again, or nil
}

// An asked is an entry of a peer's table.
type asked interface {
	due(id ID, now moment)
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
			a.promise.Reject(a.refused(m.Err))
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

// refused is the error that an answer brought, as far as it is known what it answers:
// who did not take the request may not be the one who was asked before.
func (c *askCore) refused(err *antiphon.Error) error {
	if c.more == nil || c.more.sent < 2 || err.Class != notAccepted {
		return err
	}
	for _, refusal := range []error{ErrFull, ErrClosed, ErrUndeliverable, errUnserved} {
		if errors.Is(err, refusal) {
			return classed(err, unknown)
		}
	}
	return err // it is what the work says of itself
}

// inlineBody is how many bytes of body are decoded on the reader's goroutine.
const inlineBody = 16 << 10

var errTooLarge = because(antiphon.ErrTooLarge, antiphon.ClassFailed)

var errIsStream = &antiphon.Error{
	Code:      antiphon.CodeFailedPrecondition,
	Class:     antiphon.ClassUnknown,
	Reason:    "callback.is_stream",
	Message:   "callback: it answers with a stream; use DialStream",
	Permanent: true,
}

func (a *ask[R]) decode(body []byte) {
	v, err := *new(R), error(future.ErrGoexit)
	defer func() { a.promise.Settle(v, tried(err)) }() // also if the codec ends the goroutine
	if v, err = unmarshal[R](a.dial.codec, body); err != nil {
		err = misfit("answer", a.dial.name, err)
	}
}

// start enters a and sends its request.
func (d *dialed) start(ctx context.Context, a asked, body []byte, credit uint32) (ID, error) {
	p, c := d.peer, a.core()
	switch {
	case d.wrong != nil:
		return ID{}, d.wrong
	case p.unfit != nil:
		return ID{}, p.unfit
	}
	if ctx.Err() != nil {
		return ID{}, gaveUp(ctx, notAccepted)
	}
	header, err := p.header(ctx, d.opts.Header)
	if err != nil {
		return ID{}, untried(err)
	}
	var pause time.Duration
	if d.opts.Attempts > 1 {
		if pause, err = d.pause(1); err != nil {
			return ID{}, untried(err)
		}
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
			c.more.next = p.table.in(pause)
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
		stop := context.AfterFunc(ctx, func() {
			p.exit.through(func() { p.giveUp(ctx, a, id) })
		})
		if !p.table.hold(id, func() { c.more.stop = stop }) {
			stop()
		}
	}
	if err := p.out.post(outgoing{m: m, ask: c}); err != nil {
		p.failed(id, c, err)
	}
	return id, nil
}

// pause is how long to wait after an attempt. What panics is the user's.
func (d *dialed) pause(attempt int) (pause time.Duration, err error) {
	defer recovered(&err)
	return d.opts.Backoff(attempt), nil
}

func (m *Message) clone() *Message {
	n := *m
	n.Header, n.Body = maps.Clone(m.Header), bytes.Clone(m.Body)
	return &n
}

// at is the next moment that a has to be looked at.
func (a *askMore) at() moment { return min(a.end, a.idle, a.next) }

// again reports whether the request will be sent once more. The caller holds the
// table's lock.
func (c *askCore) again() bool {
	return c.more != nil && c.more.m != nil && c.more.sent < c.dial.opts.Attempts
}

// askDue: the time is over, or it is time to ask again.
func (p *Peer) askDue(a asked, id ID, now moment) {
	again, late := false, true
	p.table.hold(id, func() {
		if more := a.core().more; more != nil {
			again = more.next <= now && now < min(more.end, more.idle)
			late = more.end <= now
		}
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
		if !p.hasRun() {
			err = errNeverRan
		}
	}
	p.observe(antiphon.Event{Name: "callback.expired", Context: a.core().ctx, Kind: a.core().dial.name, ID: id.String(), Err: err})
	p.over(a, id, err, !late) // if it is late, the work ends by itself
}

var (
	errUnsent   = because(ErrExpired, notAccepted)
	errNeverRan = because(ErrExpired, notAccepted, errors.New("Run was never called"))
)

func (p *Peer) hasRun() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.run != nil
}

// sendAgain sends the request of a once more, under the same id.
func (p *Peer) sendAgain(a asked, id ID) {
	c := a.core()
	more, attempt := c.more, 0
	if !p.table.hold(id, func() { more.sent++; attempt = more.sent }) {
		return
	}
	next := never
	if attempt < c.dial.opts.Attempts {
		pause, err := c.dial.pause(attempt)
		if err != nil {
			p.abort(a, id, classed(err, unknown))
			return
		}
		next = p.table.in(pause)
	}
	if p.table.touch(id, func() moment { more.next = next; return more.at() }) != nil {
		return
	}
	p.observe(antiphon.Event{Name: "callback.resend", Context: c.ctx, Kind: c.dial.name, ID: id.String(), Attempt: attempt})
	m := more.m.clone()
	m.ID, m.ReplyTo = id, p.replyTo()
	if err := p.out.post(outgoing{m: m, ask: c}); err != nil && err != ErrFull { // if there is no room, it comes again, or expires
		p.failed(id, c, err)
	}
}

// over ends an ask that has been taken out because of err, and its work if cancel
// says so.
func (p *Peer) over(a asked, id ID, err error, cancel bool) {
	c := a.core()
	c.drop()
	if cancel && !c.unsent() {
		m := &Message{Kind: Cancel, ID: id, To: c.dial.name, ReplyTo: p.replyTo()}
		if more := c.more; more != nil {
			if more.ctl != "" {
				m.To = more.ctl
			}
			if more.end != 0 && more.end != never {
				m.Deadline = p.table.alarm.Time(more.end)
			}
		}
		_ = p.out.post(outgoing{m: m}) // if there is no room, the deadline will end the work
	}
	a.settle(err)
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
	p.over(a, id, gaveUp(ctx, class), true)
}

// abort ends an ask that is still there with err, and its work.
func (p *Peer) abort(a asked, id ID, err error) {
	if _, missing := p.table.remove(id, gone); missing == nil {
		p.over(a, id, err, true)
	}
}

// failed deals with a request of c that could not be sent. What the transport does
// not vouch for is unknown. The ask goes on where it may mend, and the request is to
// be sent again; and where an attempt before has left.
func (p *Peer) failed(id ID, c *askCore, err error) {
	again := false
	if !antiphon.IsPermanent(err) && !errors.Is(err, ErrClosed) && !errors.Is(err, ErrFull) {
		p.table.hold(id, func() { again = c.again() })
	}
	surely := antiphon.ClassOf(err) == notAccepted
	if again || surely && !c.unsent() {
		return
	}
	e, missing := p.table.remove(id, gone)
	if missing != nil {
		return
	}
	if !surely {
		err = because(ErrDisconnected, unknown, err)
	}
	c.drop()
	e.(asked).settle(err)
}

// lose ends the ask of id, whose connection is gone, unless it will be asked again.
func (p *Peer) lose(id ID, c *askCore) {
	again := false
	p.table.hold(id, func() { again = c.again() })
	if again {
		return
	}
	if e, missing := p.table.remove(id, gone); missing == nil {
		c.drop()
		e.(asked).settle(errLost)
	}
}

var errLost = because(ErrDisconnected, unknown)

// progress tells the asker how far the work has come, in order.
func (p *Peer) progress(a asked, m *Message) {
	c := a.core()
	if m.Seq <= c.heard {
		return // overtaken
	}
	c.heard = m.Seq
	p.follow(a, m)
	if len(m.Body) == 0 {
		return // it only says where it comes from
	}
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
		there := p.table.hold(m.ID, func() {
			if c.more == nil {
				c.more = &askMore{end: 0, idle: never, next: never} // its moment stays
			}
			c.more.ctl = m.ReplyTo
		})
		if !there { // given up since it was looked for
			p.cancelAgain(m, ErrLate)
			return
		}
	}
	if idle := c.dial.opts.Idle; idle > 0 {
		at := p.table.in(idle)
		_ = p.table.touch(m.ID, func() moment { c.more.idle = at; return c.more.at() })
	}
}
