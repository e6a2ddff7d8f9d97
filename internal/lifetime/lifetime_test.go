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
