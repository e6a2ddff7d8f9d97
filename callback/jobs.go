package callback

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
)

// jobs are the requests and events that a peer is answering, and what it remembers
// of those that it has answered.
type jobs struct {
	peer  *Peer
	base  context.Context // of all work: the values of Run's
	times *table          // of the deadlines that somebody waits for

	mu      sync.Mutex
	open    bool // more are accepted
	n       int  // accepted and not finished
	bytes   int  // that these have
	none    chan struct{}
	first   *job // all of them
	known   known
	answers memory
	cancels memory // of requests that have not come
}

// A jobKey names a request: ids are chosen by askers, so one alone says nothing.
type jobKey struct {
	replyTo string
	id      ID
}

func keyOf(m *Message) jobKey { return jobKey{m.ReplyTo, m.ID} }

func (js *jobs) init(p *Peer) {
	js.peer = p
	js.times = newTable(p.clock, math.MaxInt, func(e entry, id ID, now moment) { e.(*job).due(id, now) })
	js.known.by = map[jobKey]*record{}
	js.answers.init(&js.known, p.opts.Answers, p.opts.AnswerBytes)
	js.cancels.init(&js.known, p.opts.Answers, p.opts.AnswerBytes)
}

var (
	errUnserved = &antiphon.Error{
		Code:    antiphon.CodeUnimplemented,
		Class:   antiphon.ClassNotAccepted,
		Reason:  "callback.unserved",
		Message: "callback: nobody serves this name here",
		Marks:   []string{"callback.undeliverable"},
	}
	errRepeated = &antiphon.Error{
		Code:      antiphon.CodeAborted,
		Class:     antiphon.ClassUnknown,
		Reason:    "callback.repeated",
		Message:   "callback: done already, and the answer was not kept",
		Permanent: true,
	}
	errNoCredit = &antiphon.Error{
		Code:      antiphon.CodeFailedPrecondition,
		Class:     antiphon.ClassNotAccepted,
		Reason:    "callback.is_stream",
		Message:   "callback: it answers with a stream; use DialStream",
		Permanent: true,
	}
	// errAskerGone is the cause with which the contexts of work end that nobody
	// wants any more.
	errAskerGone error = &antiphon.Error{
		Code:    antiphon.CodeCanceled,
		Class:   antiphon.ClassUnknown,
		Reason:  "callback.asker_gone",
		Message: "callback: the asker has given up",
	}
)

// unserved names what nobody serves, as far as it fits: who asked may have more than
// one name in use.
func unserved(name string) *antiphon.Error {
	e := *errUnserved
	if len(name) <= 128 {
		e.Message = fmt.Sprintf("callback: nobody serves %q here", name)
	}
	return &e
}

// accept starts what d asks for, or says why not.
func (js *jobs) accept(d Delivery, s *service) {
	p, m := js.peer, d.Message
	now := p.clock.Now()
	switch {
	case s == nil:
		js.refuse(d, unserved(m.To))
		return
	case expired(m, now):
		p.observe(antiphon.Event{Name: "callback.dropped", Kind: m.To, ID: idString(m.ID), Err: ErrExpired})
		settle(p, d, nil)
		return
	case len(m.Body) > p.maxBody:
		js.refuse(d, antiphon.ErrTooLarge)
		return
	case s.streams && m.Seq == 0:
		js.refuse(d, errNoCredit)
		return
	}
	j := &job{service: s, d: d, jobContext: jobContext{deadline: m.Deadline}}
	if s.streams {
		j.credit = newCredit(m.Seq)
	}
	if !js.enter(j, now) {
		return
	}
	ok, dropped := s.enqueue(j)
	if dropped != nil {
		js.drop(dropped)
	}
	switch {
	case !ok:
		js.leave(j)
		js.refuse(d, ErrFull)
	case s.opts.Group != "" && m.Kind == Request && !m.Deadline.IsZero():
		j.announce()
	}
}

// enter notes that j is under way, or deals with what is not to be started.
func (js *jobs) enter(j *job, now time.Time) bool {
	p, key, size := js.peer, keyOf(j.d.Message), j.d.size()
	request := j.d.Kind == Request
	js.mu.Lock()
	named := request && !key.id.IsZero()
	if named {
		js.answers.expire(now)
		js.cancels.expire(now)
		if r := js.known.find(key, now); r != nil {
			js.met(j, r)
			return false
		}
	}
	switch {
	case !js.open:
		js.mu.Unlock()
		js.refuse(j.d, ErrClosed)
		return false
	case js.n > 0 && js.bytes+size > p.opts.Backlog:
		js.mu.Unlock()
		if request {
			js.refuse(j.d, ErrFull)
		} else {
			js.lose(j)
		}
		return false
	}
	js.n++
	js.bytes += size
	j.size, j.values = size, js.base
	if j.next = js.first; j.next != nil {
		j.next.prev = j
	}
	js.first = j
	if named {
		j.record = js.known.add(key)
		j.record.job = j
	}
	js.mu.Unlock()
	return true
}

// met deals with a request of which r is known. The caller holds the lock, which is
// given away.
func (js *jobs) met(j *job, r *record) {
	switch {
	case r.job != nil:
		late := r.job.join(j.d)
		js.mu.Unlock()
		js.repeated(j, late, nil)
	case r.answered:
		answer := r.answer()
		js.mu.Unlock()
		js.repeated(j, true, answer)
	default:
		js.mu.Unlock()
		js.peer.observe(antiphon.Event{Name: "callback.dropped", Context: j, Kind: j.service.name, ID: j.d.ID.String(), Err: errAskerGone})
		settle(js.peer, j.d, nil)
	}
}

