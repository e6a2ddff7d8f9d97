package poller

import (
	"context"
	"sync"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/internal/alarm"
)

// A Scheduler polls for many at once: see [Submit]. Whoever waits is an entry in a
// table, without a goroutine or a timer; a goroutine runs while a poll does, and one
// timer serves them all.
//
// The fields are not to be changed once it is in use.
//
// Concurrency: all methods may be called by any number of goroutines.
//
// Closing: Close ends what is under way. A Scheduler that nobody closes leaves nothing
// behind once all its futures have settled, but for its timer, which may go off once
// more.
//
// Delivery and order: polls that have to wait for others are made in the order in which
// they were due.
//
// Zero value: ready, with the defaults. A Scheduler must not be copied.
type Scheduler struct {
	// Concurrency is how many polls may be in flight at once; the others wait for their
	// turn. One whose check does not come back stays in flight. 0 means 256, negative
	// no limit.
	Concurrency int
	// MaxPending is how many futures may be pending at once; Submit fails with ErrFull
	// beyond that. It bounds the memory: about 350 bytes each, and about 450 more if its
	// context is one that can end and that it shares with no other. 0 means 1048576,
	// negative no limit.
	MaxPending int
	// Observer is told what the Options.Observer of each is told. May be nil.
	Observer antiphon.Observer
	// Clock is the source of time, in place of Options.Clock. Nil means the real one.
	Clock clock.Clock

	once  sync.Once
	alarm *alarm.Alarm
	now   func() time.Duration
	own   bool // it is of one future, which nobody closes it after

	mu     sync.Mutex
	closed bool
	flying int    // polls in flight
	turns  agenda // those that wait, by when they are to be polled
	ends   agenda // all, by when that comes to an end
	hooks  map[<-chan struct{}]*hook
}

const (
	defaultConcurrency = 256
	defaultMaxPending  = 1 << 20
)

// ErrFull: a Scheduler has Scheduler.MaxPending futures. Of class not accepted.
var ErrFull error = &antiphon.Error{Code: antiphon.CodeResourceExhausted, Class: antiphon.ClassNotAccepted,
	Reason: "poller.full", Message: "poller: too many are asked about"}

// An entry is one that is asked about. The scheduler's lock guards it.
type entry struct {
	track
	asker      asker
	ctx        context.Context
	flight     *flight // nil while it waits
	hook       *hook   // nil if the context cannot end
	prev, next *entry  // on the hook
	places     [2]int32
	over       bool
}

// An asker is an entry with its types.
type asker interface {
	// ask polls, with all that is needed for it in f, and notes there what comes of it.
	ask(f *flight)
	reject(error)
	// forget lets go of what only polls need. It is called under the lock.
	forget()
}

// A flight is one poll. It works on a copy of the track: the entry may end meanwhile.
type flight struct {
	entry  *entry
	track  track
	ctx    context.Context
	cancel context.CancelCauseFunc
	late   time.Duration // how long it waited for its turn
	asked  bool          // or it was too late for that
	back   bool          // with a step
	step   step
	settle func() // what to do if that is the end
}

func (s *Scheduler) init() {
	s.once.Do(func() {
		s.alarm = alarm.New(s.Clock, s.ring)
		s.now = func() time.Duration { return time.Duration(s.alarm.Now()) }
		s.turns.number, s.ends.number = 0, 1
		s.hooks = map[<-chan struct{}]*hook{}
	})
}

// add enters e, whose context has not ended.
func (s *Scheduler) add(e *entry) error {
	now := s.now()
	due := after(now, e.begin(e.ctx, s.alarm.Time(alarm.Moment(now)), now))
	done := e.ctx.Done()
	most := s.MaxPending
	if most == 0 {
		most = defaultMaxPending
	}
	s.mu.Lock()
	switch {
	case s.closed:
		s.mu.Unlock()
		return e.gaveUp(e.ctx, ErrClosed)
	case most > 0 && len(s.ends.heap) >= most:
		s.mu.Unlock()
		return ErrFull
	}
	s.turns.set(e, due)
	s.ends.set(e, e.end)
	var h *hook
	if done != nil {
		h = s.hang(e, done)
	}
	at := s.nextRing()
	ctx := e.ctx
	s.mu.Unlock()
	if h != nil {
		s.fasten(ctx, h)
	}
	s.alarm.Set(alarm.Moment(at))
	return nil
}

// nextRing is when there is something to do. The caller holds the lock.
func (s *Scheduler) nextRing() time.Duration {
	at := s.ends.next()
	if s.room() {
		at = min(at, s.turns.next())
	}
	return at
}

