package callback

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"
	"weak"

	"github.com/benbjohnson/clock"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
)

func TestOneTimerForAllExpectations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clk := &counting{Mock: clock.NewMock()}
		r := NewRegistry[int](&RegistryOptions{Clock: clk})
		before := runtime.NumGoroutine()
		for i := range 1000 {
			id, _, err := r.Expect(context.Background(), time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			if i%2 == 0 {
				_ = r.Resolve(id, 1)
			}
		}
		if n := clk.timers.Load(); n != 1 {
			t.Error(n, "timers")
		}
		if n := runtime.NumGoroutine() - before; n > 0 {
			t.Error(n, "goroutines")
		}
		clk.Add(time.Minute)
		if n := clk.timers.Load(); n != 1 || r.Pending() != 0 {
			t.Error(n, "timers,", r.Pending(), "left")
		}
		r.Close(nil)
	})
}

// free fails the test if a lock of tb is held. Nobody else may use tb.
func free(t *testing.T, tb *table, where string) {
	try := func(mu *sync.Mutex) {
		if !mu.TryLock() {
			t.Error("a lock is held", where)
			return
		}
		mu.Unlock()
	}
	try(&tb.growing)
	for k := range tb.live.Load() {
		try(&tb.shards[k].Load().mu)
	}
}

func TestX7_NothingOfTheUsersRunsUnderALock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clk := &counting{Mock: clock.NewMock()}
		var tb *table
		var mu sync.Mutex
		calls := map[string]int{}
		look := func(where string) {
			mu.Lock()
			calls[where]++
			mu.Unlock()
			if tb != nil {
				free(t, tb, where)
			}
		}
		r := NewRegistry[int](&RegistryOptions{
			Clock:      clk,
			MaxPending: 600,
			Observer:   func(e antiphon.Event) { look(e.Name) },
		})
		tb = forMany(r.ready())
		clk.whenAsked(func() { look("of the clock") })
		var ids []ID
		var cancels []func()
		for i := range 600 {
			ctx := context.Background()
			if i%3 == 0 {
				c, cancel := context.WithCancel(ctx)
				ctx, cancels = lookedAt{c, func() { look("of a context") }}, append(cancels, cancel)
			}
			id, f, err := r.Expect(ctx, time.Duration(700-i)*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, id)
			future.Recover(future.Map(f, func(int) (int, error) { look("of a transform"); return 0, nil }),
				func(error) (int, error) { look("of a transform"); return 0, nil })
		}
		if _, _, err := r.Expect(context.Background(), 1); err != ErrFull {
			t.Fatal(err)
		}
		for _, id := range ids[:10] {
			_ = r.Resolve(id, 1)
			_ = r.Resolve(id, 1)
			_ = r.Resolve(ID{1}, 1)
		}
		for _, id := range ids[10:20] {
			_ = r.Touch(id, time.Second)
		}
		clk.Add(300 * time.Second)
		_ = r.Resolve(ids[10], 1)
		for _, cancel := range cancels[:100] {
			cancel()
			synctest.Wait() // one at a time, or others hold locks
		}
		r.Close(nil)
		for _, cancel := range cancels {
			cancel()
		}
		for _, where := range []string{"callback.expired", "callback.late", "callback.duplicate", "callback.unknown",
			"of the clock", "of a context", "of a transform"} {
			if calls[where] == 0 {
				t.Error("nothing was called:", where)
			}
		}
		if calls["of a transform"] != 600 {
			t.Error(calls)
		}
	})
}

// lookedAt is a context that is not of the standard library.
type lookedAt struct {
	context.Context
	look func()
}

func (c lookedAt) Value(key any) any { c.look(); return c.Context.Value(key) }

// What ends the goroutine that it runs on, or panics, harms nobody else.
func TestX7_WhoEndsTheGoroutineHarmsNobody(t *testing.T) {
	hostile := map[string]func(){
		"panic":  func() { panic("hostile") },
		"goexit": runtime.Goexit,
	}
	for name, harm := range hostile {
		for _, at := range []string{"expiry", "close", "context"} {
			t.Run(name+"/"+at, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					mock := clock.NewMock()
					r := NewRegistry[int](&RegistryOptions{Clock: mock, Observer: func(e antiphon.Event) {
						if e.Name == "callback.expired" {
							harm()
						}
					}})
					forMany(r.ready())
					ctx, cancel := context.WithCancel(context.Background())
					defer cancel()
					const n = 2000
					fs := make([]*future.Future[int], n)
					for i := range fs {
						_, f, err := r.Expect(ctx, time.Duration(i/2+1)*time.Millisecond)
						if err != nil {
							t.Fatal(err)
						}
						fs[i] = f
						future.Recover(f, func(error) (int, error) { harm(); return 0, nil })
					}
					want := ErrExpired
					switch at {
					case "context":
						want = context.Canceled
						cancel()
					case "close":
						want = ErrClosed
						done := make(chan struct{})
						go func() {
							defer close(done)
							r.Close(nil)
						}()
						<-done
					default:
						mock.Add(n * time.Millisecond / 2)
					}
					synctest.Wait()
					for i, f := range fs {
						if _, err := f.Await(context.Background()); !errors.Is(err, want) {
							t.Fatal(i, err)
						}
					}
					if r.Pending() != 0 {
						t.Fatal(r.Pending(), "left")
					}
					free(t, r.ready(), "after all")
					r.Close(nil)
				})
			})
		}
	}
}

