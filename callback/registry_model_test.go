package callback_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/future"
)

// A desk is what the oracle knows of a registry: the real one, or one with a
// mistake.
type desk interface {
	Expect(ctx context.Context, ttl time.Duration) (callback.ID, *future.Future[int], error)
	Resolve(id callback.ID, v int) error
	Reject(id callback.ID, err error) error
	Touch(id callback.ID, ttl time.Duration) error
	Pending() int
	Close(err error)
}

// An answerError is what a rejection in a history says.
type answerError int

func (e answerError) Error() string { return fmt.Sprintf("no, %d", int(e)) }

// A record is what happened to one expectation. All is at moments of the desk's
// clock, at each of which many things happen at once.
type record struct {
	id    callback.ID
	f     *future.Future[int]
	born  time.Duration
	ttl   time.Duration
	again time.Duration // what each touch gives it
	ctx   int           // whose end ends it, or -1

	answers []attempt
	touches []attempt

	settled  int
	at       time.Duration
	value    int
	err      error
	wasFreed bool // when it settled
}

type attempt struct {
	at    time.Duration
	value int
	err   error
}

// A story is what happened in one run of many goroutines on one desk. What the
// oracle asserts of it:
//
//	C1  no ID comes twice
//	C2  of all answers to one ID at most one is taken, and its future, no other,
//	    settles with it, then; the others are told why, and observed once
//	C3  what is not answered ends at its time, at the end of its context or of the
//	    desk, whichever is first, and not before
//	C4  when it settles, it has been freed
//	C5  there are never more than may be, and nobody is refused while there are less
//	C7  after Close nobody gets in, and nobody is left
type story struct {
	mu      sync.Mutex
	wrong   []string
	now     func() time.Duration
	max     int
	waits   bool
	records []*record
	ctxs    []func() // what ends them
	ctxEnds []time.Duration
	closed  time.Duration // when, or -1
	refused []time.Duration
	unknown int // answers to IDs that never were
	events  map[string]int
}

func (s *story) fault(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wrong = append(s.wrong, fmt.Sprintf(format, args...))
}

func (s *story) observe(e antiphon.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events[e.Name]++
}

// act does one of the things that can be done at d.
func (s *story) act(d desk, rng *rand.Rand) {
	pick := func() *record {
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.records) == 0 {
			return nil
		}
		return s.records[rng.IntN(len(s.records))]
	}
	switch op := rng.IntN(20); {
	case op < 7:
		s.expect(d, rng)
	case op < 13:
		r := pick()
		if r == nil {
			return
		}
		v := rng.IntN(1 << 30)
		var err error
		if op < 11 {
			err = d.Resolve(r.id, v)
		} else {
			err = d.Reject(r.id, answerError(v))
		}
		s.mu.Lock()
		r.answers = append(r.answers, attempt{s.now(), v, err})
		s.mu.Unlock()
	case op < 16:
		if r := pick(); r != nil {
			err := d.Touch(r.id, r.again)
			s.mu.Lock()
			r.touches = append(r.touches, attempt{at: s.now(), err: err})
			s.mu.Unlock()
		}
	case op < 17:
		var id callback.ID
		for i := range id {
			id[i] = byte(rng.IntN(256))
		}
		if r := pick(); r != nil { // of somebody's slot
			copy(id[12:], r.id[12:])
		}
		if err := d.Resolve(id, 1); err != callback.ErrUnknownID {
			s.fault("C2 to an ID that never was: %v", err)
		}
		s.mu.Lock()
		s.unknown++
		s.mu.Unlock()
	case op < 19:
		s.mu.Lock()
		var end func()
		if n := len(s.ctxs); n > 0 {
			i := rng.IntN(n)
			if s.ctxEnds[i] < 0 {
				s.ctxEnds[i] = s.now()
				end = s.ctxs[i]
			}
		}
		s.mu.Unlock()
		if end != nil {
			end()
		}
	default:
		if rng.IntN(4) > 0 {
			return
		}
		s.mu.Lock()
		if s.closed < 0 {
			s.closed = s.now()
		}
		s.mu.Unlock()
		d.Close(nil)
	}
}

