package future

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/antiphon-go/antiphon"
)

// lifted is a function under a policy.
type lifted[Q, R any] struct {
	Policy
	f       Func[Q, R]
	mistake error  // in the policy: what every ask fails with
	slots   *slots // nil without a limit
	copies  int    // of one attempt at the most, where it is hedged
}

func lift[Q, R any](f Func[Q, R], p *Policy) *lifted[Q, R] {
	l := &lifted[Q, R]{f: f, copies: 2}
	if p != nil {
		l.Policy = *p
	}
	l.mistake = l.validate()
	if f == nil {
		l.mistake = errNilFunc
	}
	l.setDefaults()
	if l.mistake == nil && l.Limit > 0 {
		l.slots = newSlots(l.Limit, l.Queue)
	}
	return l
}

// An ask is one request on its way through a policy: a state machine that waits
// for a slot, is called, and rests before it is called again, until it is over.
// A goroutine exists only while the function runs.
type ask[Q, R any] struct {
	f    Future[R]
	l    *lifted[Q, R]
	turn turn

	mu      sync.Mutex
	phase   phase
	attempt int          // the number of the present or last one, from 1
	copies  int          // of it that are under way
	made    int          // of it in all
	errs    []error      // of its copies that failed
	last    error        // of the attempt before it
	cancel  func(error)  // ends its context
	timer   *clock.Timer // of its hedge, or of the rest after it
	call    call[Q]      // what to call the function with
	watch   func() bool  // ends the watch on call.ctx
}

type call[Q any] struct {
	ctx   context.Context
	q     Q
	scope *Scope
}

type phase int

const (
	waiting  phase = iota // for a slot
	running               // the function
	deciding              // what follows a failure; without the lock, as it asks user code
	resting               // until the next attempt
	over
)

func (l *lifted[Q, R]) ask(ctx context.Context, q Q) *Future[R] {
	if l.mistake != nil {
		return Failed[R](l.mistake)
	}
	scope := scopeOf(ctx)
	if ctx.Err() != nil || scope != nil && !scope.join() {
		return Failed[R](because(ErrNotStarted, reasonOf(ctx)))
	}
	a := &ask[Q, R]{l: l}
	a.turn.begin = a.begin
	a.call = call[Q]{ctx, q, scope}
	if scope != nil {
		a.call.ctx = scope.memberContext(ctx)
	}
	if debugging.pending {
		track(&a.f)
	}
	if ctx.Done() != nil {
		watch := context.AfterFunc(ctx, a.contextEnded)
		a.mu.Lock()
		if a.phase != over {
			a.watch = watch
		}
		a.mu.Unlock()
	}
	a.enter()
	return &a.f
}

// enter gets a slot for the next attempt, now or later.
func (a *ask[Q, R]) enter() {
	a.mu.Lock()
	if a.phase == over {
		a.mu.Unlock()
		return
	}
	a.phase, a.timer = waiting, nil
	granted, err := true, error(nil)
	if a.l.slots != nil {
		granted, err = a.l.slots.take(&a.turn)
	}
	if err != nil {
		if a.last != nil {
			err = gaveUp(err, reason{}, a.last)
		}
		a.end(a.zero(), err)
		return
	}
	a.mu.Unlock()
	if granted {
		a.begin()
	}
}

func (a *ask[Q, R]) zero() (v R) { return v }

// begin starts the next attempt. The caller has taken a slot for it.
func (a *ask[Q, R]) begin() {
	a.mu.Lock()
	if a.phase == over {
		a.mu.Unlock()
		a.giveSlot()
		return
	}
	a.phase = running
	a.attempt++
	a.copies, a.made, a.errs = 1, 1, nil
	n, c := a.attempt, a.call
	a.mu.Unlock()

	var cancel func(error)
	c.ctx, cancel = a.attemptContext(c.ctx, n)
	a.mu.Lock()
	if a.phase != running || a.attempt != n { // its time was up before it began
		a.mu.Unlock()
		cancel(nil)
		a.giveSlot()
		return
	}
	a.cancel = cancel
	a.mu.Unlock()
	a.launch(n, c, false)
	if a.l.Hedge > 0 && a.l.copies > 1 {
		a.arm(n, c)
	}
}

func (a *ask[Q, R]) giveSlot() {
	if a.l.slots != nil {
		a.l.slots.give()
	}
}

