package callback

import (
	"context"
	"sync"
	"time"

	"github.com/antiphon-go/antiphon"
)

// A jobContext is the life of a job: that of a context with the asker's deadline,
// by the peer's clock, and with the asker's wish to end it.
//
// Most work never waits for its context to end. So the parts that this needs, a
// context of the standard library that is ended by an entry in a table, are made
// when somebody asks for the channel or derives a context. What is derived is
// derived from that one: it ends with the very same error and cause, and costs no
// goroutine.
type jobContext struct {
	deadline time.Time // zero for none

	mu     sync.Mutex
	values context.Context
	told   bool  // values has what the work is told
	err    error // context.Canceled or context.DeadlineExceeded, if there is no std
	why    error // one of those below, or why the connection or the peer has ended
	std    context.Context
	cancel context.CancelCauseFunc // of std
	glass  *hourglass              // its parent, if there is a deadline
	timer  ID                      // in jobs.times
}

var errTimeUp error = &antiphon.Error{
	Code:    antiphon.CodeDeadlineExceeded,
	Class:   antiphon.ClassUnknown,
	Reason:  "callback.time_up",
	Message: "callback: the asker's time is up",
}

// Deadline is the asker's.
func (j *job) Deadline() (time.Time, bool) { return j.deadline, !j.deadline.IsZero() }

func (j *job) Done() <-chan struct{} { return j.standard().Done() }

func (j *job) Err() error {
	over := j.over()
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.std != nil {
		return j.std.Err()
	}
	if over && j.err == nil {
		j.err, j.why = context.DeadlineExceeded, errTimeUp
	}
	return j.err
}

func (j *job) over() bool {
	return !j.deadline.IsZero() && !j.service.peer.clock.Now().Before(j.deadline)
}

func (j *job) Value(key any) any {
	if _, ok := key.(*int); ok {
		// Package context looks for a context of its own, under such a key.
		return j.standard().Value(key)
	}
	return j.carries().Value(key)
}

// standard returns the context of the standard library that j is.
func (j *job) standard() context.Context {
	_ = j.Err() // if the time is over, that is noted now
	times := j.service.peer.jobs.times
	j.mu.Lock()
	if j.std != nil {
		defer j.mu.Unlock()
		return j.std
	}
	parent, lives := j.values, j.err == nil
	if !j.deadline.IsZero() {
		j.glass = &hourglass{Context: parent, deadline: j.deadline, done: make(chan struct{})}
		if j.err == context.DeadlineExceeded {
			j.glass.end()
		}
		parent = j.glass
	}
	j.std, j.cancel = context.WithCancelCause(parent)
	if !lives {
		j.cancel(j.why)
	}
	std := j.std
	j.mu.Unlock()
	if !lives || j.deadline.IsZero() {
		return std
	}
	timer, err := times.add(j, times.at(j.deadline))
	if err != nil {
		return std // the peer is closed
	}
	j.mu.Lock()
	over := std.Err() != nil
	if !over {
		j.timer = timer
	}
	j.mu.Unlock()
	if over {
		_, _ = times.remove(timer, gone)
	}
	return std
}

// end ends the context, with cause why.
func (j *job) end(why error) {
	j.mu.Lock()
	if j.err == nil {
		j.err, j.why = context.Canceled, why
	}
	cancel, timer := j.cancel, j.timer
	j.timer = ID{}
	j.mu.Unlock()
	if cancel != nil {
		cancel(why)
	}
	if !timer.IsZero() {
		_, _ = j.service.peer.jobs.times.remove(timer, gone)
	}
}

// due: the asker's time is up.
func (j *job) due(id ID, _ moment) {
	if !j.service.peer.jobs.times.removeDue(id) {
		return
	}
	j.mu.Lock()
	if j.err == nil {
		j.err, j.why = context.DeadlineExceeded, errTimeUp
	}
	j.timer = ID{}
	j.mu.Unlock()
	j.glass.end()
}

// cause is why the context has ended.
func (j *job) cause() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.why
}

// unwanted reports whether nobody waits for the answer any more, as far as that is
// known without a look at the clock.
func (j *job) unwanted() bool {
	why := j.cause()
	return why == errTimeUp || why == errAskerGone
}

// An hourglass is a context that ends when it is told that its deadline has come,
// and only so: what context.WithDeadline makes, by another clock. It has one child.
type hourglass struct {
	context.Context
	deadline time.Time
	done     chan struct{}

	mu   sync.Mutex
	err  error
	then func()
}

func (h *hourglass) Deadline() (time.Time, bool) { return h.deadline, true }
func (h *hourglass) Done() <-chan struct{}       { return h.done }

func (h *hourglass) Err() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}

// AfterFunc is what package context calls for a child, which else costs a
// goroutine. The child is ended on the goroutine that calls end.
func (h *hourglass) AfterFunc(f func()) (stop func() bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.then = f
	return func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		stopped := h.then != nil
		h.then = nil
		return stopped
	}
}

func (h *hourglass) end() {
	h.mu.Lock()
	first := h.err == nil
	then := h.then
	if first {
		h.err, h.then = context.DeadlineExceeded, nil
		close(h.done)
	}
	h.mu.Unlock()
	if first && then != nil {
		then()
	}
}
