package queue

import (
	"context"
	"math"
	"sync"

	"github.com/benbjohnson/clock"

	"github.com/antiphon-go/antiphon/internal/alarm"
)

// A rate is a token bucket.
type rate struct {
	mu    sync.Mutex
	per   float64 // tokens a nanosecond; 0 means no limit
	burst float64
	has   float64
	since moment
}

func (r *rate) init(perSecond float64, burst int, now moment) {
	if math.IsInf(perSecond, 1) {
		perSecond = 0 // no limit
	}
	r.per, r.burst = perSecond/1e9, float64(max(burst, 1))
	r.has, r.since = r.burst, now
}

// fill counts what has come in. The caller holds the lock.
func (r *rate) fill(now moment) {
	r.has = min(r.burst, r.has+float64(now-r.since)*r.per)
	r.since = now
}

// try takes a token, if there is one.
func (r *rate) try(a *alarm.Alarm) bool {
	if r.per == 0 {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fill(a.Now()); r.has < 1 {
		return false
	}
	r.has--
	return true
}

// wait takes from 1 to n tokens, or none if ctx ends first.
func (r *rate) wait(ctx context.Context, clk clock.Clock, a *alarm.Alarm, n int) int {
	if r.per == 0 {
		return n
	}
	for {
		r.mu.Lock()
		r.fill(a.Now())
		if got := min(float64(n), math.Floor(r.has)); got >= 1 {
			r.has -= got
			r.mu.Unlock()
			return int(got)
		}
		d := span(int64(min((1-r.has)/r.per, math.MaxInt64/4)) + 1)
		r.mu.Unlock()
		timer := clk.Timer(d)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return 0
		}
	}
}

// giveBack returns tokens that were not used.
func (r *rate) giveBack(n int) {
	if r.per == 0 || n <= 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.has = min(r.burst, r.has+float64(n))
}
