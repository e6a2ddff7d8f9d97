package callback_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/future"
)

func TestExpectFailsIfItsContextHasEnded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, wait := range []bool{false, true} {
			r := callback.NewRegistry[int](&callback.RegistryOptions{Wait: wait})
			why := errors.New("too late")
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(why)
			id, f, err := r.Expect(ctx, 0)
			ended(t, err, antiphon.CodeCanceled, antiphon.ClassNotAccepted, why, context.Canceled)
			if !id.IsZero() || f != nil || r.Pending() != 0 {
				t.Fatal(id, f, r.Pending())
			}
			r.Close(nil)
		}
	})
}

func TestC5_TooManyAreRefusedAtOnce(t *testing.T) {
	worlds(t, func(t *testing.T, w world) {
		const limit = 100
		r := callback.NewRegistry[int](&callback.RegistryOptions{MaxPending: limit, Clock: w.clk})
		defer r.Close(nil)
		ctx, cancel := context.WithCancel(t.Context())
		var ids []callback.ID
		for i := range limit {
			c := ctx
			if i%2 == 0 {
				c = nil
			}
			id, _ := expect(t, r, c, time.Duration(i+1)*time.Second)
			ids = append(ids, id)
		}
		full := func() {
			t.Helper()
			id, f, err := r.Expect(t.Context(), 0)
			if err != callback.ErrFull || !id.IsZero() || f != nil {
				t.Fatal(id, f, err)
			}
			ended(t, err, antiphon.CodeResourceExhausted, antiphon.ClassNotAccepted)
			if n := r.Pending(); n != limit {
				t.Fatal(n)
			}
		}
		again := func() {
			t.Helper()
			expect(t, r, nil, time.Hour)
			full()
		}
		full()
		_ = r.Resolve(ids[limit-1], 1)
		again()
		_ = r.Reject(ids[limit-2], errors.New("no"))
		again()
		w.advance(time.Second)
		again()
		cancel()
		synctest.Wait()
		for range limit/2 - 1 {
			expect(t, r, nil, time.Hour)
		}
		full()
	})
}

func TestC5_NobodyIsRefusedForAnotherThatIs(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const limit = 8
		r := callback.NewRegistry[int](&callback.RegistryOptions{MaxPending: limit})
		defer r.Close(nil)
		var most atomic.Int64
		var wg sync.WaitGroup
		for range 2 * limit {
			wg.Go(func() {
				for range 500 {
					id, f, err := r.Expect(none, 0)
					if n := int64(r.Pending()); n > most.Load() {
						most.Store(n)
					}
					switch {
					case err == nil:
						runtime.Gosched()
						_ = r.Resolve(id, 1)
						_, _ = outcome(t, f)
					case err != callback.ErrFull:
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if n := most.Load(); n > limit {
			t.Fatal(n, "at once")
		}
		for range limit { // nothing was lost by the way
			expect(t, r, nil, 0)
		}
	})
}

func TestX5_ZeroValuesAreSafe(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var r callback.Registry[string]
		if err := r.Resolve(callback.ID{}, "x"); err != callback.ErrUnknownID {
			t.Fatal(err)
		}
		id, f := expect(t, &r, nil, 0)
		if r.Pending() != 1 {
			t.Fatal(r.Pending())
		}
		if err := r.Resolve(id, "x"); err != nil {
			t.Fatal(err)
		}
		if v, err := f.Await(none); v != "x" || err != nil {
			t.Fatal(v, err)
		}
		r.Close(nil)
		for name, use := range map[string]func(r *callback.Registry[string]) error{
			"Reject": func(r *callback.Registry[string]) error { return r.Reject(callback.ID{}, nil) },
			"Touch":  func(r *callback.Registry[string]) error { return r.Touch(callback.ID{}, 0) },
		} {
			if err := use(new(callback.Registry[string])); err != callback.ErrUnknownID {
				t.Error(name, err)
			}
		}
		if n := new(callback.Registry[string]).Pending(); n != 0 {
			t.Error(n)
		}
		var closed callback.Registry[string]
		closed.Close(nil)
		if _, _, err := closed.Expect(none, 0); err != callback.ErrClosed {
			t.Error(err)
		}
	})
}

func TestX5_ZeroValueIsUsedByManyAtFirst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var r callback.Registry[int]
		defer r.Close(nil)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { expect(t, &r, nil, 0) })
		}
		wg.Wait()
		if r.Pending() != 50 {
			t.Fatal(r.Pending())
		}
	})
}

func TestNegativeOptionsAreNamed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for name, o := range map[string]callback.RegistryOptions{
			"MaxPending": {MaxPending: -1},
			"TTL":        {TTL: -1},
		} {
			for _, wait := range []bool{false, true} {
				o.Wait = wait
				r := callback.NewRegistry[int](&o)
				for range 2 {
					_, _, err := r.Expect(none, time.Second)
					ended(t, err, antiphon.CodeInvalidArgument, antiphon.ClassNotAccepted)
					if !strings.Contains(err.Error(), "RegistryOptions."+name) {
						t.Error(err)
					}
				}
				if r.Pending() != 0 || r.Resolve(callback.ID{}, 1) != callback.ErrUnknownID {
					t.Error(name, "is in the way")
				}
				r.Close(nil)
			}
		}
		r := callback.NewRegistry[int](nil)
		_, _, err := r.Expect(none, -1)
		ended(t, err, antiphon.CodeInvalidArgument, antiphon.ClassNotAccepted)
		if r.Pending() != 0 {
			t.Error(r.Pending())
		}
		r.Close(nil)
	})
}

