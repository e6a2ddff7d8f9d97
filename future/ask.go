package future

import (
	"context"
	"sync"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/internal/ending"
)

// lifted is a function under a policy.
type lifted[Q, R any] struct {
	*rules
	f Func[Q, R]
}

// rules are what an ask keeps of it, even when it has settled: not the function.
type rules struct {
	Policy
	mistake error  // in the policy: what every ask fails with
	slots   *slots // nil without a limit
	copies  int    // of one attempt at the most, where it is hedged
}

func lift[Q, R any](f Func[Q, R], p *Policy) lifted[Q, R] {
	l := &rules{copies: 2}
	if p != nil {
		l.Policy = *p
	}
	l.mistake = l.validate()
	if f == nil {
		l.mistake = errNilFunc
	}
	l.setDefaults()
	if l.mistake == nil && l.Concurrency > 0 {
		l.slots = newSlots(l.Concurrency, l.Queue)
	}
	return lifted[Q, R]{l, f}
}

// An ask is one request on its way through a policy: a state machine that waits
// for a slot, is called, and rests before it is called again, until it is over.
// A goroutine exists only while the function runs.
type ask[Q, R any] struct {
	f    Future[R]
	l    *rules
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
	call    call[Q, R]   // what to call
	watch   func() bool  // ends the watch on call.ctx
}

type call[Q, R any] struct {
	f     Func[Q, R]
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

func (l lifted[Q, R]) ask(ctx context.Context, q Q) *Future[R] {
	if l.mistake != nil {
		return Failed[R](l.mistake)
	}
	scope := scopeOf(ctx)
	if ctx.Err() != nil || scope != nil && !scope.join() {
		return Failed[R](notStarted(ctx, scope))
	}
	a := &ask[Q, R]{l: l.rules}
	a.turn.begin = a.begin
	a.call = call[Q, R]{l.f, ctx, q, scope}
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

// notStarted is the error of an ask that comes too late. In a scope it is a
// failure as any other.
func notStarted(ctx context.Context, scope *Scope) error {
	why := ending.Cause(ctx)
	if scope != nil && why == nil {
		why = ending.Cause(scope)
	}
	err := because(ErrNotStarted, why)
	if scope != nil {
		scope.failed(ctx, err)
	}
	return err
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
			err = gaveUp(err, nil, a.last)
		}
		a.end(a.zero(), err)
		return
	}
	a.mu.Unlock()
	if granted && !a.begin() {
		a.giveSlot()
	}
}

func (a *ask[Q, R]) zero() (v R) { return v }

// begin starts the next attempt in the slot that the caller has for it, or
// reports that it will not.
func (a *ask[Q, R]) begin() (taken bool) {
	a.mu.Lock()
	ctx, ended := a.call.ctx, a.phase == over
	a.mu.Unlock()
	if ended {
		return false
	}
	if ctx.Err() != nil { // it is not to be called any more, although its watch has not told us yet
		go a.contextEnded() // not on the goroutine that brings the slot: see refuse
		return false
	}
	a.mu.Lock()
	if a.phase == over {
		a.mu.Unlock()
		return false
	}
	a.phase = running
	a.attempt++
	a.copies, a.made, a.errs = 1, 1, nil
	t := &attempt[Q, R]{ask: a, n: a.attempt, call: a.call, asker: a.call.ctx}
	a.mu.Unlock()

	cancel := t.deriveContext()
	a.mu.Lock()
	if a.phase != running || a.attempt != t.n { // its time was up before it began
		a.mu.Unlock()
		cancel(nil)
		return false
	}
	a.cancel = cancel
	a.mu.Unlock()
	t.launch()
	if a.l.Hedge > 0 && a.l.copies > 1 {
		t.arm()
	}
	return true
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
	outcome := withDoubt(err, a.last)
	a.phase, a.last = deciding, outcome
	a.mu.Unlock()
	cancel()
	var decided bool
	defer func() {
		if !decided { // what we asked panicked or called runtime.Goexit
			err := caught(recover())
			a.mu.Lock()
			a.end(v, several{err, outcome})
		}
	}()
	if timedOut {
		a.emit(ctx, antiphon.Event{Name: "future.timeout", Attempt: n, Duration: a.l.Timeout, Err: err})
	}
	rest, again := a.rest(ctx, n, err)
	if again {
		a.emit(ctx, antiphon.Event{Name: "future.retry", Attempt: n, Duration: rest, Err: err})
	}
	decided = true
	a.mu.Lock()
	switch {
	case a.phase != deciding:
		a.mu.Unlock()
		return
	case rest < 0:
		a.end(v, gaveUp(errGaveUp, ending.Cause(ctx), outcome))
		return
	case !again:
		a.end(v, outcome)
		return
	}
	a.phase = resting
	a.mu.Unlock()
	switch {
	case ctx.Err() != nil: // while we decided, when contextEnded leaves it to us
		a.contextEnded()
	case rest == 0:
		a.enter()
	default:
		a.keep(n, resting, a.l.Clock.AfterFunc(rest, a.enter))
	}
}

// rest asks the policy whether to try again after err, and when. It is negative
// if there is no time for that.
func (a *ask[Q, R]) rest(ctx context.Context, n int, err error) (rest time.Duration, again bool) {
	if n >= a.l.Attempts || !a.l.Retryable(err) {
		return 0, false
	}
	rest = max(0, a.l.Backoff(n))
	if after, ok := antiphon.RetryDelay(err); ok {
		rest = max(rest, after)
	}
	deadline, ok := ctx.Deadline()
	if ctx.Err() != nil || ok && a.l.Clock.Until(deadline) <= rest {
		return -1, false
	}
	return rest, true
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
	why := ending.Cause(ctx) // contexts are user code, and are not asked under a lock
	a.mu.Lock()
	switch a.phase {
	case over:
		a.mu.Unlock()
	case running, deciding:
		if antiphon.CodeOf(why) != antiphon.CodeDeadlineExceeded {
			a.mu.Unlock()
			return
		}
		err := because(ErrTimeout, why)
		if last := a.failures(); last != nil {
			err.Why = append(err.Why, last)
		}
		a.end(a.zero(), err)
	default:
		var err error = because(ErrNotStarted, why)
		if a.last != nil {
			err = gaveUp(errGaveUp, why, a.last)
		}
		a.end(a.zero(), err)
	}
}

// failures are those of the present attempt's copies and of the last attempt,
// or nil. The caller holds the lock.
func (a *ask[Q, R]) failures() error {
	if a.last == nil {
		return joined(a.errs)
	}
	return joined(append(a.errs[:len(a.errs):len(a.errs)], a.last))
}

// end settles the future and lets go of everything else, unless that has been
// done. The caller holds the lock; end unlocks.
func (a *ask[Q, R]) end(v R, err error) {
	if a.phase == over {
		a.mu.Unlock()
		return
	}
	a.phase = over
	cancel, watch, scope, ctx := a.release(), a.watch, a.call.scope, a.call.ctx
	a.watch, a.errs, a.last, a.call = nil, nil, nil, call[Q, R]{}
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
		scope.failed(ctx, err)
	}
	defer scope.part() // also if a transform calls runtime.Goexit
	a.f.settle(v, err)
	a.f.seen() // by Run
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