// expect enters an expectation, and sees to it that its end is noted.
func (s *story) expect(d desk, rng *rand.Rand) {
	r := &record{ctx: -1, ttl: time.Duration(rng.IntN(6)+1) * time.Millisecond, again: time.Duration(rng.IntN(6)+1) * time.Millisecond}
	ctx := none
	switch {
	case s.waits: // for room, and then for the answer, but not for ever
		d := time.Duration(rng.IntN(8)+1) * time.Millisecond
		c, cancel := context.WithTimeout(context.Background(), d)
		ctx = c
		s.mu.Lock()
		r.ctx = len(s.ctxs)
		s.ctxs, s.ctxEnds = append(s.ctxs, cancel), append(s.ctxEnds, s.now()+d)
		s.mu.Unlock()
	case rng.IntN(2) == 0:
		c, cancel := context.WithCancel(context.Background())
		ctx = c
		s.mu.Lock()
		r.ctx = len(s.ctxs)
		s.ctxs, s.ctxEnds = append(s.ctxs, cancel), append(s.ctxEnds, -1)
		s.mu.Unlock()
	}
	id, f, err := d.Expect(ctx, r.ttl)
	now := s.now()
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	switch {
	case err == nil:
	case errors.Is(err, callback.ErrFull):
		if s.waits {
			s.fault("C5 it is to wait, and was refused")
		}
		if closed >= 0 && closed < now {
			s.fault("C7 it is closed, not full")
		}
		s.mu.Lock()
		s.refused = append(s.refused, now)
		s.mu.Unlock()
		return
	case errors.Is(err, callback.ErrClosed):
		if closed < 0 {
			s.fault("C7 closed before it was: %v", err)
		}
		return
	default:
		if ctx == nil || ctx.Err() == nil || antiphon.ClassOf(err) != antiphon.ClassNotAccepted {
			s.fault("C5 refused for nothing: %v", err)
		}
		return
	}
	if closed >= 0 && closed < now {
		s.fault("C7 let in after the end")
	}
	r.id, r.f, r.born = id, f, now
	s.mu.Lock()
	s.records = append(s.records, r)
	s.mu.Unlock()
	note := func(v int, err error) {
		freed := d.Touch(id, time.Hour) != nil // on the goroutine that settles it
		s.mu.Lock()
		defer s.mu.Unlock()
		r.settled++
		r.at, r.value, r.err, r.wasFreed = s.now(), v, err, freed
	}
	f = future.Map(f, func(v int) (int, error) { note(v, nil); return v, nil })
	future.Recover(f, func(err error) (int, error) { note(0, err); return 0, err })
}

// judge looks for what cannot have been.
func (s *story) judge(d desk) {
	duplicates, lates, expiries := 0, 0, 0
	seen := map[callback.ID]bool{}
	for i, r := range s.records {
		if seen[r.id] {
			s.fault("C1 the ID of %d was somebody's before", i)
		}
		seen[r.id] = true
		if r.settled != 1 {
			s.fault("C7 %d settled %d times", i, r.settled)
			continue
		}
		if !r.wasFreed {
			s.fault("C4 %d settled before it was freed", i)
		}
		deadline := r.born + r.ttl
		for _, a := range r.touches { // in the order of time
			switch {
			case a.err == nil && a.at > r.at:
				s.fault("C3 %d was touched after its end", i)
			case a.err == nil && a.at > deadline:
				s.fault("C3 %d was touched after its time", i)
			case a.err == nil:
				deadline = a.at + r.again
			case a.at < r.at:
				s.fault("C3 %d could not be touched: %v", i, a.err)
			}
		}
		var winners []attempt
		for _, a := range r.answers {
			if a.err == nil {
				winners = append(winners, a)
			}
		}
		end, by := deadline, callback.ErrExpired
		if r.ctx >= 0 && s.ctxEnds[r.ctx] >= 0 && s.ctxEnds[r.ctx] <= end {
			end = max(s.ctxEnds[r.ctx], r.born)
		}
		if s.closed >= 0 && s.closed <= end {
			end = max(s.closed, r.born)
		}
		reason := callback.ErrLate
		switch {
		case len(winners) > 1:
			s.fault("C2 %d answers to %d were taken", len(winners), i)
			continue
		case len(winners) == 1:
			w := winners[0]
			reason = callback.ErrDuplicate
			if w.at > end {
				s.fault("C3 %d was answered at %v, after its end at %v", i, w.at, end)
			}
			if no, rejected := r.err.(answerError); r.at != w.at || r.value != w.value && (!rejected || int(no) != w.value) {
				s.fault("C2 %d was answered at %v with %d, and settled at %v with %d, %v", i, w.at, w.value, r.at, r.value, r.err)
			}
		default:
			if r.at != end {
				s.fault("C3 %d had to end at %v, and did at %v with %v", i, end, r.at, r.err)
			}
			canceled := r.ctx >= 0 && s.ctxEnds[r.ctx] >= 0 && (errors.Is(r.err, context.Canceled) || errors.Is(r.err, context.DeadlineExceeded))
			closed := s.closed >= 0 && errors.Is(r.err, callback.ErrClosed)
			if errors.Is(r.err, by) {
				expiries++
				if end != deadline {
					s.fault("C3 %d expired before its time, or after its end", i)
				}
			} else if !canceled && !closed || antiphon.ClassOf(r.err) != antiphon.ClassUnknown {
				s.fault("C3 %d ended with %d, %v", i, r.value, r.err)
			}
		}
		for _, a := range r.answers {
			switch {
			case a.err == nil:
				continue
			case a.err != reason:
				s.fault("C2 an orphan of %d was told %v, not %v", i, a.err, reason)
			case a.at < r.at:
				s.fault("C2 an answer to %d was an orphan before it ended", i)
			}
			if reason == callback.ErrLate {
				lates++
			} else {
				duplicates++
			}
		}
	}
	for _, r := range s.records {
		if n := s.alive(func(o *record) bool { return o.born <= r.born && o.at > r.born }); n > s.max {
			s.fault("C5 %d at once", n)
		}
	}
	for _, at := range s.refused {
		if n := s.alive(func(o *record) bool { return o.born <= at && o.at >= at }); n < s.max {
			s.fault("C5 refused, and there were only %d", n)
		}
	}
	if n := d.Pending(); n != 0 {
		s.fault("C7 %d are left", n)
	}
	for name, n := range map[string]int{"late": lates, "duplicate": duplicates, "unknown": s.unknown, "expired": expiries} {
		if got := s.events["callback."+name]; got != n {
			s.fault("C2 %d events of %s, want %d", got, name, n)
		}
	}
}

