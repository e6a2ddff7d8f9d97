package webhook

import (
	"math"
	"math/rand/v2"
	"time"
)

// A Schedule says when a delivery is attempted, and how often.
//
// Zero value: that of Standard Webhooks: at once, and after 5 s, 5 min, 30 min, and 2, 5,
// 10, 14, 20 and 24 h, each up to a fifth shorter or longer: ten attempts in three days.
type Schedule struct {
	// Delays are how long to wait before the first attempt, and after each one that
	// failed; there are as many attempts. None means the default.
	Delays []time.Duration
	// Jitter is by which part of itself a delay may be shorter or longer. 0 means 0.2,
	// negative none.
	Jitter float64
	// MaxRetryAfter is how much of a Retry-After is heeded: it makes a delay longer,
	// never shorter. 0 means 1 hour, negative none of it.
	MaxRetryAfter time.Duration
}

var standardDelays = []time.Duration{
	0, 5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour,
	5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
}

// Attempts is how many attempts there are.
func (s Schedule) Attempts() int { return len(s.delays()) }

func (s Schedule) delays() []time.Duration {
	if len(s.Delays) == 0 {
		return standardDelays
	}
	return s.Delays
}

// Next is how long to wait after attempt n failed, which counts from 1; n of 0 is before
// the first. It is no less than what the receiver asked for, as far as that is heeded. It
// reports false if there are no more attempts.
func (s Schedule) Next(n int, retryAfter time.Duration) (time.Duration, bool) {
	delays := s.delays()
	if n >= len(delays) {
		return 0, false
	}
	return max(s.jittered(delays[max(n, 0)]), s.heeded(retryAfter)), true
}

// heeded is how much of a Retry-After is.
func (s Schedule) heeded(d time.Duration) time.Duration {
	limit := s.MaxRetryAfter
	if limit == 0 {
		limit = time.Hour
	}
	return max(min(d, limit), 0)
}

// jittered is d, up to Jitter of it shorter or longer, and never negative.
func (s Schedule) jittered(d time.Duration) time.Duration {
	d = max(d, 0)
	jitter := s.jitter()
	if d == 0 || jitter == 0 {
		return d
	}
	f := float64(d) * (1 + jitter*(2*rand.Float64()-1))
	if f >= math.MaxInt64 {
		return math.MaxInt64
	}
	return time.Duration(f)
}

func (s Schedule) jitter() float64 {
	switch {
	case s.Jitter == 0:
		return 0.2
	case !(s.Jitter > 0): // negative, or no number
		return 0
	}
	return min(s.Jitter, 1)
}

// span is how long all of it may take, and a day longer: what has not been attempted
// often enough by then, because its endpoint is left alone, is given up.
func (s Schedule) span() time.Duration {
	total := 24 * time.Hour
	for _, d := range s.delays() {
		if d >= math.MaxInt64/4 || total >= math.MaxInt64/4 {
			return math.MaxInt64 / 2
		}
		total += max(d, 0) * 2
	}
	return total
}