func TestOptionsAreCopied(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := &callback.RegistryOptions{TTL: time.Second}
		r := callback.NewRegistry[int](o)
		defer r.Close(nil)
		*o = callback.RegistryOptions{TTL: time.Hour, MaxPending: -1}
		_, f := expect(t, r, nil, 0)
		time.Sleep(time.Second)
		synctest.Wait()
		if _, err := outcome(t, f); err != callback.ErrExpired {
			t.Fatal(err)
		}
	})
}

// full returns a registry that waits, with n in it and no room.
func full(t *testing.T, n int, clk clock.Clock) (*callback.Registry[int], []callback.ID) {
	r := callback.NewRegistry[int](&callback.RegistryOptions{MaxPending: n, Wait: true, Clock: clk})
	var ids []callback.ID
	for range n {
		id, _ := expect(t, r, nil, time.Minute)
		ids = append(ids, id)
	}
	return r, ids
}

func TestX4_ExpectWaitsForRoomUntilThereIsSome(t *testing.T) {
	worlds(t, func(t *testing.T, w world) {
		for name, makeRoom := range map[string]func(*callback.Registry[int], callback.ID){
			"resolve": func(r *callback.Registry[int], id callback.ID) { _ = r.Resolve(id, 1) },
			"reject":  func(r *callback.Registry[int], id callback.ID) { _ = r.Reject(id, nil) },
			"touch": func(r *callback.Registry[int], id callback.ID) {
				_ = r.Touch(id, time.Second)
				w.advance(time.Second)
			},
		} {
			r, ids := full(t, 3, w.clk)
			type got struct {
				f   *future.Future[int]
				err error
			}
			in := make(chan got, 1)
			go func() {
				_, f, err := r.Expect(t.Context(), 2*time.Minute)
				in <- got{f, err}
			}()
			w.advance(10 * time.Second)
			select {
			case g := <-in:
				t.Fatal(name, "there was no room:", g.err)
			default:
			}
			makeRoom(r, ids[1])
			g := <-in
			if g.err != nil || r.Pending() != 3 {
				t.Fatal(name, g.err, r.Pending())
			}
			w.advance(2*time.Minute - 1) // its time begins now
			pending(t, g.f)
			w.advance(1)
			if _, err := outcome(t, g.f); err != callback.ErrExpired {
				t.Fatal(name, err)
			}
			r.Close(nil)
		}
	})
}

func TestX4_ExpectWaitsAsLongAsItsContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, ids := full(t, 2, nil)
		defer r.Close(nil)
		why := errors.New("I have better things to do")
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() {
			time.Sleep(time.Second)
			cancel(why)
		}()
		began := time.Now()
		_, _, err := r.Expect(ctx, 0)
		ended(t, err, antiphon.CodeCanceled, antiphon.ClassNotAccepted, why)
		if d := time.Since(began); d != time.Second {
			t.Fatal(d)
		}
		_ = r.Resolve(ids[0], 1)
		_, _ = expect(t, r, nil, 0) // whoever gave up takes no room
		if r.Pending() != 2 {
			t.Fatal(r.Pending())
		}
	})
}

func TestC7_CloseReleasesThoseWhoWaitForRoom(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, ctx := range []context.Context{nil, context.Background(), t.Context()} {
			r, _ := full(t, 2, nil)
			const n = 50
			errs := make(chan error, n)
			for range n {
				go func() {
					_, _, err := r.Expect(ctx, 0)
					errs <- err
				}()
			}
			synctest.Wait()
			r.Close(nil)
			synctest.Wait()
			if len(errs) != n {
				t.Fatal(n-len(errs), "still wait")
			}
			for range n {
				if err := <-errs; err != callback.ErrClosed {
					t.Fatal(err)
				}
			}
		}
	})
}

func TestC7_CloseWhileOthersBeginToWait(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for range 500 {
			r, ids := full(t, 2, nil)
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					if _, _, err := r.Expect(none, 0); err != nil && err != callback.ErrClosed {
						t.Error(err)
					}
				})
			}
			wg.Go(func() { _ = r.Resolve(ids[0], 1) })
			wg.Go(func() { r.Close(nil) })
			wg.Wait() // or the bubble says that it is a deadlock
			if r.Pending() != 0 {
				t.Fatal(r.Pending())
			}
		}
	})
}

func TestRoomIsNeitherLostNorMade(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const limit = 5
		var es events
		r := callback.NewRegistry[int](&callback.RegistryOptions{MaxPending: limit, Wait: true, Observer: es.observe})
		defer r.Close(nil)
		var wg sync.WaitGroup
		for i := range 12 {
			wg.Go(func() {
				for n := range 200 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(n%5)*time.Millisecond)
					id, _, err := r.Expect(ctx, time.Duration((n+i)%4+1)*time.Millisecond)
					if errors.Is(err, callback.ErrFull) {
						t.Error("it was refused") // it waits instead
					}
					if got := r.Pending(); got > limit {
						t.Error(got, "at once")
					}
					if err == nil && n%3 == 0 {
						_ = r.Resolve(id, n)
						_ = r.Resolve(id, n)
					}
					cancel()
				}
			})
		}
		wg.Wait()
		time.Sleep(time.Second)
		synctest.Wait()
		if r.Pending() != 0 {
			t.Fatal(r.Pending())
		}
		for range limit {
			expect(t, r, nil, 0)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := r.Expect(ctx, 0); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal("room was made of nothing:", err)
		}
	})
}
