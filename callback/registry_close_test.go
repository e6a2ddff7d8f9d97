package callback_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/benbjohnson/clock"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/future"
)

func TestC7_CloseEndsAllExpectations(t *testing.T) {
	worlds(t, func(t *testing.T, w world) {
		why := errors.New("the shop burns down")
		for _, err := range []error{nil, why} {
			r := callback.NewRegistry[int](&callback.RegistryOptions{Clock: w.clk})
			var fs []*future.Future[int]
			ctx, cancel := context.WithCancel(t.Context())
			for i := range 3000 {
				c := ctx
				if i%2 == 0 {
					c = nil
				}
				_, f := expect(t, r, c, time.Duration(i+1)*time.Second)
				fs = append(fs, f)
			}
			r.Close(err)
			r.Close(errors.New("another reason, which comes too late"))
			is := []error{callback.ErrClosed}
			if err != nil {
				is = append(is, err)
			}
			for _, f := range fs {
				_, got := outcome(t, f)
				ended(t, got, antiphon.CodeUnavailable, antiphon.ClassUnknown, is...)
				if err == nil && got.Error() != callback.ErrClosed.Error() {
					t.Fatal(got)
				}
			}
			if r.Len() != 0 {
				t.Fatal(r.Len())
			}
			_, _, got := r.Expect(none, 0)
			if got != callback.ErrClosed {
				t.Fatal(got)
			}
			ended(t, got, antiphon.CodeUnavailable, antiphon.ClassNotAccepted)
			cancel()
			w.advance(time.Hour)
		}
	})
}

// armed reports whether a mock clock has timers: then it can be moved to them.
func armed(mock *clock.Mock) bool {
	now := mock.Now()
	return mock.WaitForAllTimers() != now
}

func TestC7_CloseLeavesNoTimer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		mock := clock.NewMock()
		r := callback.NewRegistry[int](&callback.RegistryOptions{Clock: mock})
		for i := range 100 {
			expect(t, r, nil, time.Duration(200-i)*time.Hour)
		}
		r.Close(nil)
		if armed(mock) {
			t.Fatal("a timer is left")
		}
		if _, _, err := r.Expect(none, time.Second); err == nil || armed(mock) {
			t.Fatal("a timer was made after all")
		}
	})
}

func TestC7_CloseLeavesNoTimerWhateverIsGoingOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for range 300 {
			mock := clock.NewMock()
			r := callback.NewRegistry[int](&callback.RegistryOptions{Clock: mock})
			var wg sync.WaitGroup
			for i := range 4 {
				wg.Go(func() {
					for d := range 20 {
						id, _, err := r.Expect(none, time.Duration(1000-10*d-i)*time.Second)
						if err == nil {
							_ = r.Touch(id, time.Duration(100-4*d-i)*time.Second)
						}
					}
				})
			}
			wg.Go(func() { r.Close(nil) })
			wg.Wait()
			if n := r.Len(); n != 0 {
				t.Fatal(n, "are left")
			}
			if armed(mock) {
				t.Fatal("a timer is left")
			}
		}
	})
}

func TestC7_TheLastLeavesATimerForItsTimeAtMost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		mock := clock.NewMock()
		r := callback.NewRegistry[int](&callback.RegistryOptions{Clock: mock})
		for range 100 {
			id, _ := expect(t, r, nil, time.Minute)
			_ = r.Resolve(id, 1)
		}
		mock.Add(time.Minute)
		synctest.Wait()
		if armed(mock) {
			t.Fatal("it rings for nothing, again")
		}
	})
}

func TestC7_ARegistryThatNobodyClosesIsCollected(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := callback.NewRegistry[int](nil)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		id, _ := expect(t, r, ctx, time.Minute)
		_, f := expect(t, r, ctx, time.Minute)
		_ = r.Resolve(id, 1)
		time.Sleep(time.Minute)
		if _, err := f.Await(t.Context()); err != callback.ErrExpired {
			t.Fatal(err)
		}
		p := weak.Make(r)
		r = nil
		for range 5 {
			runtime.GC()
		}
		if p.Value() != nil {
			t.Fatal("it is held") // by a timer, or by the context
		}
	})
}

func TestC7_CloseByMany(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for range 100 {
			r := callback.NewRegistry[int](nil)
			var fs []*future.Future[int]
			for range 100 {
				_, f := expect(t, r, t.Context(), 0)
				fs = append(fs, f)
			}
			why := errors.New("the end")
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() { r.Close(why) })
			}
			wg.Wait()
			for _, f := range fs {
				if _, err := outcome(t, f); !errors.Is(err, why) {
					t.Fatal(err)
				}
			}
		}
	})
}

func TestC7_WhileAllElseGoesOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for round := range 100 {
			r := callback.NewRegistry[int](&callback.RegistryOptions{Wait: round%2 == 0, MaxPending: 50})
			var mu sync.Mutex
			var fs []*future.Future[int]
			var wg sync.WaitGroup
			for i := range 6 {
				wg.Go(func() {
					for n := range 30 {
						ctx, cancel := context.WithCancel(t.Context())
						id, f, err := r.Expect(ctx, time.Duration(n%7+1)*time.Millisecond)
						if err != nil {
							cancel()
							continue
						}
						mu.Lock()
						fs = append(fs, f)
						mu.Unlock()
						switch (n + i) % 5 {
						case 0:
							_ = r.Resolve(id, n)
						case 1:
							_ = r.Touch(id, time.Hour)
						case 2:
							cancel()
						case 3:
							time.Sleep(time.Millisecond)
						}
						defer cancel()
					}
				})
			}
			wg.Go(func() {
				time.Sleep(time.Duration(round%9) * time.Millisecond)
				r.Close(nil)
			})
			wg.Wait()
			synctest.Wait()
			for _, f := range fs {
				outcome(t, f)
			}
			if n := r.Len(); n != 0 {
				t.Fatal(n, "are left")
			}
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
			if g.err != nil || r.Len() != 3 {
				t.Fatal(name, g.err, r.Len())
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
		if r.Len() != 2 {
			t.Fatal(r.Len())
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
			if r.Len() != 0 {
				t.Fatal(r.Len())
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
					if got := r.Len(); got > limit {
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
		if r.Len() != 0 {
			t.Fatal(r.Len())
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