// failed decides what follows a failed attempt; v is what the function returned
// beside its error. The caller holds the lock; failed unlocks.
func (a *ask[Q, R]) failed(v R, err error, timedOut bool) {
	n, ctx := a.attempt, a.call.ctx
	cancel := a.release()
	a.phase, a.last = deciding, err
	a.mu.Unlock()
	cancel()
	if timedOut {
		a.emit(ctx, antiphon.Event{Name: "future.timeout", Attempt: n, Duration: a.l.Timeout, Err: err})
	}
	if n >= a.l.Attempts {
		a.mu.Lock()
		a.end(v, err)
		return
	}
	rest, final := a.verdict(ctx, n, err)
	if final != nil {
		a.mu.Lock()
		a.end(v, final)
		return
	}
	a.emit(ctx, antiphon.Event{Name: "future.retry", Attempt: n, Duration: rest, Err: err})
	a.mu.Lock()
	if a.phase != deciding {
		a.mu.Unlock()
		return
	}
	a.phase = resting
	a.mu.Unlock()
	if rest == 0 {
		a.enter()
		return
	}
	a.keep(n, resting, a.l.Clock.AfterFunc(rest, a.enter))
}

// verdict asks the policy whether to try again after err, and when. If not, it
// says what the ask ends with.
func (a *ask[Q, R]) verdict(ctx context.Context, n int, err error) (rest time.Duration, final error) {
	var returned bool
	defer func() {
		if !returned {
			final = errors.Join(caught(recover()), err)
		}
	}()
	again := a.l.Retryable(err)
	if again {
		rest = max(0, a.l.Backoff(n))
	}
	returned = true
	if !again {
		return 0, err
	}
	if after, ok := antiphon.RetryDelay(err); ok {
		rest = max(rest, after)
	}
	deadline, ok := ctx.Deadline()
	if ctx.Err() != nil || ok && time.Until(deadline) <= rest {
		return 0, gaveUp(errGaveUp, reasonOf(ctx), err)
	}
	return rest, nil
}

// keep remembers t as the timer of attempt n in phase p, or stops it if the ask
// has gone on.
func (a *ask[Q, R]) keep(n int, p phase, t *clock.Timer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.attempt == n && a.phase == p {
		a.timer = t
	} else {
		t.Stop()
	}
}

// contextEnded ends an ask that is not being worked on, and at a deadline also
// one that is. A function that runs is told by its context.
func (a *ask[Q, R]) contextEnded() {
	a.mu.Lock()
	ctx := a.call.ctx
	a.mu.Unlock()
	if ctx == nil {
		return
	}
	r := reasonOf(ctx)
	a.mu.Lock()
	switch a.phase {
	case over:
		a.mu.Unlock()
	case running, deciding:
		if r.err != context.DeadlineExceeded {
			a.mu.Unlock()
			return
		}
		err := because(ErrTimeout, r)
		if a.last != nil {
			err.(*ended).why = append(r.errs(), a.last)
		}
		a.end(a.zero(), err)
	default:
		err := because(ErrNotStarted, r)
		if a.last != nil {
			err = gaveUp(errGaveUp, r, a.last)
		}
		a.end(a.zero(), err)
	}
}

// end settles the future and lets go of everything else, unless that has been
// done. The caller holds the lock; end unlocks.
func (a *ask[Q, R]) end(v R, err error) {
	if a.phase == over {
		a.mu.Unlock()
		return
	}
	a.phase = over
	cancel, watch, scope := a.release(), a.watch, a.call.scope
	a.watch, a.errs, a.last, a.call = nil, nil, nil, call[Q]{}
	if a.l.slots != nil {
		a.l.slots.leave(&a.turn)
	}
	a.mu.Unlock()
	cancel()
	if watch != nil {
		watch()
	}
	if scope == nil {
		a.f.settle(v, err)
		return
	}
	if err != nil {
		scope.Cancel(err)
	}
	a.f.settle(v, err)
	a.f.seen() // by Run
	scope.part()
}

// release stops the timer, and returns what ends the context of the attempt;
// that is called without the lock.
func (a *ask[Q, R]) release() (cancel func()) {
	if a.timer != nil {
		a.timer.Stop()
		a.timer = nil
	}
	end := a.cancel
	a.cancel = nil
	if end == nil {
		return func() {}
	}
	var cause error
	if a.copies > 0 {
		cause = ErrLost
	}
	return func() { end(cause) }
}

func (a *ask[Q, R]) emit(ctx context.Context, e antiphon.Event) {
	if a.l.Observer != nil {
		e.Context, e.Kind = ctx, a.l.Name
		a.l.Observer.Emit(e)
	}
}
