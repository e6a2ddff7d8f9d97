package callback

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/antiphon-go/antiphon"
)

// jobs are the requests that a peer is answering, and what it remembers of those
// that it has answered.
type jobs struct {
	peer  *Peer
	base  context.Context // of all work: the values of Run's
	times *table          // of the deadlines

	mu      sync.Mutex
	n       int // accepted and not finished, events too
	none    chan struct{}
	running map[jobKey]*job
	memory  memory
}

// A jobKey names a request: ids are chosen by askers, so one alone says nothing.
type jobKey struct {
	replyTo string
	id      ID
}

func keyOf(m *Message) jobKey { return jobKey{m.ReplyTo, m.ID} }

func (js *jobs) init(p *Peer) {
	js.peer = p
	js.times = newTable(p.clock, math.MaxInt)
	js.running = map[jobKey]*job{}
	js.memory.init(p.opts.Answers, p.opts.AnswerBytes)
}

// A job is one request or event that is being answered, and the context that its
// work runs under.
type job struct {
	context.Context
	cancel   context.CancelCauseFunc
	service  *service
	d        Delivery
	deadline time.Time
	timer    ID // in jobs.times
	reported atomic.Uint32
	credit   *credit // of a stream
}

// Deadline is the asker's.
func (j *job) Deadline() (time.Time, bool) {
	if !j.deadline.IsZero() {
		return j.deadline, true
	}
	return j.Context.Deadline()
}

func (j *job) Err() error {
	err := j.Context.Err()
	if err != nil && context.Cause(j.Context) == errTimeUp {
		return context.DeadlineExceeded
	}
	return err
}

// errTimeUp and errAskerGone are the causes with which the contexts of work end.
var (
	errTimeUp = &antiphon.Error{
		Code:    antiphon.CodeDeadlineExceeded,
		Class:   antiphon.ClassUnknown,
		Reason:  "callback.time_up",
		Message: "callback: the asker's time is up",
	}
	errAskerGone = &antiphon.Error{
		Code:    antiphon.CodeCanceled,
		Class:   antiphon.ClassUnknown,
		Reason:  "callback.asker_gone",
		Message: "callback: the asker has given up",
	}
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
)

// due: the asker's time is up.
func (j *job) due(id ID, _ moment) {
	if j.service.peer.jobs.times.removeDue(id) {
		j.cancel(errTimeUp)
	}
}

// accept starts what d asks for, or says why not.
func (js *jobs) accept(d Delivery, s *service) {
	p, m := js.peer, d.Message
	j := &job{service: s, d: d}
	switch {
	case s == nil:
		js.refuse(d, errUnserved)
		return
	case expired(m, p.clock.Now()):
		p.observe(antiphon.Event{Name: "callback.dropped", Kind: m.To, ID: idString(m.ID), Err: ErrExpired})
		settle(p, d, nil)
		return
	case len(m.Body) > p.maxBody:
		js.refuse(d, antiphon.ErrTooLarge)
		return
	case s.streams && m.Seq == 0:
		js.refuse(d, errIsStream)
		return
	}
	p.mu.Lock()
	open := p.state == up
	if open {
		js.mu.Lock()
		js.n++ // under both locks: Shutdown sees it
		js.mu.Unlock()
	}
	p.mu.Unlock()
	if !open {
		js.refuse(d, ErrClosed)
		return
	}
	j.Context, j.cancel = context.WithCancelCause(js.base)
	j.deadline = m.Deadline
	if s.streams {
		j.credit = newCredit(m.Seq)
	}
	if m.Kind == Request && !js.enter(j) {
		j.cancel(nil)
		js.done()
		return
	}
	if !j.deadline.IsZero() {
		j.timer, _ = js.times.add(j, js.times.at(j.deadline))
	}
	ok, dropped := s.enqueue(j)
	if dropped != nil {
		js.drop(dropped)
	}
	if !ok {
		js.leave(j)
		js.refuse(d, ErrFull)
	}
}

// enter notes that j is under way, or deals with a request that came again.
func (js *jobs) enter(j *job) bool {
	p, key := js.peer, keyOf(j.d.Message)
	js.mu.Lock()
	if js.running[key] != nil {
		js.mu.Unlock()
		p.observe(antiphon.Event{Name: "callback.repeated", Kind: j.service.name, ID: key.id.String()})
		settle(p, j.d, nil) // the answer to the other is the answer to this
		return false
	}
	kept, known := js.memory.find(key, p.clock.Now())
	if !known {
		js.running[key] = j
	}
	js.mu.Unlock()
	if !known {
		return true
	}
	p.observe(antiphon.Event{Name: "callback.repeated", Kind: j.service.name, ID: key.id.String()})
	if kept != nil {
		p.reply(kept)
	}
	settle(p, j.d, nil)
	return false
}

// leave notes that j is over, and frees what it held.
func (js *jobs) leave(j *job) {
	j.cancel(nil)
	if !j.timer.IsZero() {
		_, _ = js.times.remove(j.timer, gone)
	}
	if j.d.Kind == Request {
		js.mu.Lock()
		delete(js.running, keyOf(j.d.Message))
		js.mu.Unlock()
	}
	js.done()
}

