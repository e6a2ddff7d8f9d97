package future

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/antiphon-go/antiphon/internal/ending"
)

// A Scope owns the work that is started in it: Run does not return before all
// of it has ended. It is a context; whatever is started with it, or with a
// context derived from it, is a member:
//
//	err := future.Run(ctx, func(s *future.Scope) error {
//		user := future.Go(s, fetchUser)
//		cart := future.Go(s, fetchCart)
//		...
//	})
//
// The first failure of a member, or of the function given to Run, cancels the
// scope with that error as the cause, and is what Run returns. That is so also if
// somebody deals with the failure, with Settled or Recover say: what may fail, ask
// [Outside] of the scope, or have the function itself return the failure as a value.
// The ways of [First] are the exception; First fails if all of them do.
//
// Concurrency: all methods may be called by any number of goroutines.
//
// Closing: the scope ends when Run returns; what is started in it later fails
// with ErrNotStarted, as does what waited for a slot when the scope was
// cancelled.
//
// Zero value: of no use, and panics; only Run makes a Scope.
type Scope struct {
	context.Context
	cancel context.CancelCauseFunc
	inside member // the context of members that were given the scope itself

	limit atomic.Int64 // of slots, 0 for none

	mu      sync.Mutex
	slots   int // in use
	live    int // members that are waiting, running or parked
	waiting []starter
	parked  []chan struct{} // members that want their slot back
	watched bool            // a hook clears waiting when the context ends
	decided bool            // err is what Run returns
	err     error
	leaving bool          // the function given to Run has returned
	closed  bool          // and so has every member
	idle    chan struct{} // closed together with the scope
}

// A starter is a task that waits for its turn.
type starter interface {
	run()
	refuse(error)
}

type (
	scopeKey  struct{} // the scope that a context lies in
	memberKey struct{} // the scope that a context's goroutine holds a slot of
	rivalKey  struct{} // the scope that failures with a context do not end
)

// rival marks the context of what First starts: its failures are First's to deal
// with.
func rival(ctx context.Context) context.Context {
	if s := scopeOf(ctx); s != nil {
		return context.WithValue(ctx, rivalKey{}, s)
	}
	return ctx
}

// failed ends the scope because a member that was given ctx has failed.
func (s *Scope) failed(ctx context.Context, err error) {
	if in, _ := ctx.Value(rivalKey{}).(*Scope); in != s {
		s.Cancel(err)
	}
}

// member marks the context of a member. It is what tells a member that waits
// from the function given to Run, which waits too but holds no slot.
type member struct {
	context.Context
	scope *Scope
}

func (m *member) Value(key any) any {
	if key == (memberKey{}) {
		return m.scope
	}
	return m.Context.Value(key)
}

// Value returns what the context that Run was given holds for key.
func (s *Scope) Value(key any) any {
	if key == (scopeKey{}) {
		return s
	}
	return s.Context.Value(key)
}

// Outside returns ctx without the scope that it lies in: it has ctx's end, and its other
// values, but what is started with it is no member, ends no scope by its failure, and is
// not waited for. It is for servers that run in a scope, whose requests are not its
// members; those of packages callback and queue see to it themselves.
func Outside(ctx context.Context) context.Context {
	if ctx == nil {
		return context.Background()
	}
	return detached{ctx}
}

// detached hides the scope of a context from work that is no member of it.
type detached struct{ context.Context }

func (d detached) Value(key any) any {
	if key == (scopeKey{}) || key == (memberKey{}) {
		return nil
	}
	return d.Context.Value(key)
}

func scopeOf(ctx context.Context) *Scope {
	s, _ := ctx.Value(scopeKey{}).(*Scope)
	return s
}

// memberContext returns ctx, marked as that of a member of s.
func (s *Scope) memberContext(ctx context.Context) context.Context {
	if ctx == context.Context(s) {
		return &s.inside
	}
	if m, _ := ctx.Value(memberKey{}).(*Scope); m == s {
		return ctx
	}
	return &member{ctx, s}
}

// Run calls fn with a new scope, waits until fn and everything started in the
// scope have ended, and returns the first failure of any of them, or nil. A
// panic in fn is such a failure too, a [*PanicError].
//
// The scope ends with ctx, and is cancelled by the first failure or by Cancel.
// If ctx ends before something in it could start, that is a failure too.
// A nil ctx counts as context.Background(); a nil fn is an error.
func Run(ctx context.Context, fn func(*Scope) error) (err error) {
	if fn == nil {
		return errNilFunc
	}
	if ctx == nil {
		ctx = context.Background()
	}
	s := &Scope{}
	s.Context, s.cancel = context.WithCancelCause(ctx)
	s.inside = member{s, s}
	var returned bool
	defer func() {
		if !returned {
			s.Cancel(caught(recover()))
		}
		s.wait(ctx)
		err = s.err
	}()
	if err := fn(s); err != nil {
		s.Cancel(err)
	}
	returned = true
	return nil
}

// SetLimit sets how many members may run at once; less than 1 means any number,
// which is the default. The others wait for their turn, in order; meanwhile each
// costs some 200 bytes and what it holds, and no goroutine.
//
// A member lends its slot while it waits in this package, with Await,
// AsCompleted, Parallel, a scope of its own, or whatever else takes its context,
// so that members may start members to any depth. A member that waits elsewhere,
// on a channel or a lock, keeps its slot: it must not wait there for another
// member that has none. Who has lent a slot waits for one to go on, also when
// the scope has been cancelled, so that the limit holds to the end.
//
// A lower limit takes effect as members end. The function given to Run needs no
// slot.
func (s *Scope) SetLimit(n int) {
	s.limit.Store(int64(max(n, 0)))
	s.mu.Lock()
	ready := s.fill(nil)
	s.mu.Unlock()
	for _, t := range ready {
		go t.run()
	}
}