// room reports whether another poll may be made. The caller holds the lock.
func (s *Scheduler) room() bool {
	most := s.Concurrency
	if most == 0 {
		most = defaultConcurrency
	}
	return !s.closed && (most < 0 || s.flying < most)
}

// ring starts the polls that are due, and ends what has come to an end.
func (s *Scheduler) ring() {
	now := s.now()
	for {
		s.mu.Lock()
		f := s.takeOff(now)
		s.mu.Unlock()
		if f == nil {
			break
		}
		go s.work(f)
	}
	s.dismiss(ErrElapsed, func() *entry {
		if len(s.ends.heap) == 0 || s.ends.next() > now {
			return nil
		}
		return s.ends.heap[0].entry
	})
	s.mu.Lock()
	at := s.nextRing()
	s.mu.Unlock()
	s.alarm.Set(alarm.Moment(at))
}

// takeOff returns the poll that is to be made, or nil. The caller holds the lock.
func (s *Scheduler) takeOff(now time.Duration) *flight {
	due := s.turns.next()
	if due > now || !s.room() || len(s.turns.heap) == 0 {
		return nil
	}
	e := s.turns.heap[0].entry
	s.turns.clear(e)
	s.ends.set(e, max(e.end, after(now, e.opts.perPoll())))
	s.flying++
	e.polls++
	e.flight = &flight{entry: e, track: e.track, ctx: e.ctx, late: now - due}
	return e.flight
}

// work makes the poll f, and then those that wait for a turn.
func (s *Scheduler) work(f *flight) {
	defer func() {
		if f != nil { // what was called has ended the goroutine: another goes on
			go s.work(f)
		}
	}()
	for f != nil {
		g := f
		if !g.asked {
			g.asked = true
			if s.board(g) {
				g.entry.asker.ask(g)
			}
		}
		if f = s.land(g); f != nil && f.late > 0 {
			f.track.emit(antiphon.Event{Name: "poller.waited", Context: f.ctx, Attempt: f.track.polls, Duration: f.late})
		}
		if g.settle != nil {
			g.settle()
		}
	}
}

// board gives f its context, and reports whether the poll is still wanted: what its
// context has to tell may be on its way.
func (s *Scheduler) board(f *flight) bool {
	ctx, cancel := context.WithCancelCause(f.ctx)
	s.mu.Lock()
	f.ctx, f.cancel = ctx, cancel
	wanted := !f.entry.over
	s.mu.Unlock()
	if wanted = wanted && ctx.Err() == nil; !wanted {
		f.track.polls--
	}
	return wanted
}

// land is called after the poll f, and returns the one that is to be made next.
func (s *Scheduler) land(f *flight) *flight {
	e := f.entry
	if !f.back { // it was not made, or it ended its goroutine
		err := f.track.gaveUp(f.ctx, nil)
		f.step = over(err)
		f.settle = func() {
			f.track.ended(f.ctx, err)
			e.asker.reject(err)
		}
	}
	f.cancel(nil)
	now := s.now()
	s.mu.Lock()
	full := !s.room()
	s.flying--
	e.flight = nil
	var stop func() bool
	switch {
	case e.over:
		e.asker.forget()
		f.settle = nil
	case f.step.over:
		stop = s.leave(e)
	default:
		e.track = f.track
		s.ends.set(e, e.end)
		s.turns.set(e, min(after(now, f.step.wait), e.end))
	}
	next := s.takeOff(now)
	if next != nil && !full {
		next.late = 0 // but for the time it takes to start it
	}
	at := s.nextRing()
	s.mu.Unlock()
	if stop != nil {
		stop()
	}
	s.alarm.Set(alarm.Moment(at))
	if s.own && f.step.over {
		s.alarm.Stop()
	}
	return next
}

// leave takes e out. What it returns is to be called without the lock, unless it is
// nil. The caller holds the lock.
func (s *Scheduler) leave(e *entry) (stop func() bool) {
	e.over = true
	s.turns.clear(e)
	s.ends.clear(e)
	stop = s.unhang(e)
	if e.flight == nil {
		e.asker.forget()
	}
	return stop
}

// Close ends all that is under way: the futures fail with a [PollError] whose Cause is
// [ErrClosed], which is also the cause of the contexts of polls in flight, and so do
// those of later Submits. It does not wait for checks to come back, and may be called
// again.
func (s *Scheduler) Close() {
	s.init()
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.alarm.Stop()
	s.dismiss(ErrClosed, func() *entry {
		if n := len(s.ends.heap); n > 0 {
			return s.ends.heap[n-1].entry
		}
		return nil
	})
}
