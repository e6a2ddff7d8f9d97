package callback_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/future"
)

func TestX2_ADayInABubble(t *testing.T) {
	bubble(t, func(t *testing.T) { // which fails if anything is left, and if time does not pass
		began := time.Now()
		var r callback.Registry[int]
		for range 24 {
			id, f := expect(t, &r, t.Context(), 2*time.Hour)
			_, g := expect(t, &r, none, time.Hour)
			if _, err := g.Await(t.Context()); err != callback.ErrExpired {
				t.Fatal(err)
			}
			if err := r.Resolve(id, 1); err != nil {
				t.Fatal(err)
			}
			if _, err := f.Await(none); err != nil {
				t.Fatal(err)
			}
		}
		if d := time.Since(began); d != 24*time.Hour {
			t.Fatal(d)
		}
	})
}

func TestC3_ExpiresAtItsTimeAndNotBefore(t *testing.T) {
	worlds(t, func(t *testing.T, w world) {
		r := callback.NewRegistry[int](&callback.RegistryOptions{Clock: w.clk})
		defer r.Close(nil)
		for _, ttl := range []time.Duration{1, 2, time.Microsecond, time.Millisecond - 1, time.Second, 90 * time.Minute, 9000 * time.Hour} {
			_, f := expect(t, r, nil, ttl)
			w.advance(ttl - 1)
			pending(t, f)
			w.advance(1)
			_, err := outcome(t, f)
			if err != callback.ErrExpired {
				t.Fatal(err)
			}
			ended(t, err, antiphon.CodeDeadlineExceeded, antiphon.ClassUnknown, context.DeadlineExceeded)
			if r.Pending() != 0 {
				t.Fatal("it was not let go")
			}
		}
	})
}

func TestC3_InTheOrderOfTheirTimes(t *testing.T) {
	worlds(t, func(t *testing.T, w world) {
		r := callback.NewRegistry[int](&callback.RegistryOptions{Clock: w.clk})
		defer r.Close(nil)
		const n = 3000
		fs := make([]*future.Future[int], n)
		for i := range fs { // 1 to n ms, mixed up
			_, fs[i*1009%n] = expect(t, r, nil, time.Duration(i*1009%n+1)*time.Millisecond)
		}
		for i := range fs {
			if i > 0 {
				if _, err := outcome(t, fs[i-1]); err != callback.ErrExpired {
					t.Fatal(i, err)
				}
			}
			pending(t, fs[i])
			w.advance(time.Millisecond)
		}
	})
}

func TestC3_ALongTimeIsNoShortOne(t *testing.T) {
	worlds(t, func(t *testing.T, w world) {
		r := callback.NewRegistry[int](&callback.RegistryOptions{Clock: w.clk})
		w.advance(time.Hour)
		id, f := expect(t, r, nil, 1<<63-1) // 292 years: together more than a moment can be
		_, g := expect(t, r, nil, 1<<62)
		w.advance(24 * time.Hour)
		pending(t, f)
		pending(t, g)
		if err := r.Touch(id, 1<<63-1); err != nil {
			t.Fatal(err)
		}
		w.advance(24 * time.Hour)
		pending(t, f)
		if err := r.Touch(id, time.Second); err != nil {
			t.Fatal(err)
		}
		w.advance(time.Second)
		if _, err := outcome(t, f); err != callback.ErrExpired {
			t.Fatal(err)
		}
		r.Close(nil)
	})
}

func TestC3_TTLOfTheRegistry(t *testing.T) {
	worlds(t, func(t *testing.T, w world) {
		for want, o := range map[time.Duration]*callback.RegistryOptions{
			30 * time.Second: {Clock: w.clk},
			7 * time.Second:  {Clock: w.clk, TTL: 7 * time.Second},
		} {
			r := callback.NewRegistry[int](o)
			id, f := expect(t, r, nil, 0)
			w.advance(want - 1)
			pending(t, f)
			if err := r.Touch(id, 0); err != nil { // as much again
				t.Fatal(err)
			}
			w.advance(want - 1)
			pending(t, f)
			w.advance(1)
			if _, err := outcome(t, f); err != callback.ErrExpired {
				t.Fatal(err)
			}
			r.Close(nil)
		}
	})
}

