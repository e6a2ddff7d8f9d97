package callback

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
)

// A job is one request or event that is being answered, and the context that its
// work runs under: see jobcontext.go.
type job struct {
	jobContext
	service *service
	d       Delivery
	size    int
	credit  *credit // of a stream
	record  *record // until it is answered; guarded by jobs

	reported atomic.Uint32
	answered atomic.Bool // no more is to be reported

	next, prev *job       // in jobs
	again      []Delivery // copies of the request that came meanwhile; guarded by jobs
}

// join adds a copy of the request that is to be settled with it. It reports true,
// and the copy is to be settled alone, if there are too many.
func (j *job) join(d Delivery) (late bool) {
	if d.Settle == nil || len(j.again) == 16 {
		return true
	}
	j.again = append(j.again, d)
	return false
}

// begin returns the context for the work, or why it is not to be started.
func (j *job) begin() (ctx context.Context, err error) {
	p := j.service.peer
	if j.Err() != nil {
		return nil, because(errGaveUp, notAccepted, j.cause())
	}
	if p.opts.Extract != nil {
		if ctx := p.opts.Extract(j, j.d.Header); ctx != nil {
			return ctx, nil
		}
	}
	return j, nil
}

// carries returns what the context holds beside the values of Run's: made when
// somebody looks.
func (j *job) carries() context.Context {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.told {
		return j.values
	}
	m := j.d.Message
	info := antiphon.Info{Kind: j.service.name, Attempt: max(j.d.Attempt, 1), Header: m.Header}
	if m.Kind == Request {
		info.ID = idString(m.ID)
		j.values = antiphon.WithProgress(j.values, j.report)
	}
	j.values, j.told = antiphon.WithInfo(j.values, info), true
	return j.values
}

// report sends progress, if there is room: what comes next makes it obsolete.
func (j *job) report(pr antiphon.Progress) {
	if j.answered.Load() {
		return
	}
	body, err := makeReport(j.service.codec, pr)
	if err == nil {
		err = j.progress(body)
	}
	if err != nil {
		j.service.peer.observe(antiphon.Event{Name: "callback.unsent", Context: j, Kind: Progress.String(), ID: idString(j.d.ID), Err: err})
	}
}

// announce tells the asker which one of a group works for it, so that a cancel does
// not reach another: by progress that says nothing else. An asker that is none of
// ours, and so gives no deadline, could take it for the answer.
func (j *job) announce() {
	if !j.answered.Load() {
		_ = j.progress(nil) // if there is no room, the deadline will end the work
	}
}

func (j *job) progress(body []byte) error {
	p := j.service.peer
	m := &Message{Kind: Progress, ID: j.d.ID, To: j.d.ReplyTo, ReplyTo: p.replyTo(), Seq: j.reported.Add(1), Deadline: j.deadline, Body: body}
	return p.out.post(outgoing{m: m})
}

// finish sends the answer, remembers it, and settles the delivery.
func (j *job) finish(body []byte, err error) {
	p := j.service.peer
	js := &p.jobs
	defer js.leave(j)
	j.answered.Store(true)
	if err != nil && errors.Is(err, future.ErrPanic) {
		p.observe(antiphon.Event{Name: "callback.panic", Context: j, Kind: j.service.name, ID: idString(j.d.ID), Err: err})
	}
	if j.d.Kind == Event {
		if err != nil {
			p.observe(antiphon.Event{Name: "callback.event_failed", Context: j, Kind: j.service.name, Err: err})
		}
		settle(p, j.d, nil)
		return
	}
	m := &Message{Kind: Reply, ID: j.d.ID, To: j.d.ReplyTo, Deadline: j.deadline, Body: body}
	if err == nil {
		err = unsendable(m.check(p.maxBody))
	}
	if err != nil {
		m.Body, m.Err = nil, antiphon.FromError(err)
	}
	if j.credit != nil {
		m.Seq = j.credit.sent
	}
	js.answered(j, m)
	if j.unwanted() {
		j.settle(nil)
		return
	}
	o := outgoing{m: m}
	if j.d.Settle != nil {
		o.sent = j.settle
	}
	// It waits for room as long as the asker would: so a peer that does not read
	// fills the slots, and what it asks more is refused.
	if err := p.out.postWait(j, o); err != nil {
		p.observe(antiphon.Event{Name: "callback.unsent", Context: j, Kind: Reply.String(), ID: idString(j.d.ID), Err: err})
		j.settle(err)
	}
}

// settle settles the request and its copies; no more of these will come.
func (j *job) settle(err error) {
	p := j.service.peer
	err = comesAgain(err)
	settle(p, j.d, err)
	for _, d := range j.again {
		settle(p, d, err)
	}
}

// tried makes an error of what happened after the work had been done: it does not
// say any more that the request was not accepted.
func tried(err error) error {
	if err == nil {
		return nil
	}
	return classed(err, antiphon.ClassFailed)
}

// unsendable makes an error of what keeps an answer from being sent.
func unsendable(err error) error {
	if err == nil {
		return nil
	}
	d := classed(err, antiphon.ClassFailed)
	d.Permanent = true
	return d
}

// untried makes an error of what happened before anything was done.
func untried(err error) error {
	d := classed(err, notAccepted)
	d.Permanent = true
	return d
}

// classed is err, which is not nil, with another class.
func classed(err error, class antiphon.Class) *antiphon.Error {
	d := *antiphon.FromError(err)
	d.Class = class
	return &d
}
