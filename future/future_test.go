package future_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
)

var (
	errBoom  = errors.New("boom")
	errCause = errors.New("the reason")
)

// bubble runs f in virtual time; a goroutine that is left fails the test.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

func mustBe[T comparable](t testing.TB, f *future.Future[T], v T, err error) {
	t.Helper()
	got, gotErr := f.Await(context.Background())
	if got != v || !errors.Is(gotErr, err) || (err == nil) != (gotErr == nil) {
		t.Errorf("settled with %v, %v; want %v, %v", got, gotErr, v, err)
	}
}

func TestF1_ExactlyOneCallDecides(t *testing.T) {
	for range 200 {
		bubble(t, func(t *testing.T) {
			var p future.Promise[int]
			var won atomic.Int32
			var winner atomic.Int64
			for i := range 30 {
				go func() {
					var decided bool
					switch i % 3 {
					case 0:
						decided = p.Resolve(i)
					case 1:
						decided = p.Reject(fmt.Errorf("%d", i))
					case 2:
						decided = p.Settle(i, nil)
					}
					if decided {
						won.Add(1)
						winner.Store(int64(i))
					}
				}()
			}
			synctest.Wait()
			if won.Load() != 1 {
				t.Fatalf("%d calls decided", won.Load())
			}
			v, err := p.Future().Await(t.Context())
			if w := int(winner.Load()); w%3 == 1 && (err == nil || err.Error() != fmt.Sprint(w)) || w%3 != 1 && v != w {
				t.Fatalf("call %d decided, the outcome is %d, %v", w, v, err)
			}
		})
	}
}

// Every kind of waiter, from before and from after, sees the outcome.
func TestF2_EveryWaiterSeesTheOutcome(t *testing.T) {
	for _, want := range []future.Result[string]{{Value: "v"}, {Err: errBoom}, {Value: "both", Err: errBoom}} {
		bubble(t, func(t *testing.T) {
			var p future.Promise[string]
			f := p.Future()
			cancellable, cancel := context.WithCancel(context.Background())
			defer cancel()
			var seen atomic.Int32
			saw := func(kind string, r future.Result[string]) {
				if r != want {
					t.Errorf("%s saw %v, want %v", kind, r, want)
				}
				seen.Add(1)
			}
			watch := func() {
				for kind, ctx := range map[string]context.Context{"Await": cancellable, "Await with Background": context.Background(), "Await with nil": nil} {
					go func() {
						v, err := f.Await(ctx)
						saw(kind, future.Result[string]{Value: v, Err: err})
					}()
				}
				go func() {
					<-f.Done()
					r, ok := f.Peek()
					if !ok {
						t.Error("Done is closed, Peek sees nothing")
					}
					saw("Done", r)
				}()
				f.OnDone(func(r future.Result[string]) { saw("OnDone", r) })
			}
			for range 3 {
				watch()
			}
			synctest.Wait()
			if _, ok := f.Peek(); ok || seen.Load() != 0 {
				t.Fatalf("%d waiters saw an outcome before there was one", seen.Load())
			}
			p.Settle(want.Get())
			for range 3 {
				watch()
			}
			synctest.Wait()
			if seen.Load() != 2*3*5 {
				t.Errorf("%d of %d waiters were released", seen.Load(), 2*3*5)
			}
		})
	}
}

func TestF3_WaiterGivesUpWithTheCause(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var p future.Promise[int]
		ctx, cancel := context.WithCancelCause(context.Background())
		time.AfterFunc(time.Second, func() { cancel(errCause) })
		_, err := p.Future().Await(ctx)
		for _, want := range []error{future.ErrPending, context.Canceled, errCause} {
			if !errors.Is(err, want) {
				t.Errorf("%v is not %v", err, want)
			}
		}
		if antiphon.ClassOf(err) != antiphon.ClassUnknown || antiphon.CodeOf(err) != antiphon.CodeCanceled {
			t.Errorf("%v: class %s, code %s", err, antiphon.ClassOf(err), antiphon.CodeOf(err))
		}
		timed, cancelTimed := context.WithTimeout(context.Background(), time.Second)
		defer cancelTimed()
		start := time.Now()
		_, err = p.Future().Await(timed)
		if !errors.Is(err, future.ErrPending) || !errors.Is(err, context.DeadlineExceeded) || antiphon.CodeOf(err) != antiphon.CodeDeadlineExceeded {
			t.Errorf("%v, code %s", err, antiphon.CodeOf(err))
		}
		if time.Since(start) != time.Second {
			t.Errorf("gave up after %v", time.Since(start))
		}
		if _, err := p.Future().Await(ctx); !errors.Is(err, future.ErrPending) {
			t.Errorf("with a context that has ended: %v", err)
		}
		if _, settled := p.Future().Peek(); settled {
			t.Error("giving up settled the future")
		}
		if !p.Resolve(7) {
			t.Error("giving up took the promise")
		}
		mustBe(t, p.Future(), 7, nil)
	})
}

func TestErrorOfTheWorkIsNotPending(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		f := future.Go(ctx, func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		})
		if _, err := f.Await(context.Background()); errors.Is(err, future.ErrPending) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	})
}

func TestF4_TheValueWins(t *testing.T) {
	over, cancel := context.WithCancel(context.Background())
	cancel()
	if v, err := future.Of(7).Await(over); v != 7 || err != nil {
		t.Errorf("%d, %v", v, err)
	}
	for range 1000 { // both become ready while the waiter is parked
		bubble(t, func(t *testing.T) {
			var p future.Promise[int]
			ctx, cancel := context.WithCancel(context.Background())
			got := make(chan error, 1)
			go func() {
				_, err := p.Future().Await(ctx)
				got <- err
			}()
			synctest.Wait()
			p.Resolve(7)
			cancel()
			if err := <-got; err != nil {
				t.Fatalf("lost to the context: %v", err)
			}
		})
	}
}

