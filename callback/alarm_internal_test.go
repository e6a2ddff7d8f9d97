package callback

import (
	"context"
	"errors"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/benbjohnson/clock"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
)

// A counting clock counts the timers that are made, and does something whenever
// it is asked.
type counting struct {
	*clock.Mock
	timers atomic.Int64
	asked  atomic.Pointer[func()]
}

// whenAsked sees to it that do is called from now on.
func (c *counting) whenAsked(do func()) { c.asked.Store(&do) }

func (c *counting) Now() time.Time { c.ask(); return c.Mock.Now() }

func (c *counting) Since(t time.Time) time.Duration { c.ask(); return c.Mock.Since(t) }

func (c *counting) AfterFunc(d time.Duration, f func()) *clock.Timer {
	c.ask()
	c.timers.Add(1)
	return c.Mock.AfterFunc(d, f)
}

func (c *counting) ask() {
	if do := c.asked.Load(); do != nil {
		(*do)()
	}
}

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
		if n := clk.timers.Load(); n != 1 || r.Len() != 0 {
			t.Error(n, "timers,", r.Len(), "left")
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
	try(&tb.alarm.mu)
	for k := range tb.live.Load() {
		try(&tb.shards[k].Load().mu)
	}
}

func TestX7_NothingOfTheUsersRunsUnderALock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clk := &counting{Mock: clock.NewMock()}
		var tb *table
		calls := map[string]int{}
		look := func(where string) {
			calls[where]++
			if tb != nil {
				free(t, tb, where)
			}
		}
		r := NewRegistry[int](&RegistryOptions{
			Clock:      clk,
			MaxPending: 600,
			Observer:   func(e antiphon.Event) { look(e.Name) },
		})
		tb = forMany(r.table)
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
		for _, at := range []string{"expiry", "close"} {
			t.Run(name+"/"+at, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					mock := clock.NewMock()
					r := NewRegistry[int](&RegistryOptions{Clock: mock, Observer: func(e antiphon.Event) {
						if e.Name == "callback.expired" {
							harm()
						}
					}})
					forMany(r.table)
					const n = 2000
					fs := make([]*future.Future[int], n)
					for i := range fs {
						_, f, err := r.Expect(context.Background(), time.Duration(i/2+1)*time.Millisecond)
						if err != nil {
							t.Fatal(err)
						}
						fs[i] = f
						future.Recover(f, func(error) (int, error) { harm(); return 0, nil })
					}
					want := ErrExpired
					if at == "close" {
						want = ErrClosed
						done := make(chan struct{})
						go func() {
							defer close(done)
							r.Close(nil)
						}()
						<-done
					} else {
						mock.Add(n * time.Millisecond / 2)
					}
					synctest.Wait()
					for i, f := range fs {
						if _, err := f.Await(context.Background()); !errors.Is(err, want) {
							t.Fatal(i, err)
						}
					}
					if r.Len() != 0 {
						t.Fatal(r.Len(), "left")
					}
					free(t, r.table, "after all")
					r.Close(nil)
				})
			})
		}
	}
}

// The timer of a mock clock fires at the next Add if its time is over when it is
// made, and later than it should if the clock was moved on meanwhile.
func TestC3_AMockClockThatMovesMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, step := range []time.Duration{4 * time.Second, 10 * time.Second, 20 * time.Second} {
			clk := &counting{Mock: clock.NewMock()}
			tb := newTable(clk, 10)
			told := make(chan moment, 1)
			e := &thing{func(id ID, now moment) { tb.removeDue(id); told <- now }}
			moves := 0
			clk.whenAsked(func() {
				if moves++; moves == 2 { // the time has been asked for, the timer is not made
					clk.Mock.Add(step)
				}
			})
			if _, err := tb.add(e, int64(10*time.Second)); err != nil {
				t.Fatal(err)
			}
			clk.whenAsked(func() {})
			if left := 10*time.Second - step; left > 0 {
				clk.Mock.Add(left - 1)
				if len(told) > 0 {
					t.Fatal("too early")
				}
				clk.Mock.Add(1)
			}
			synctest.Wait()
			if len(told) == 0 {
				t.Fatal(step, "it does not end in time")
			}
			if now := <-told; now != int64(max(step, 10*time.Second)) {
				t.Fatal(now)
			}
			tb.close()
		}
	})
}

func TestC3_WhatIsPastIsToldAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, mock := range []bool{false, true} {
			clk := clock.New()
			if mock {
				clk = clock.NewMock()
			}
			tb := newTable(clk, 100)
			var told atomic.Int64
			e := &thing{func(id ID, _ moment) {
				if tb.removeDue(id) {
					told.Add(1)
				}
			}}
			long := clk.Now().AddDate(-300, 0, 0)
			for i, at := range []moment{0, -1, math.MinInt64, tb.at(long), tb.at(time.Time{})} {
				if _, err := tb.add(e, at); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if told.Load() != int64(i+1) {
					t.Fatal(at, "was not told")
				}
			}
			id, _ := tb.add(e, never)
			synctest.Wait()
			_ = tb.touch(id, func() moment { return 0 })
			synctest.Wait()
			if told.Load() != 6 || tb.count.Load() != 0 {
				t.Fatal(told.Load(), "were told")
			}
			tb.close()
		}
	})
}

