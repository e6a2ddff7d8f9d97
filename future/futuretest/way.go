package futuretest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/internal/suite"
)

// Query is what the suite asks. It fits any codec.
type Query struct {
	N    int    `json:"n"`              // numbers the asks of one rule
	Text string `json:"text,omitempty"` // any valid UTF-8, up to 8 KiB
}

// Answer is what the suite expects back.
type Answer struct {
	N    int    `json:"n"`              // that of the Query
	Text string `json:"text,omitempty"` // that of the Query
}

type (
	// Func is the work that the suite has answered.
	Func = future.Func[Query, Answer]
	// Asker is how the suite asks.
	Asker = future.Asker[Query, Answer]
)

// A Way describes what is to be tested. The law as it stands is the default;
// the fields say what a way promises beyond it, or lacks and says so in its
// documentation.
type Way struct {
	// Open starts an answering end for f and returns the asking end of it. It is
	// called once for each rule, and registers with tb.Cleanup what ends both.
	// It may fail the test through tb.
	Open func(tb testing.TB, f Func) Asker

	// ExactlyOnce promises that f is called once for each ask that is accepted;
	// otherwise f is called at least once.
	ExactlyOnce bool
	// NoCancel: ending the asker's context does not reach f.
	NoCancel bool
	// NoDeadline: f does not learn the asker's deadline. The future settles by
	// then all the same.
	NoDeadline bool
	// NoProgress: what f reports does not reach the asker.
	NoProgress bool
	// NoTrace: the trace of the asker's context does not reach f; see
	// antiphon.TraceFrom.
	NoTrace bool
	// NoGoexit: runtime.Goexit in f is not survived.
	NoGoexit bool

	// Codec is what the way encodes values with, for antiphon.DataAs. nil means
	// antiphon.JSON{}.
	Codec antiphon.Codec

	// Bubble runs each rule in a testing/synctest bubble of its own, in virtual
	// time: a goroutine that is left fails the test, and times are exact. It
	// needs a way that does nothing outside the process, and in which nobody
	// waits for a mutex whose holder waits: that stops virtual time, and after
	// Patience, but at least two minutes, the process.
	Bubble bool
	// Patience is how long the suite waits for what must happen. 0 means 10 s.
	Patience time.Duration
	// Slack is by how much a deadline may be overrun, for the scheduler's and
	// the wire's sake. 0 means none in a bubble, and 1 s elsewhere.
	Slack time.Duration
}

// TestAsker checks w against every rule of the law, each in a subtest.
func TestAsker(t *testing.T, w Way) {
	for _, r := range rules {
		if lack := r.Lacks(w); lack != "" {
			t.Logf("%s: not promised by this way: %s", r.Name, lack)
			continue
		}
		t.Run(r.Name, func(t *testing.T) {
			w.world().Enter(t, r.Name, func(t *testing.T) { r.Run(newTrial(t, w)) })
		})
	}
}

func (w Way) world() suite.World {
	if w.Slack <= 0 && !w.Bubble {
		w.Slack = time.Second
	}
	return suite.World{
		Suite: "futuretest", Asks: "does the way hold a mutex while it waits, or wait for something outside?",
		Bubble: w.Bubble, Patience: w.Patience, Slack: w.Slack,
	}
}

type (
	rule = suite.Rule[*trial, Way]
	need = suite.Need[Way]
)

// A trial is one rule being checked.
type trial struct {
	*suite.Trial
	way Way

	mu    sync.Mutex
	calls map[int]int // of f, by Query.N
}

func newTrial(tb testing.TB, w Way) *trial {
	t := w.world().Begin(tb)
	w.Patience, w.Slack = t.Patience, t.Slack
	return &trial{Trial: t, way: w, calls: make(map[int]int)}
}

// open opens the way around f, whose calls are counted.
func (t *trial) open(f Func) Asker {
	t.Helper()
	ask := t.way.Open(t, func(ctx context.Context, q Query) (Answer, error) {
		t.mu.Lock()
		t.calls[q.N]++
		t.mu.Unlock()
		return f(ctx, q)
	})
	if ask == nil {
		t.Fatalf("Open returned a nil Asker")
	}
	return func(ctx context.Context, q Query) *future.Future[Answer] {
		t.Helper()
		f := ask(ctx, q)
		if f == nil {
			t.Fatalf("the Asker returned a nil future")
		}
		return f
	}
}

func (t *trial) called(n int) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.calls[n]
}

// outcome waits for f, which has to settle in time.
func (t *trial) outcome(f *future.Future[Answer]) future.Result[Answer] {
	t.Helper()
	t.Within("the future did not settle", f.Done())
	r, ok := f.Peek()
	if !ok {
		t.Fatalf("Done is closed, but Peek sees no outcome")
	}
	return r
}

// answered is outcome where it has to be a value.
func (t *trial) answered(f *future.Future[Answer]) Answer {
	t.Helper()
	r := t.outcome(f)
	if r.Err != nil {
		t.Fatalf("the future failed: %v", r.Err)
	}
	return r.Value
}

// echo is the simplest work.
func echo(_ context.Context, q Query) (Answer, error) { return Answer(q), nil }
