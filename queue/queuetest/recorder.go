package queuetest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// A What is what happened in a [Step].
type What string

// What happens to jobs.
const (
	Submitted  What = "submitted"  // stored
	Duplicated What = "duplicated" // submitted, and there already
	Taken      What = "taken"      // handed out
	Ended      What = "ended"      // settled for good, as State says
	Buried     What = "buried"     // settled as a dead letter
	Retried    What = "retried"    // given back, to be tried again after Delay
	Released   What = "released"   // given back uncounted
	Late       What = "late"       // settled under a lease that was over, which changed nothing
	Canceled   What = "canceled"   // somebody wished it to end
	Redriven   What = "redriven"   // brought back from the dead letters; without an ID if all were
	Told       What = "told"       // an event came, whose name is Event
)

// A Step is one thing that happened.
type Step struct {
	At      time.Time
	What    What
	Queue   string
	ID      string        // of the job
	Attempt int           // of Taken and Told
	Since   time.Duration // the step before of the same job that was not Told; 0 if it is the first
	Delay   time.Duration // of Submitted, Retried and Released: how long it is not handed out
	State   antiphon.State
	Err     error
	Event   string // of Told
}

// String is a short sentence, such as "taken, attempt 2, after 1s".
func (s Step) String() string {
	var b strings.Builder
	b.WriteString(string(s.What))
	for _, part := range []struct {
		is   bool
		text string
		of   any
	}{
		{s.Event != "", " %s", s.Event},
		{s.State != "", " as %s", s.State},
		{s.Attempt > 0, ", attempt %d", s.Attempt},
		{s.Delay > 0, ", for %v later", s.Delay},
		{s.Since > 0, ", after %v", s.Since},
		{s.Err != nil, ": %v", s.Err},
	} {
		if part.is {
			fmt.Fprintf(&b, part.text, part.of)
		}
	}
	return b.String()
}

// A Recorder keeps a list of what the queues on a backend did, for tests of programs
// that use them: who was told what, how often a job was tried, how long it waited.
// What other processes do is not in it.
//
// It grows with what happens, and is not for production.
//
// Concurrency: all methods may be called by any number of goroutines.
//
// Delivery and order: the steps of a job are in the order in which they happened;
// those of different jobs may have happened at once.
//
// Zero value: none; use Record.
type Recorder struct {
	backend driver.Backend

	mu    sync.Mutex
	steps []*noted
	last  map[string]time.Time // by queue and id
	more  chan struct{}        // closed at the next step; nil if nobody waits
}

// noted is a step that counts once it is known that it was taken: it is noted before
// the call, so that it comes before what the call brings about.
type noted struct {
	Step
	sure bool
}

// Record returns a recorder of b. Give its Backend to queue.New, and its Observe to
// queue.Options.Observer.
func Record(b driver.Backend) *Recorder {
	r := &Recorder{last: map[string]time.Time{}}
	r.backend = tapped(&tap{b, r})
	return r
}

// Backend returns the backend that is recorded. It has those of driver's optional
// interfaces that the one below has, but no TxPutter. Closing it closes that one.
func (r *Recorder) Backend() driver.Backend { return r.backend }

// Observe notes an event of a queue as Told.
func (r *Recorder) Observe(e antiphon.Event) {
	r.sure(r.note(Step{What: Told, Queue: e.Kind, ID: e.ID, Attempt: e.Attempt, Delay: e.Duration, Err: e.Err, Event: e.Name}))
}

// Steps returns all steps.
func (r *Recorder) Steps() []Step { return r.those(func(Step) bool { return true }) }

// Of returns the steps of a job.
func (r *Recorder) Of(id string) []Step { return r.those(func(s Step) bool { return s.ID == id }) }

// Count returns how many steps of a kind there are.
func (r *Recorder) Count(w What) int {
	return len(r.those(func(s Step) bool { return s.What == w }))
}

// Await waits until there are n steps of a kind. It fails with what ended ctx.
func (r *Recorder) Await(ctx context.Context, w What, n int) error {
	for {
		r.mu.Lock()
		if r.more == nil {
			r.more = make(chan struct{})
		}
		more := r.more
		r.mu.Unlock()
		if r.Count(w) >= n {
			return nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return fmt.Errorf("queuetest: %d of %d were %s: %w", r.Count(w), n, w, context.Cause(ctx))
		}
	}
}

func (r *Recorder) those(which func(Step) bool) (steps []Step) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range r.steps {
		if n.sure && which(n.Step) {
			steps = append(steps, n.Step)
		}
	}
	return steps
}

// note begins a step that may yet fail.
func (r *Recorder) note(s Step) *noted {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := &noted{Step: s}
	n.At = time.Now()
	r.steps = append(r.steps, n)
	return n
}

// sure makes steps count.
func (r *Recorder) sure(steps ...*noted) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range steps {
		n.sure = true
		if n.What == Told { // of something that is a step itself
			continue
		}
		job := n.Queue + "\x00" + n.ID
		if last, ok := r.last[job]; ok {
			n.Since = n.At.Sub(last)
		}
		r.last[job] = n.At
	}
	if r.more != nil && len(steps) > 0 {
		close(r.more)
		r.more = nil
	}
}