func TestC3_TouchGivesAnotherTime(t *testing.T) {
	worlds(t, func(t *testing.T, w world) {
		r := callback.NewRegistry[int](&callback.RegistryOptions{Clock: w.clk})
		defer r.Close(nil)
		id, f := expect(t, r, nil, time.Second)
		for range 100 { // longer
			w.advance(time.Second - 1)
			if err := r.Touch(id, time.Second); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.Touch(id, time.Millisecond); err != nil { // and shorter
			t.Fatal(err)
		}
		w.advance(time.Millisecond - 1)
		pending(t, f)
		if err := r.Touch(id, -1); antiphon.CodeOf(err) != antiphon.CodeInvalidArgument {
			t.Fatal(err)
		}
		w.advance(1)
		if _, err := outcome(t, f); err != callback.ErrExpired {
			t.Fatal(err)
		}
		if err := r.Touch(id, time.Second); err != callback.ErrLate {
			t.Fatal(err)
		}
	})
}

func TestC4_ContextThatEndsFreesTheEntryBeforeTheFutureSettles(t *testing.T) {
	why := errors.New("the shop has closed")
	for name, end := range map[string]struct {
		with func(context.Context) (context.Context, func())
		code antiphon.Code
		is   []error
	}{
		"cancel": {func(ctx context.Context) (context.Context, func()) {
			c, cancel := context.WithCancel(ctx)
			return c, cancel
		}, antiphon.CodeCanceled, []error{context.Canceled}},
		"cause": {func(ctx context.Context) (context.Context, func()) {
			c, cancel := context.WithCancelCause(ctx)
			return c, func() { cancel(why) }
		}, antiphon.CodeCanceled, []error{why, context.Canceled}},
		"deadline": {func(ctx context.Context) (context.Context, func()) {
			c, cancel := context.WithTimeout(ctx, time.Second)
			_ = cancel // its parent does it
			return c, func() {}
		}, antiphon.CodeDeadlineExceeded, []error{context.DeadlineExceeded}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := callback.NewRegistry[int](&callback.RegistryOptions{MaxPending: 1})
				defer r.Close(nil)
				ctx, finish := end.with(t.Context())
				id, f := expect(t, r, ctx, time.Hour)
				looked := future.Recover(f, func(err error) (int, error) { // on the goroutine that settles it
					if n := r.Pending(); n != 0 {
						t.Error(n, "are left")
					}
					if err := r.Resolve(id, 1); err != callback.ErrLate {
						t.Error(err)
					}
					id, _, err2 := r.Expect(none, 0) // there is room
					if err2 != nil {
						t.Error(err2)
					}
					return 1, r.Resolve(id, 1)
				})
				began := time.Now()
				finish()
				if _, err := looked.Await(none); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began); took > time.Second {
					t.Fatal("it took", took)
				}
				_, err := outcome(t, f)
				ended(t, err, end.code, antiphon.ClassUnknown, end.is...)
			})
		})
	}
}

func TestC4_HoweverItEndsTheEntryIsFreedFirst(t *testing.T) {
	worlds(t, func(t *testing.T, w world) {
		for name, end := range map[string]func(*callback.Registry[int], callback.ID){
			"resolve": func(r *callback.Registry[int], id callback.ID) { _ = r.Resolve(id, 1) },
			"reject":  func(r *callback.Registry[int], id callback.ID) { _ = r.Reject(id, nil) },
			"expire":  func(*callback.Registry[int], callback.ID) { w.advance(time.Second) },
			"close":   func(r *callback.Registry[int], _ callback.ID) { r.Close(nil) },
		} {
			r := callback.NewRegistry[int](&callback.RegistryOptions{Clock: w.clk})
			id, f := expect(t, r, nil, time.Second)
			look := func() (int, error) {
				if n := r.Pending(); n != 0 {
					t.Error(name, n, "are left")
				}
				if err := r.Touch(id, time.Second); !errors.Is(err, callback.ErrOrphan) {
					t.Error(name, err)
				}
				return 5, nil
			}
			looked := future.Recover(future.Map(f, func(int) (int, error) { return look() }), func(error) (int, error) { return look() })
			end(r, id)
			if v, err := looked.Await(t.Context()); v != 5 || err != nil {
				t.Fatal(v, err)
			}
			r.Close(nil)
		}
	})
}
