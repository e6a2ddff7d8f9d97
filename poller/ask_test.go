package poller_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/poller"
)

func askBubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, test)
}

// An answer is what a scripted check says: a status, or an error, after a time.
type answer struct {
	st   poller.Status[int]
	err  error
	take time.Duration
}

// A script answers in order, the last again and again, and notes when it was asked.
type script struct {
	t       testing.TB
	answers []answer

	mu    sync.Mutex
	asked []time.Duration // since begin
	ended []time.Duration
	begin time.Time
	busy  bool
}

func scripted(t testing.TB, answers ...answer) *script {
	return &script{t: t, answers: answers, begin: time.Now()}
}

func (s *script) check(ctx context.Context) (poller.Status[int], error) {
	s.mu.Lock()
	if s.busy {
		s.t.Error("two polls at once")
	}
	s.busy = true
	a := s.answers[min(len(s.asked), len(s.answers)-1)]
	s.asked = append(s.asked, time.Since(s.begin))
	s.mu.Unlock()
	if a.take > 0 {
		time.Sleep(a.take)
	}
	s.mu.Lock()
	s.ended = append(s.ended, time.Since(s.begin))
	s.busy = false
	s.mu.Unlock()
	return a.st, a.err
}

// gaps are the times between the end of a poll and the next.
func (s *script) gaps() []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	var gaps []time.Duration
	for i := 1; i < len(s.asked); i++ {
		gaps = append(gaps, s.asked[i]-s.ended[i-1])
	}
	return gaps
}

func (s *script) polls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.asked)
}

func running(percent float64) answer {
	return answer{st: poller.Status[int]{State: antiphon.StateRunning, Percent: percent}}
}

func succeeded(v int) answer {
	return answer{st: poller.Status[int]{State: antiphon.StateSucceeded, Value: v}}
}

func failing(err error) answer { return answer{err: err} }

func hinting(d time.Duration) answer {
	return answer{st: poller.Status[int]{State: antiphon.StateRunning, After: d}}
}

// seenEvents collects what an observer is told.
type seenEvents struct {
	mu  sync.Mutex
	all []antiphon.Event
}

func (s *seenEvents) observe(e antiphon.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, e)
}

func (s *seenEvents) named(name string) (found []antiphon.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.all {
		if e.Name == name {
			found = append(found, e)
		}
	}
	return found
}

// An asking is one of the ways to ask that end in the same: the contracts of Wait are
// those of Watch and Submit too.
type asking struct {
	name string
	ask  func(context.Context, poller.Check[int], *poller.Options) (int, error)
}

var askings = []asking{
	{"Wait", poller.Wait[int]},
	{"Watch", func(ctx context.Context, c poller.Check[int], o *poller.Options) (v int, err error) {
		for st, e := range poller.Watch(ctx, c, o) {
			v, err = 0, e
			if e == nil && st.State == antiphon.StateSucceeded {
				v = st.Value
			}
		}
		return v, err
	}},
	{"Submit", func(ctx context.Context, c poller.Check[int], o *poller.Options) (int, error) {
		var s poller.Scheduler
		defer s.Close()
		return poller.Submit(ctx, &s, c, o).Await(context.Background())
	}},
	{"Submit without a scheduler", func(ctx context.Context, c poller.Check[int], o *poller.Options) (int, error) {
		return poller.Submit(ctx, nil, c, o).Await(context.Background())
	}},
}

// eachAsking runs test for each of the ways to ask, in a bubble of its own.
func eachAsking(t *testing.T, test func(t *testing.T, ask func(context.Context, poller.Check[int], *poller.Options) (int, error))) {
	for _, a := range askings {
		t.Run(a.name, func(t *testing.T) {
			askBubble(t, func(t *testing.T) { test(t, a.ask) })
		})
	}
}

// gaveUpWith checks that err is a PollError because of cause.
func gaveUpWith(t *testing.T, err, cause error) *poller.PollError {
	t.Helper()
	p, ok := err.(*poller.PollError)
	if !ok {
		t.Fatalf("%v (%T) is no PollError", err, err)
	}
	if cause == nil && p.Cause != nil || cause != nil && !errors.Is(p.Cause, cause) {
		t.Fatalf("gave up because of %v, not %v", p.Cause, cause)
	}
	if antiphon.ClassOf(err) != antiphon.ClassUnknown {
		t.Errorf("%v is of class %s", err, antiphon.ClassOf(err))
	}
	return p
}

func isPanic(err error, v any) bool {
	var p *future.PanicError
	return errors.As(err, &p) && p.Value == v && len(p.Stack) > 0
}

func goexits(context.Context) (st poller.Status[int], err error) {
	runtime.Goexit()
	return st, err
}