func TestF5_PendingCostsNoGoroutine(t *testing.T) {
	bubble(t, func(t *testing.T) {
		before := runtime.NumGoroutine()
		ps := make([]future.Promise[int], 1000)
		var fs []*future.Future[int]
		for i := range ps {
			fs = append(fs, future.Map(ps[i].Future(), func(i int) (int, error) { return i, nil }))
		}
		all := future.All(fs...)
		if now := runtime.NumGoroutine(); now > before {
			t.Errorf("%d goroutines for %d pending futures", now-before, len(ps))
		}
		for i := range ps {
			ps[i].Resolve(i)
		}
		if vs, err := all.Await(context.Background()); len(vs) != len(ps) || vs[999] != 999 || err != nil {
			t.Errorf("%d values, %v", len(vs), err)
		}
	})
}

func TestSizeOfAFuture(t *testing.T) {
	// {mu, head, done, park, val, err}
	if got, want := unsafe.Sizeof(future.Future[int]{}), uintptr(48+8); unsafe.Sizeof(uintptr(0)) == 8 && got != want {
		t.Errorf("%d bytes, the documentation says %d", got, want)
	}
	if unsafe.Sizeof(future.Promise[int]{}) != unsafe.Sizeof(future.Future[int]{}) {
		t.Error("a promise is larger than its future")
	}
}

func TestReadingASettledFutureDoesNotAllocate(t *testing.T) {
	f, ctx := future.Of(7), t.Context()
	if n := testing.AllocsPerRun(100, func() {
		_, _ = f.Await(ctx)
		_, _ = f.Peek()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	var p future.Promise[int]
	if n := testing.AllocsPerRun(100, func() { _, _ = p.Future().Peek() }); n != 0 {
		t.Errorf("%v allocations to peek at a pending one", n)
	}
}

func TestF7_CallbacksRunOnceAndMayReenter(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var p future.Promise[int]
		f := p.Future()
		var mu sync.Mutex
		var order []int
		calls := map[int]int{}
		for i := range 10 {
			f.OnDone(func(r future.Result[int]) {
				mu.Lock()
				order = append(order, i)
				calls[i]++
				mu.Unlock()
				if p.Resolve(8) { // re-enters, on its own goroutine
					t.Error("settled twice")
				}
				mustBe(t, f, 7, nil)
				inner := make(chan struct{})
				f.OnDone(func(future.Result[int]) { close(inner) })
				<-inner
			})
		}
		f.OnDone(func(future.Result[int]) { panic("harms nobody") })
		f.OnDone(func(future.Result[int]) { runtime.Goexit() })
		f.OnDone(nil)()
		after := make(chan struct{})
		f.OnDone(func(future.Result[int]) { <-after }) // a slow one holds nobody up
		p.Resolve(7)
		synctest.Wait()
		if len(order) != 10 {
			t.Errorf("%d of 10 callbacks ran", len(order))
		}
		for i, n := range calls {
			if n != 1 {
				t.Errorf("callback %d ran %d times", i, n)
			}
		}
		close(after)
	})
}

// The rules of context.AfterFunc.
func TestF7_StopUnregisters(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var p future.Promise[int]
		ran := 0
		stop := p.Future().OnDone(func(future.Result[int]) { ran++ })
		if !stop() || stop() {
			t.Error("stop is to report true once")
		}
		late := p.Future().OnDone(func(future.Result[int]) { ran += 10 })
		p.Resolve(7)
		synctest.Wait()
		if late() || p.Future().OnDone(func(future.Result[int]) { ran += 100 })() {
			t.Error("stop reports true of a callback that was started")
		}
		synctest.Wait()
		if ran != 110 {
			t.Errorf("ran %d", ran)
		}
	})
}

func TestValueAndErrorAreSeparate(t *testing.T) {
	var e future.Promise[error]
	e.Resolve(errBoom)
	if v, err := e.Future().Await(t.Context()); v != errBoom || err != nil {
		t.Errorf("%v, %v", v, err)
	}
	var a future.Promise[any]
	a.Resolve(nil)
	if v, err := a.Future().Await(t.Context()); v != nil || err != nil {
		t.Errorf("%v, %v", v, err)
	}
}

func TestFailureHasAReason(t *testing.T) {
	var p future.Promise[int]
	p.Reject(nil)
	for _, f := range []*future.Future[int]{p.Future(), future.Failed[int](nil)} {
		if _, err := f.Await(t.Context()); err == nil {
			t.Error("rejected with nil, and succeeded")
		}
	}
	mustBe(t, future.Failed[int](errBoom), 0, errBoom)
	if r, ok := future.Of(3).Peek(); !ok || r.Value != 3 {
		t.Error("Of has not settled")
	}
	if v, err := (future.Result[int]{Value: 1, Err: errBoom}).Get(); v != 1 || err != errBoom {
		t.Error("Get mixes up its results")
	}
}

func TestPanicErrorKeepsItsSecretsOnAWire(t *testing.T) {
	f := future.Go(t.Context(), func(context.Context) (int, error) { panic("hunter2") })
	_, err := f.Await(t.Context())
	for _, err := range []error{err, fmt.Errorf("wrapped: %w", err)} {
		data, _ := antiphon.FromError(err).MarshalJSON()
		if s := string(data); !contains(s, `"internal"`) || contains(s, "hunter2") || contains(s, "future_test.go") {
			t.Errorf("on the wire: %s", s)
		}
		var far antiphon.Error
		_ = far.UnmarshalJSON(data)
		if !errors.Is(&far, future.ErrPanic) {
			t.Errorf("%v is not ErrPanic on the far side", &far)
		}
	}
}
