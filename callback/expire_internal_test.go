package callback

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
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

// The timer of a mock clock fires at the next Add if its time is over when it is
// made, and later than it should if the clock was moved on meanwhile.
func TestC3_AMockClockThatMovesMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, step := range []time.Duration{4 * time.Second, 10 * time.Second, 20 * time.Second} {
			clk := &counting{Mock: clock.NewMock()}
			tb := tableOf(clk, 10)
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
			tb := tableOf(clk, 100)
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
		tb := tableOf(mock, 10)
		mock.Set(mock.Now().Add(-time.Minute))
		e := &thing{func(ID, moment) { t.Error("it is not due for 292 years") }}
		if _, err := tb.add(e, never-1); err != nil { // further away than a timer can be
			t.Fatal(err)
		}
		mock.Add(24 * time.Hour)
		synctest.Wait()
		tb.close()
	})
}

// While many are told, no lock is held, few have been taken out of the heap, and
// whoever comes meanwhile is told in time.
func TestC3_ManyAtOneInstant(t *testing.T) {
	const n = 200_000
	synctest.Test(t, func(t *testing.T) {
		tb := forMany(tableOf(nil, n+1))
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
		tb := forMany(tableOf(nil, 1000))
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
		tb := forMany(tableOf(nil, n))
		first := map[uint32]int{} // of each shard: how many were told before it
		told := 0
		e := &thing{}
		e.do = func(id ID, _ moment) {
			tb.removeDue(id)
			if k := id.key().ref & uint32(len(tb.shards)-1); first[k] == 0 {
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
		tb := tableOf(mock, 10)
		if _, err := tb.add(&thing{}, int64(time.Hour)); err != nil {
			t.Fatal(err)
		}
		tb.close()
		tb.alarm.Set(int64(time.Minute)) // by one who was kept waiting
		if now := mock.Now(); mock.WaitForAllTimers() != now {
			t.Fatal("a timer is left")
		}
	})
}

// Touched while it is being told that it is due, an entry goes on.
func TestC3_TouchedAtTheLastMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tb := tableOf(nil, 10)
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
