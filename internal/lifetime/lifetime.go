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
// contexts derived from it ask it, and not the one inside, for Err. Both are made when
// somebody asks for them: most work never does.
type Context struct {
	base   context.Context
	at     time.Time
	timeUp error

	mu     sync.Mutex
	inner  context.Context // for package context, which knows its own kind only; or nil
	cancel context.CancelCauseFunc
	done   chan struct{} // or nil
	cause  error         // why it has ended; nil if it has not
	closed bool          // done is, if it is there
}

// Begin makes c a context with the values of base, which must be one that does not end
// (see context.WithoutCancel). A zero at is no deadline. It is called once, before
// anything else.
func (c *Context) Begin(base context.Context, at time.Time, timeUp error) {
	c.base, c.at, c.timeUp = base, at, timeUp
}

// Cancel ends the context because of cause; nil is context.Canceled. Only the first
// call counts.
func (c *Context) Cancel(cause error) {
	if cause == nil {
		cause = context.Canceled
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause != nil {
		return
	}
	c.cause = cause
	if cancel := c.cancel; cancel != nil {
		c.mu.Unlock() // it calls what was derived from c
		cancel(cause)
		c.mu.Lock()
	}
	if c.done != nil {
		close(c.done) // who waits for it finds the cause
	}
	c.closed = true
}

// Cause is why the context has ended, or nil: context.Cause without its search.
func (c *Context) Cause() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause
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
	switch cause := c.Cause(); {
	case cause == nil:
		return nil
	case cause == c.timeUp:
		return context.DeadlineExceeded
	}
	return context.Canceled
}

// Value is that of the base.
func (c *Context) Value(key any) any {
	if v := c.base.Value(key); v != nil {
		return v
	}
	return c.inside().Value(key) // package context may be looking for its own kind
}

// AfterFunc is how package context learns of the end without a goroutine.
func (c *Context) AfterFunc(f func()) (stop func() bool) { return context.AfterFunc(c.inside(), f) }

// inside returns the context inside.
func (c *Context) inside() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inner == nil {
		c.inner, c.cancel = context.WithCancelCause(c.base)
		if c.cause != nil {
			c.cancel(c.cause) // nobody has derived anything from it yet
		}
	}
	return c.inner
}
