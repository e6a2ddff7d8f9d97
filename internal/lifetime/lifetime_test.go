package lifetime_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon/internal/lifetime"
)

var errTimeUp = errors.New("time up")

func TestDerivedContextsAgree(t *testing.T) {
	other := errors.New("another reason")
	for name, tt := range map[string]struct{ cause, err error }{
		"time up":  {errTimeUp, context.DeadlineExceeded},
		"canceled": {other, context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				type key struct{}
				base, end := context.WithCancel(context.WithValue(t.Context(), key{}, "v"))
				at := time.Now().Add(time.Hour)
				c := new(lifetime.Context)
				c.Begin(context.WithoutCancel(base), at, errTimeUp)
				child, cancel := context.WithCancel(c)
				defer cancel()
				timed, cancel := context.WithTimeout(child, 2*time.Hour)
				defer cancel()
				all := []context.Context{c, child, timed, context.WithValue(c, key{}, 1)}
				end()
				synctest.Wait()
				for i, ctx := range all {
					if d, ok := ctx.Deadline(); !ok || !d.Equal(at) || ctx.Err() != nil {
						t.Errorf("%d before: %v %v %v", i, d, ok, ctx.Err())
					}
				}
				if c.Value(key{}) != "v" {
					t.Error("the base's value is lost")
				}
				c.Cancel(tt.cause)
				c.Cancel(errors.New("too late"))
				for i, ctx := range all {
					<-ctx.Done()
					if ctx.Err() != tt.err || context.Cause(ctx) != tt.cause {
						t.Errorf("%d: %v because of %v", i, ctx.Err(), context.Cause(ctx))
					}
				}
			})
		})
	}
}

func TestNoDeadline(t *testing.T) {
	c := new(lifetime.Context)
	c.Begin(context.Background(), time.Time{}, nil)
	if _, ok := c.Deadline(); ok {
		t.Error("it has a deadline")
	}
	c.Cancel(nil)
	if c.Err() != context.Canceled {
		t.Error(c.Err())
	}
}

// What is derived from a context that has ended has ended, for the same reason; and so
// has what is derived as it ends.
func TestDerivedLate(t *testing.T) {
	other := errors.New("another reason")
	synctest.Test(t, func(t *testing.T) {
		c := new(lifetime.Context)
		c.Begin(context.Background(), time.Time{}, errTimeUp)
		if c.Cause() != nil {
			t.Error(c.Cause())
		}
		c.Cancel(other)
		child, cancel := context.WithCancel(c)
		defer cancel()
		<-child.Done()
		if child.Err() != context.Canceled || context.Cause(child) != other || c.Cause() != other || context.Cause(c) != other {
			t.Error(child.Err(), context.Cause(child), c.Cause())
		}
		ran := false
		stop := context.AfterFunc(c, func() { ran = true })
		synctest.Wait()
		if !ran || stop() {
			t.Error("what is to run after the end has not run")
		}
		for range 100 {
			c := new(lifetime.Context)
			c.Begin(context.Background(), time.Time{}, errTimeUp)
			go c.Cancel(other)
			go func() { c.Value(1) }()
			child, cancel := context.WithCancel(c)
			defer cancel()
			<-child.Done()
			if <-c.Done(); context.Cause(child) != other || context.Cause(c) != other {
				t.Error(context.Cause(child))
			}
		}
	})
}
