package alarm_test

import (
	"math"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/antiphon-go/antiphon/internal/alarm"
)

// hour is of the alarm's own moments.
const hour = alarm.Moment(time.Hour)

// An asked clock does something whenever it is asked.
type asked struct {
	*clock.Mock
	do     func()
	timers int
}

func (a *asked) Since(t time.Time) time.Duration { a.do(); return a.Mock.Since(t) }

func (a *asked) AfterFunc(d time.Duration, f func()) *clock.Timer {
	a.do()
	a.timers++
	return a.Mock.AfterFunc(d, f)
}

// eachClock runs f in a bubble, with a real clock and with a mock.
func eachClock(t *testing.T, f func(t *testing.T, clk clock.Clock, pass func(time.Duration))) {
	t.Run("real", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f(t, nil, func(d time.Duration) { time.Sleep(d); synctest.Wait() })
		})
	})
	t.Run("mock", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			mock := clock.NewMock()
			f(t, mock, func(d time.Duration) { mock.Add(d); synctest.Wait() })
		})
	})
}

// It rings at the earliest moment, once, and then only if it is set anew.
func TestRingsAtTheEarliest(t *testing.T) {
	eachClock(t, func(t *testing.T, clk clock.Clock, pass func(time.Duration)) {
		var rang atomic.Int64
		a := alarm.New(clk, func() { rang.Add(1) })
		defer a.Stop()
		for _, at := range []alarm.Moment{3 * hour, hour, 2 * hour, alarm.Never} {
			a.Set(at)
		}
		for _, step := range []struct {
			pass time.Duration
			want int64
		}{{time.Hour - 1, 0}, {1, 1}, {9 * time.Hour, 1}} {
			if pass(step.pass); rang.Load() != step.want {
				t.Fatalf("at %v it has rung %d times", time.Duration(a.Now()), rang.Load())
			}
		}
		a.Set(0)
		synctest.Wait()
		if rang.Load() != 2 {
			t.Error("it does not ring for what is past")
		}
		if a.Now() != 10*hour || a.Time(a.Now()).Sub(a.Time(0)) != 10*time.Hour || a.At(a.Time(hour)) != hour {
			t.Error(a.Now(), a.Time(0))
		}
	})
}

// After Stop it does not ring, whatever it is set to, and leaves no timer.
func TestStop(t *testing.T) {
	eachClock(t, func(t *testing.T, clk clock.Clock, pass func(time.Duration)) {
		a := alarm.New(clk, func() { t.Error("it rings") })
		a.Set(hour)
		a.Stop()
		a.Set(hour / 2)
		a.Set(0)
		pass(2 * time.Hour)
	})
}

// One that is set again and again to what is later makes one timer.
func TestLaterMomentsMakeNoTimers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clk := &asked{Mock: clock.NewMock(), do: func() {}}
		a := alarm.New(clk, func() {})
		defer a.Stop()
		for i := range alarm.Moment(100) {
			a.Set(hour + i)
		}
		if clk.timers != 1 {
			t.Error(clk.timers, "timers")
		}
	})
}

// The clock is the user's: it may use the alarm itself, as none of its locks is held.
func TestTheClockMayUseTheAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clk := &asked{Mock: clock.NewMock(), do: func() {}}
		rang := 0
		a := alarm.New(clk, func() { rang++ })
		depth := 0
		clk.do = func() {
			if depth++; depth < 5 {
				a.Set(hour - alarm.Moment(depth))
			}
			if depth == 5 {
				a.Stop()
			}
		}
		a.Set(hour)
		if clk.Mock.Add(time.Hour); depth < 5 || rang > 0 {
			t.Error(depth, rang)
		}
	})
}

func TestAfter(t *testing.T) {
	for _, tt := range []struct {
		m    alarm.Moment
		d    time.Duration
		want alarm.Moment
	}{
		{5, 7, 12},
		{-5, 7, 2},
		{5, math.MaxInt64, alarm.Never},
		{alarm.Never, 0, alarm.Never},
		{alarm.Never - 1, 1, alarm.Never},
		{-1, math.MaxInt64, alarm.Never - 1},
	} {
		if got := alarm.After(tt.m, tt.d); got != tt.want {
			t.Errorf("%v after %d is %d, want %d", tt.d, tt.m, got, tt.want)
		}
	}
}