// repeated deals with a request that came again. If it is late, it is done with;
// else the answer to the other will be the answer to it.
func (js *jobs) repeated(j *job, late bool, answer *Message) {
	p, d := js.peer, j.d
	p.observe(antiphon.Event{Name: "callback.repeated", Kind: j.service.name, ID: d.ID.String()})
	if answer != nil {
		var done func(error)
		if d.Settle != nil {
			done = func(err error) { settle(p, d, comesAgain(err)) }
		}
		p.reply(answer, done)
	} else if late {
		settle(p, d, nil)
	}
}

// answered notes that j has its answer m, which is kept from now on.
func (js *jobs) answered(j *job, m *Message) {
	js.mu.Lock()
	defer js.mu.Unlock()
	if r := j.record; r != nil {
		j.record = nil
		r.keep(m, j.credit == nil && len(m.Body) <= js.answers.maxBytes/4)
		js.answers.put(r)
	}
}

// leave notes that j is over, and frees what it held.
func (js *jobs) leave(j *job) {
	j.end(nil)
	js.mu.Lock()
	defer js.mu.Unlock()
	if r := j.record; r != nil {
		j.record = nil
		js.known.forget(r)
	}
	if j.next != nil {
		j.next.prev = j.prev
	}
	if j.prev != nil {
		j.prev.next = j.next
	} else {
		js.first = j.next
	}
	js.bytes -= j.size
	js.n--
	if js.n == 0 && js.none != nil {
		close(js.none)
		js.none = nil
	}
}

// start lets requests in. Their contexts will have the values of ctx, but for the scope
// that Run may be in: what fails of a request is no failure of it.
func (js *jobs) start(ctx context.Context) {
	js.mu.Lock()
	defer js.mu.Unlock()
	js.base, js.open = future.Outside(context.WithoutCancel(ctx)), true
}

// refuseAll lets no more in.
func (js *jobs) refuseAll() {
	js.mu.Lock()
	defer js.mu.Unlock()
	js.open = false
}

// idle returns a channel that is closed when nothing is under way.
func (js *jobs) idle() <-chan struct{} {
	js.mu.Lock()
	defer js.mu.Unlock()
	if js.none != nil {
		return js.none
	}
	none := make(chan struct{})
	if js.n == 0 {
		close(none)
	} else {
		js.none = none
	}
	return none
}

// drop ends an event that had to give way to a newer one.
func (js *jobs) drop(j *job) {
	js.leave(j)
	js.lose(j)
}

func (js *jobs) lose(j *job) {
	js.peer.observe(antiphon.Event{Name: "callback.dropped", Kind: j.service.name, Err: ErrFull})
	settle(js.peer, j.d, nil)
}

// refuse answers a request that is not accepted. If there is no room for that, the
// asker will have to wait for its time to end: a flood is not answered by one.
func (js *jobs) refuse(d Delivery, why error) {
	p, m := js.peer, d.Message
	p.observe(antiphon.Event{Name: "callback.rejected", Kind: m.To, ID: idString(m.ID), Err: why})
	if m.Kind == Request {
		p.reply(&Message{Kind: Reply, ID: m.ID, To: m.ReplyTo, Err: antiphon.FromError(why)}, nil)
	}
	settle(p, d, nil)
}

// reply sends m, if there is room. done, which may be nil, is told of it.
func (p *Peer) reply(m *Message, done func(error)) {
	id := m.ID
	if err := p.out.post(outgoing{m: m, sent: done}); err != nil {
		p.observe(antiphon.Event{Name: "callback.unsent", Kind: Reply.String(), ID: idString(id), Err: err})
		if done != nil {
			done(err)
		}
	}
}

// cancelled: the asker has given up. A cancel may overtake its request.
func (js *jobs) cancelled(key jobKey) {
	now := js.peer.clock.Now()
	if key.id.IsZero() {
		return
	}
	var j *job
	js.mu.Lock()
	js.cancels.expire(now)
	if r := js.known.find(key, now); r != nil {
		j = r.job
	} else {
		r := js.known.add(key)
		r.until = now.Add(overtaken)
		js.cancels.put(r)
	}
	js.mu.Unlock()
	if j != nil {
		j.end(errAskerGone)
	}
}

// overtaken is for how long a cancel may have overtaken its request.
const overtaken = time.Minute

func (js *jobs) credited(key jobKey, total uint32) {
	var j *job
	js.mu.Lock()
	if r := js.known.by[key]; r != nil {
		j = r.job
	}
	js.mu.Unlock()
	if j != nil && j.credit != nil {
		j.credit.grant(total)
	}
}

// cancel ends the contexts of all that is under way, or of streams alone.
func (js *jobs) cancel(why error, streams bool) {
	var all []*job
	js.mu.Lock()
	for j := js.first; j != nil; j = j.next {
		if !streams || j.credit != nil {
			all = append(all, j)
		}
	}
	js.mu.Unlock()
	for _, j := range all {
		j.end(why)
	}
}

// comesAgain returns err, because of which an answer was not sent, if it is a reason
// to have the request come again. Where the asker is gone, or there is no room, it is
// none: that would be a loop.
func comesAgain(err error) error {
	if antiphon.ClassOf(err) == notAccepted && !errors.Is(err, errSlow) {
		return nil
	}
	return err
}

// settle tells the wire that d is done with.
func settle(p *Peer, d Delivery, err error) {
	if d.Settle == nil {
		return
	}
	if err := d.Settle(p.life, err); err != nil {
		p.observe(antiphon.Event{Name: "callback.unsettled", Kind: d.To, ID: idString(d.ID), Err: err})
	}
}