func (s *story) alive(at func(*record) bool) (n int) {
	for _, r := range s.records {
		if at(r) {
			n++
		}
	}
	return n
}

// tell runs a random story in a bubble and returns what was wrong with it.
func tell(t *testing.T, seed uint64, open func(o *callback.RegistryOptions) desk) string {
	var s *story
	synctest.Test(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(seed, 7))
		s = &story{max: rng.IntN(4) + 1, closed: -1, events: map[string]int{}}
		o := &callback.RegistryOptions{MaxPending: s.max, Observer: s.observe}
		began := time.Now()
		s.now = func() time.Duration { return time.Since(began) }
		stop := func() {}
		switch seed % 3 {
		case 1: // a mock clock, which moves a millisecond each millisecond
			mock := clock.NewMock()
			o.Clock = mock
			s.now = func() time.Duration { return mock.Now().Sub(time.Unix(0, 0)) }
			over, stopped := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(stopped)
				for {
					select {
					case <-over:
						return
					default:
						mock.Add(time.Millisecond)
					}
				}
			}()
			stop = func() { close(over); <-stopped }
			time.Sleep(time.Millisecond / 2) // so that nothing happens while it moves
		case 2:
			s.waits = true
			o.Wait = true
		}
		d := open(o)
		var wg sync.WaitGroup
		for range rng.IntN(5) + 2 {
			mine := rand.New(rand.NewPCG(seed, rng.Uint64()))
			wg.Go(func() {
				for range mine.IntN(12) + 2 {
					s.act(d, mine)
					if n := d.Pending(); n > s.max {
						s.fault("C5 %d at once", n)
					}
					time.Sleep(time.Duration(mine.IntN(3)) * time.Millisecond)
				}
			})
		}
		wg.Wait()
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		s.mu.Lock()
		if s.closed < 0 {
			s.closed = s.now()
		}
		s.mu.Unlock()
		d.Close(nil)
		d.Close(nil)
		stop()
		synctest.Wait()
		s.judge(d)
		for _, end := range s.ctxs {
			end()
		}
	})
	return strings.Join(s.wrong, "; ")
}

func TestC2_RegistryOracle(t *testing.T) {
	for seed := range uint64(3000) {
		if wrong := tell(t, seed, func(o *callback.RegistryOptions) desk { return callback.NewRegistry[int](o) }); wrong != "" {
			t.Fatalf("seed %d: %s", seed, wrong)
		}
	}
}