// A hooking context has a way of its own to hang something on its end.
type hooking struct {
	context.Context
	hook func()
	off  atomic.Int64
}

func (h *hooking) Done() <-chan struct{} { return make(chan struct{}) }

func (h *hooking) AfterFunc(func()) func() bool {
	h.hook()
	return func() bool { h.off.Add(1); return true }
}

// When a context ends that many hang on, they are few who do the work.
func TestC4_ManyOnOneContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 1000
		c, cancel := context.WithCancelCause(context.Background())
		var inside, most atomic.Int64
		ctx := lookedAt{c, func() { // by who asks for the cause
			most.Store(max(most.Load(), inside.Add(1)))
			time.Sleep(time.Nanosecond)
			inside.Add(-1)
		}}
		var r Registry[int]
		fs := make([]*future.Future[int], n)
		for i := range fs {
			_, f, err := r.Expect(ctx, time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			fs[i] = f
		}
		why := errors.New("the end")
		cancel(why)
		synctest.Wait()
		for _, f := range fs {
			if _, err := f.Await(context.Background()); !errors.Is(err, why) {
				t.Fatal(err)
			}
		}
		if m := most.Load(); m != 1 {
			t.Fatal(m, "at once")
		}
		r.exit.mu.Lock()
		if r.Pending() != 0 || r.exit.busy || r.exit.line != nil {
			t.Error("somebody is left")
		}
		r.exit.mu.Unlock()
		_, f, _ := r.Expect(ctx, time.Hour)
		if f != nil {
			t.Fatal("it has ended")
		}
		r.Close(nil)
	})
}

// Ended before the hook is on its context, an expectation leaves none there.
func TestC4_ContextsHoldNobodyWhoHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, early := range []bool{true, false} {
			r := NewRegistry[int](nil)
			h := &hooking{Context: context.Background(), hook: func() {}}
			if early {
				h.hook = func() { r.Close(nil) }
			}
			_, f, err := r.Expect(h, time.Second)
			if err != nil {
				t.Fatal(err)
			}
			if !early {
				time.Sleep(time.Second)
				synctest.Wait()
			}
			if _, ok := f.Peek(); !ok || h.off.Load() != 1 {
				t.Error("early:", early, "the hook was taken off", h.off.Load(), "times")
			}
			r.Close(nil)
		}
	})
}

func TestWhatHasEndedIsHeldByNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type big struct {
			_ *big
			_ [256]byte
		}
		r := NewRegistry[*big](nil)
		var values, ctxs []weak.Pointer[big]
		enter := func(i int) {
			v, c := new(big), new(big)
			values, ctxs = append(values, weak.Make(v)), append(ctxs, weak.Make(c))
			ctx, cancel := context.WithCancel(context.WithValue(context.Background(), big{}, c))
			id, _, err := r.Expect(ctx, time.Second)
			if err != nil {
				t.Fatal(err)
			}
			switch i % 4 {
			case 0, 1:
				_ = r.Resolve(id, v)
			case 2:
				time.Sleep(time.Second)
			case 3:
				cancel()
			}
			synctest.Wait()
			_ = cancel
		}
		for i := range 8 {
			enter(i)
		}
		for range 5 {
			runtime.GC()
		}
		for i := range values {
			if values[i].Value() != nil || ctxs[i].Value() != nil {
				t.Error(i, "is held")
			}
		}
		runtime.KeepAlive(r)
		r.Close(nil)
	})
}
func TestAPendingExpectationIsSmall(t *testing.T) {
	wide := unsafe.Sizeof(uintptr(0)) == 8
	if got := unsafe.Sizeof(slot{}) + unsafe.Sizeof(deadline{}); wide && got != 48 {
		t.Error("in the table:", got, "bytes")
	}
	if got := unsafe.Sizeof(future.Promise[int]{}); wide && got > 64 {
		t.Error("with its promise:", got, "bytes")
	}
}

func TestX6_LimitsAreOnByDefault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r Registry[int]
		r.ready().count.Store(1<<20 - 1) // as if there were so many
		_, f, err := r.Expect(context.Background(), 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := r.Expect(context.Background(), 0); err != ErrFull {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Second) // and nothing is without end
		synctest.Wait()
		if o, ok := f.Peek(); !ok || o.Err != ErrExpired {
			t.Fatal(o)
		}
		r.Close(nil)
	})
}
