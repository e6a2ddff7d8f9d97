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
			if r.Pending() != 0 {
				t.Fatal(r.Pending())
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
			if n := r.Pending(); n != 0 {
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
			if n := r.Pending(); n != 0 {
				t.Fatal(n, "are left")
			}
		}
	})
}
