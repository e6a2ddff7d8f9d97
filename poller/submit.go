package poller

import (
	"context"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
)

// Submit is [Wait] in the future tense: s asks, and the future settles with what Wait
// would return. It does so at once when ctx ends or s is closed, and no later than
// Options.PerPoll after Options.Elapsed, even if c does not come back; the context of
// that poll has ended then, and what it brings is dropped. Another panic or
// runtime.Goexit in c, or in a function of o, is an error that will not pass.
//
// If ctx has ended, s is closed or has no room (see [ErrFull]), the future has failed
// when Submit returns. A nil s is a scheduler of its own, without limits, and with
// Options.Clock.
func Submit[T any](ctx context.Context, s *Scheduler, c Check[T], o *Options) *future.Future[T] {
	switch {
	case c == nil:
		return future.Failed[T](errNilCheck)
	case ctx == nil:
		ctx = context.Background()
	}
	if o == nil {
		o = noOptions
	}
	if s == nil {
		s = &Scheduler{Concurrency: -1, MaxPending: -1, Clock: o.Clock, own: true}
	}
	s.init()
	p := &poller[T]{scheduler: s, question: question[T]{check: c}}
	p.asker, p.ctx, p.opts, p.observer = p, ctx, o, o.Observer
	switch {
	case o.Observer == nil:
		p.observer = s.Observer
	case s.Observer != nil:
		p.observer = antiphon.Observers(s.Observer, o.Observer)
	}
	f := p.promise.Future()
	var err error
	if ctx.Err() != nil {
		err = p.gaveUp(ctx, nil)
	} else {
		err = s.add(&p.entry)
	}
	if err != nil {
		p.ended(ctx, err)
		p.reject(err)
	}
	return f
}

var noOptions = &Options{}

// A poller is an entry with its types.
type poller[T any] struct {
	entry
	scheduler *Scheduler
	question  question[T]
	promise   future.Promise[T]
}

func (p *poller[T]) ask(f *flight) {
	st, s := p.question.look(f.ctx, &f.track, p.scheduler.Clock, p.scheduler.now)
	f.step, f.back = s, true
	if s.over {
		f.settle = func() { p.settle(f, st.Value, s.err) }
	}
}

func (p *poller[T]) settle(f *flight, v T, err error) {
	f.track.ended(f.ctx, err)
	if err != nil {
		p.promise.Reject(err)
	} else {
		p.promise.Resolve(v)
	}
}

func (p *poller[T]) reject(err error) { p.promise.Reject(err) }

func (p *poller[T]) forget() { p.question, p.ctx = question[T]{}, nil }