// Cancel ends the scope: its context is cancelled with err as the cause, and
// err is what Run returns, unless that has been decided before. With a nil err
// it is success: the rest is not needed any more, and what it fails with does
// not count. Cancel does not wait.
func (s *Scope) Cancel(err error) {
	s.mu.Lock()
	s.decide(err)
	err = s.err // of several that fail at once the first
	s.mu.Unlock()
	s.cancel(err)
	s.clear()
}

// start runs t when a slot is free, or refuses it when the scope has ended.
func (s *Scope) start(t starter) {
	s.mu.Lock()
	if s.closed || s.Err() != nil {
		s.mu.Unlock()
		s.refuse(t)
		return
	}
	s.live++
	if s.free() && len(s.waiting) == 0 {
		s.slots++
		s.mu.Unlock()
		go t.run()
		return
	}
	s.waiting = append(s.waiting, t)
	hook := !s.watched
	s.watched = true
	s.mu.Unlock()
	if hook {
		context.AfterFunc(s, s.clear)
	}
}

// refuse tells t that the scope has ended. If that was not by Cancel or a
// failure, but with the context given to Run, it is itself a failure: something
// that was asked for has not been done.
func (s *Scope) refuse(t starter) {
	err := because(ErrNotStarted, ending.Cause(s))
	s.mu.Lock()
	s.decide(err)
	s.mu.Unlock()
	t.refuse(err)
}

// decide says what Run returns, once. The caller holds the lock.
func (s *Scope) decide(err error) {
	if !s.decided {
		s.decided, s.err = true, err
	}
}

func (s *Scope) free() bool {
	limit := int(s.limit.Load())
	return limit == 0 || s.slots < limit
}

// fill hands out the free slots, first to members that want theirs back. It
// appends what is to be started to ready; once the scope's context has ended,
// that is nothing, and clear is on its way.
func (s *Scope) fill(ready []starter) []starter {
	for s.free() {
		switch {
		case len(s.parked) > 0:
			close(s.parked[0])
			s.parked[0] = nil
			s.parked = s.parked[1:]
		case len(s.waiting) > 0 && s.Err() == nil:
			ready = append(ready, s.waiting[0])
			s.waiting[0] = nil
			s.waiting = s.waiting[1:]
		default:
			return ready
		}
		s.slots++
	}
	return ready
}

// release gives up a slot, and the membership too if the member has ended.
func (s *Scope) release(members int) {
	var one [1]starter // what is freed here is one slot
	s.mu.Lock()
	s.slots--
	s.live -= members
	ready := s.fill(one[:0])
	s.settle()
	s.mu.Unlock()
	for _, t := range ready {
		go t.run()
	}
}

func (s *Scope) leave() { s.release(1) }

// join makes the scope wait for something that needs no slot, until part is
// called. It reports false if the scope has ended.
func (s *Scope) join() bool {
	ended := s.Err() != nil
	s.mu.Lock()
	defer s.mu.Unlock()
	if ended || s.closed {
		return false
	}
	s.live++
	return true
}

func (s *Scope) part() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live--
	s.settle()
}

// settle closes the scope if nothing is left of it. The caller holds the lock.
func (s *Scope) settle() {
	if s.leaving && s.live == 0 && !s.closed {
		s.closed, s.decided = true, true
		close(s.idle)
	}
}

// clear refuses what is waiting for a slot once the scope's context has ended:
// on a goroutine of its own, for what hangs on the futures of those is not to
// delay or to end whoever cancels.
func (s *Scope) clear() {
	s.mu.Lock()
	waiting := s.waiting
	s.waiting = nil
	s.mu.Unlock()
	if len(waiting) > 0 {
		go s.refuseAll(waiting)
	}
}

func (s *Scope) refuseAll(waiting []starter) {
	var ended bool
	defer func() {
		if !ended { // a transform called runtime.Goexit: the others must not suffer
			go s.refuseAll(waiting)
		}
	}()
	for len(waiting) > 0 {
		t := waiting[0]
		waiting = waiting[1:]
		func() {
			defer s.part()
			s.refuse(t)
		}()
	}
	ended = true
}

func (s *Scope) wait(outer context.Context) {
	s.mu.Lock()
	s.leaving, s.idle = true, make(chan struct{})
	s.settle()
	s.mu.Unlock()
	defer s.cancel(nil)
	defer lend(outer).reclaim()
	<-s.idle
}

// lend gives the slot of the member that ctx belongs to, if any, to another
// member while its goroutine is parked. reclaim on the result gets it back. It
// does so without a limit too, as one may be set meanwhile.
func lend(ctx context.Context) *Scope {
	s, _ := ctx.Value(memberKey{}).(*Scope)
	if s == nil {
		return nil
	}
	s.release(0)
	return s
}

func (s *Scope) reclaim() {
	if s == nil {
		return
	}
	s.mu.Lock()
	if s.free() {
		s.slots++
		s.mu.Unlock()
		return
	}
	turn := make(chan struct{})
	s.parked = append(s.parked, turn)
	s.mu.Unlock()
	<-turn
}
