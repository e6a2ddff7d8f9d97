package antiphon

import (
	"math"
	"math/rand/v2"
	"time"
)

// A Backoff computes how long to wait after an attempt has failed. attempt
// counts from 1, as Info.Attempt does; smaller numbers count as 1, and every
// number up to the largest int is safe. The result is never negative.
//
// Backoffs are pure but for their jitter: they hold no state, and any number of
// goroutines may share one. The constructors treat negative durations as 0, and a
// nil Backoff as one that does not wait.
type Backoff func(attempt int) time.Duration

// Constant waits d after each attempt.
func Constant(d time.Duration) Backoff {
	d = max(0, d)
	return func(int) time.Duration { return d }
}

// Geometric waits base after the first attempt and factor times longer after
// each further one, at most limit, without jitter: min(limit, base·factor^(n-1)).
// A factor below 1, or one that is not a number, counts as 1.
func Geometric(base, limit time.Duration, factor float64) Backoff {
	base, limit = max(0, base), max(0, limit)
	if !(factor >= 1) {
		factor = 1
	}
	return func(attempt int) time.Duration {
		if base == 0 {
			return 0 // not 0·Inf
		}
		// In float64 a power saturates at +Inf instead of wrapping round, and
		// it is capped before it becomes an integer again.
		d := float64(base) * math.Pow(factor, float64(max(attempt, 1)-1))
		if d >= float64(limit) {
			return limit
		}
		return time.Duration(d)
	}
}

// Exponential waits a random time between 0 and a bound that doubles with each
// attempt, from base to at most limit ("full jitter": Brooker, Exponential
// Backoff and Jitter, AWS Architecture Blog, 2015). Of the usual ways it
// spreads a crowd of askers best.
func Exponential(base, limit time.Duration) Backoff {
	return FullJitter(Geometric(base, limit, 2))
}

// FullJitter waits a random time between 0 and what b says.
func FullJitter(b Backoff) Backoff {
	if b == nil {
		return Constant(0)
	}
	return func(attempt int) time.Duration { return upTo(b(attempt)) }
}

// EqualJitter waits half of what b says and a random part of the other half.
// It suits polling, where a delay near 0 is of no use.
func EqualJitter(b Backoff) Backoff {
	if b == nil {
		return Constant(0)
	}
	return func(attempt int) time.Duration {
		d := max(0, b(attempt))
		return d - upTo(d/2)
	}
}

// upTo returns a random duration in [0, d].
func upTo(d time.Duration) time.Duration {
	switch {
	case d <= 0:
		return 0
	case d == math.MaxInt64:
		return rand.N(d)
	}
	return rand.N(d + 1)
}
