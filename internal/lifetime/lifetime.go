// Package lifetime has the contexts of work whose deadlines somebody else keeps: a
// timer for each piece of work would cost more than most of the work.
package lifetime

import (
	"context"
	"sync"
	"time"
)

// A Context ends when it is cancelled, and is often a part of what it is the context of.
// Its deadline is what it says; whoever made it sees to it, and cancels it with the
// cause that Begin was told then: its Err, and that of every context derived from it,
// is context.DeadlineExceeded in that case.
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

// Begin makes c a context with the values of base, which must be one that does not end
// (see context.WithoutCancel). A zero at is no deadline. It is called once, before
// anything else.
func (c *Context) Begin(base context.Context, at time.Time, timeUp error) {
	c.at, c.timeUp = at, timeUp
	c.inner, c.cancel = context.WithCancelCause(base)
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

// Deadline is as Begin was told.
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