func (js *jobs) done() {
	js.mu.Lock()
	defer js.mu.Unlock()
	js.n--
	if js.n == 0 && js.none != nil {
		close(js.none)
		js.none = nil
	}
}

// idle returns a channel that is closed when nothing is under way.
func (js *jobs) idle() <-chan struct{} {
	js.mu.Lock()
	defer js.mu.Unlock()
	c := make(chan struct{})
	switch {
	case js.n == 0:
		close(c)
	case js.none != nil:
		return js.none
	default:
		js.none = c
	}
	return c
}

// drop ends an event that had to give way to a newer one.
func (js *jobs) drop(j *job) {
	js.leave(j)
	js.peer.observe(antiphon.Event{Name: "callback.dropped", Kind: j.service.name, Err: ErrFull})
	settle(js.peer, j.d, nil)
}

// refuse answers a request that is not accepted. If there is no room for that, the
// asker will have to wait for its time to end: a flood is not answered by one.
func (js *jobs) refuse(d Delivery, why error) {
	p, m := js.peer, d.Message
	p.observe(antiphon.Event{Name: "callback.refused", Kind: m.To, ID: idString(m.ID), Err: why})
	if m.Kind == Request {
		p.reply(&Message{Kind: Reply, ID: m.ID, To: m.ReplyTo, Err: antiphon.FromError(why)})
	}
	settle(p, d, nil)
}

// reply sends m, if there is room.
func (p *Peer) reply(m *Message) {
	if err := p.out.post(&outgoing{m: m}); err != nil {
		p.observe(antiphon.Event{Name: "callback.unsent", Kind: m.Kind.String(), ID: m.ID.String(), Err: err})
	}
}

// cancelled: the asker has given up. A cancel may overtake its request.
func (js *jobs) cancelled(key jobKey) {
	js.mu.Lock()
	j := js.running[key]
	if j == nil {
		js.memory.forget(key, js.peer.clock.Now())
	}
	js.mu.Unlock()
	if j != nil {
		j.cancel(errAskerGone)
	}
}

func (js *jobs) credited(key jobKey, total uint32) {
	js.mu.Lock()
	j := js.running[key]
	js.mu.Unlock()
	if j != nil && j.credit != nil {
		j.credit.grant(total)
	}
}

// cancel ends the contexts of all that is under way.
func (js *jobs) cancel(why error) {
	js.mu.Lock()
	all := make([]*job, 0, len(js.running))
	for _, j := range js.running {
		all = append(all, j)
	}
	js.mu.Unlock()
	for _, j := range all {
		j.cancel(why)
	}
}

// begin returns the context for the work, or why it is not to be started.
func (j *job) begin() (ctx context.Context, err error) {
	p, m := j.service.peer, j.d.Message
	if j.Err() != nil {
		return nil, because(errGaveUp, notAccepted, context.Cause(j.Context))
	}
	info := antiphon.Info{Kind: j.service.name, Attempt: max(j.d.Attempt, 1), Header: m.Header}
	if m.Kind == Request {
		info.ID = m.ID.String()
	}
	ctx = j
	if p.opts.Extract != nil {
		if ctx = p.opts.Extract(j, m.Header); ctx == nil {
			ctx = j
		}
	}
	ctx = antiphon.WithInfo(ctx, info)
	if m.Kind == Request {
		ctx = antiphon.WithProgress(ctx, j.report)
	}
	return ctx, nil
}

// report sends progress, if there is room: what comes next makes it obsolete.
func (j *job) report(pr antiphon.Progress) {
	p := j.service.peer
	body, err := makeReport(j.service.codec, pr)
	if err == nil {
		m := &Message{Kind: Progress, ID: j.d.ID, To: j.d.ReplyTo, ReplyTo: p.replyTo(), Seq: j.reported.Add(1), Body: body}
		if err = p.out.post(&outgoing{m: m}); err == nil {
			return
		}
	}
	p.observe(antiphon.Event{Name: "callback.unsent", Kind: Progress.String(), ID: j.d.ID.String(), Err: err})
}

// finish sends the answer, remembers it, and settles the delivery.
func (j *job) finish(body []byte, err error) {
	p := j.service.peer
	js := &p.jobs
	defer js.leave(j)
	if j.d.Kind == Event {
		if err != nil {
			p.observe(antiphon.Event{Name: "callback.event_failed", Context: j, Kind: j.service.name, Err: err})
		}
		settle(p, j.d, nil)
		return
	}
	m := &Message{Kind: Reply, ID: j.d.ID, To: j.d.ReplyTo, Deadline: j.deadline, Body: body}
	if err == nil && len(body) > p.maxBody {
		err = unsendable(m.check(p.maxBody))
	}
	if err != nil {
		m.Body, m.Err = nil, antiphon.FromError(err)
	}
	if j.credit != nil {
		m.Seq = j.credit.sent
	}
	js.mu.Lock()
	js.memory.keep(keyOf(j.d.Message), m, j.credit != nil)
	js.mu.Unlock()
	// It waits for room as long as the asker would: so a peer that does not read
	// fills the slots, and what it asks more is refused.
	err = p.out.postWait(p.life, &outgoing{m: m})
	if err != nil {
		p.observe(antiphon.Event{Name: "callback.unsent", Kind: Reply.String(), ID: j.d.ID.String(), Err: err})
	}
	settle(p, j.d, err)
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
