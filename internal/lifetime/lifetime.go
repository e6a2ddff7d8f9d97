// Package lifetime has the contexts of work whose deadlines somebody else keeps: a
// timer for each piece of work would cost more than most of the work.
package lifetime

import (
	"context"
	"sync"
	"time"
)

// A Context ends when it is cancelled. Its deadline is what it says; whoever made it
// sees to it, and cancels it with the cause TimeUp then: its Err, and that of every
// context derived from it, is context.DeadlineExceeded in that case.
//
// It has a Done channel of its own, other than that of the context inside, so that
// contexts derived from it ask it, and not the one inside, for Err.
type Context struct {
	inner  context.Context
	cancel context.CancelCauseFunc
	at     time.Time
	timeUp error

	mu     sync.Mutex
	done   chan struct{} // made on first use
	closed bool
}

// New returns a context with the values of base, and not its end. A zero at is no
// deadline.
func New(base context.Context, at time.Time, timeUp error) *Context {
	c := &Context{at: at, timeUp: timeUp}
	c.inner, c.cancel = context.WithCancelCause(context.WithoutCancel(base))
	return c
}

// Cancel ends the context because of cause; nil is context.Canceled. Only the first
// call counts.
func (c *Context) Cancel(cause error) {
	c.cancel(cause)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done != nil && !c.closed {
		close(c.done)
	}
	c.closed = true
}

// Deadline is as New was told.
func (c *Context) Deadline() (time.Time, bool) { return c.at, !c.at.IsZero() }

// Done is closed by Cancel.
func (c *Context) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = make(chan struct{})
		if c.closed {
			close(c.done)
		}
	}
	return c.done
}

// Err is context.DeadlineExceeded if the time is up.
func (c *Context) Err() error {
	err := c.inner.Err()
	if err != nil && c.timeUp != nil && context.Cause(c.inner) == c.timeUp {
		return context.DeadlineExceeded
	}
	return err
}

// Value is that of the base.
func (c *Context) Value(key any) any { return c.inner.Value(key) }

// AfterFunc is how package context learns of the end without a goroutine.
func (c *Context) AfterFunc(f func()) (stop func() bool) { return context.AfterFunc(c.inner, f) }