func TestC3_AClockThatIsSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mock := clock.NewMock()
		mock.Add(time.Hour)
		r := NewRegistry[int](&RegistryOptions{Clock: mock})
		_, old, _ := r.Expect(context.Background(), 2*time.Second)
		mock.Set(mock.Now().Add(-time.Minute)) // before the registry was made
		_, f, err := r.Expect(context.Background(), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		mock.Add(time.Second - 1)
		if _, ok := f.Peek(); ok {
			t.Fatal("too early")
		}
		mock.Add(1)
		if _, err := f.Await(context.Background()); err != ErrExpired {
			t.Fatal(err)
		}
		if _, ok := old.Peek(); ok {
			t.Fatal("its moment has not come")
		}
		mock.Add(time.Minute + time.Second)
		if _, err := old.Await(context.Background()); err != ErrExpired {
			t.Fatal(err)
		}
		r.Close(nil)
	})
}

// While many are told, no lock is held, few have been taken out of the heap, and
// whoever comes meanwhile is told in time.
func TestC3_ManyAtOneInstant(t *testing.T) {
	const n = 200_000
	synctest.Test(t, func(t *testing.T) {
		tb := forMany(newTable(nil, n+1))
		var told atomic.Int64
		due := func(id ID, now moment) {
			if told.Add(1)%1000 == 1 {
				free(t, tb, "while many are told")
				scheduled := 0
				for k := range tb.live.Load() {
					scheduled += tb.shards[k].Load().heap.n
				}
				if out := int(tb.count.Load()) - scheduled; out > expireBatch {
					t.Fatal(out, "taken out at once")
				}
			}
			if now != int64(time.Second) || !tb.removeDue(id) {
				t.Fatal(now)
			}
		}
		for range n {
			if _, err := tb.add(&thing{due}, int64(time.Second)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second - 1)
		synctest.Wait()
		if told.Load() != 0 {
			t.Fatal(told.Load(), "too early")
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if told.Load() != n || tb.count.Load() != 0 {
			t.Fatal(told.Load(), "were told,", tb.count.Load(), "are left")
		}
		sound(t, tb)
		if s, d := memoryOf(tb); s+d > 3*len(tb.shards) {
			t.Fatal(s, d, "chunks are left")
		}
		tb.close()
	})
}

// Who takes long when it is told holds up nobody who is due later.
func TestC3_WhoIsSlowHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tb := forMany(newTable(nil, 1000))
		ends := make(chan moment, 100)
		slow := &thing{func(id ID, _ moment) { tb.removeDue(id); time.Sleep(time.Hour) }}
		quick := &thing{func(id ID, _ moment) { tb.removeDue(id); ends <- tb.now() }}
		_, _ = tb.add(slow, 1000)
		for i := range moment(100) {
			_, _ = tb.add(quick, 1001+i)
		}
		time.Sleep(time.Second)
		for i := range moment(100) {
			if at := <-ends; at != 1001+i {
				t.Fatal("due at", 1001+i, "and told at", at)
			}
		}
		tb.close()
		time.Sleep(time.Hour)
	})
}

// A shard with many that are due does not hold up the others.
func TestC3_ShardsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 50_000
		tb := forMany(newTable(nil, n))
		first := map[uint32]int{} // of each shard: how many were told before it
		told := 0
		e := &thing{}
		e.do = func(id ID, _ moment) {
			tb.removeDue(id)
			_, ref := id.parts()
			if k := ref & uint32(len(tb.shards)-1); first[k] == 0 {
				first[k] = told + 1
			}
			told++
		}
		for range n {
			if _, err := tb.add(e, int64(time.Second)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		synctest.Wait()
		tb.close()
		if told != n || len(first) != len(tb.shards) {
			t.Fatal(told, len(first))
		}
		for k, before := range first {
			if before > len(tb.shards)*expireBatch {
				t.Errorf("shard %d had to wait for %d", k, before)
			}
		}
	})
}

func TestC7_AnAlarmThatIsOffStaysOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mock := clock.NewMock()
		tb := newTable(mock, 10)
		if _, err := tb.add(&thing{}, int64(time.Hour)); err != nil {
			t.Fatal(err)
		}
		tb.close()
		tb.alarm.set(int64(time.Minute)) // by one who was kept waiting
		if now := mock.Now(); mock.WaitForAllTimers() != now {
			t.Fatal("a timer is left")
		}
	})
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

// Touched while it is being told that it is due, an entry goes on.
func TestC3_TouchedAtTheLastMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tb := newTable(nil, 10)
		var mu sync.Mutex
		var ends []moment
		e := &thing{}
		e.do = func(id ID, now moment) {
			mu.Lock()
			defer mu.Unlock()
			if len(ends) < 3 {
				if err := tb.touch(id, func() moment { return now + 5 }); err != nil {
					t.Error(err)
				}
			}
			ends = append(ends, now)
			if tb.removeDue(id) != (len(ends) == 4) {
				t.Error("it ended though it was touched, or did not")
			}
		}
		_, _ = tb.add(e, 10)
		time.Sleep(time.Second)
		synctest.Wait()
		if len(ends) != 4 || ends[3] != 25 || tb.count.Load() != 0 {
			t.Fatal(ends)
		}
		tb.close()
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
