package antiphon_test

import (
	"math"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon"
)

var attempts = []int{math.MinInt, -1, 0, 1, 2, 3, 10, 34, 35, 36, 37, 62, 63, 64, 65, 1e3, 1e6, math.MaxInt32, math.MaxInt}

// Every delay lies within [0, limit], for every attempt number there is.
func TestBackoffStaysWithinItsLimit(t *testing.T) {
	durations := []time.Duration{math.MinInt64, -1, 0, 1, time.Millisecond, time.Second, time.Hour, math.MaxInt64 - 1, math.MaxInt64}
	factors := []float64{math.Inf(-1), -1, 0, 0.5, 1, 1.5, 2, 1e9, math.MaxFloat64, math.Inf(1), math.NaN()}
	for _, base := range durations {
		for _, limit := range durations {
			bs := []antiphon.Backoff{antiphon.Exponential(base, limit), antiphon.EqualJitter(antiphon.Geometric(base, limit, 2))}
			for _, f := range factors {
				bs = append(bs, antiphon.Geometric(base, limit, f))
			}
			for i, b := range bs {
				for _, n := range attempts {
					if d := b(n); d < 0 || d > max(0, limit) {
						t.Fatalf("backoff %d of base %d, limit %d: %d after attempt %d", i, base, limit, d, n)
					}
				}
			}
		}
	}
}

// Delays only grow, until they are at the limit for good; jitter moves them within
// its part of that. So for every attempt up to the 10000th, and around every power
// of two up to the largest int.
func TestBackoffGrowsAndSaturates(t *testing.T) {
	numbers := make([]int, 0, 11_000)
	for n := range 10_001 {
		numbers = append(numbers, n)
	}
	for power := 16_384; power > 0; power *= 2 {
		numbers = append(numbers, power-1, power, power+1)
	}
	numbers = append(numbers, math.MaxInt-1, math.MaxInt)
	for _, c := range []struct {
		base, limit time.Duration
		factor      float64
	}{
		{1, time.Second, 2},
		{time.Millisecond, time.Minute, 1.5},
		{time.Second, time.Hour, 1e18},
		{time.Second, math.MaxInt64, 2},
		{time.Second, math.MaxInt64, 1.0001},
		{math.MaxInt64, math.MaxInt64, 3},
		{time.Minute, time.Second, 2},
	} {
		plain := antiphon.Geometric(c.base, c.limit, c.factor)
		full, equal := antiphon.FullJitter(plain), antiphon.EqualJitter(plain)
		last := min(c.base, c.limit)
		for _, n := range numbers {
			d := plain(n)
			if d < last || d > c.limit || last == c.limit && d != last {
				t.Fatalf("%+v: %d after attempt %d, and %d before", c, d, n, last)
			}
			if f := full(n); f < 0 || f > d {
				t.Fatalf("%+v: full jitter of %d is %d after attempt %d", c, d, f, n)
			}
			if e := equal(n); e < d-d/2 || e > d {
				t.Fatalf("%+v: equal jitter of %d is %d after attempt %d", c, d, e, n)
			}
			last = d
		}
		if last != c.limit {
			t.Errorf("%+v: %d after the last attempt of all", c, last)
		}
	}
}

// What an own Backoff says is bounded too: no delay is negative.
func TestJitterOfAnyBackoff(t *testing.T) {
	for _, d := range []time.Duration{math.MinInt64, -1, 0, 1, 2, math.MaxInt64 - 1, math.MaxInt64} {
		own := func(int) time.Duration { return d }
		most := max(0, d)
		for range 1000 {
			if got := antiphon.FullJitter(own)(1); got < 0 || got > most {
				t.Fatalf("full jitter of %d is %d", d, got)
			}
			if got := antiphon.EqualJitter(own)(1); got < most-most/2 || got > most {
				t.Fatalf("equal jitter of %d is %d", d, got)
			}
		}
	}
}

func TestX5_NilBackoffDoesNotWait(t *testing.T) {
	for name, b := range map[string]antiphon.Backoff{"full": antiphon.FullJitter(nil), "equal": antiphon.EqualJitter(nil)} {
		for _, n := range attempts {
			if d := b(n); d != 0 {
				t.Errorf("%s jitter of nil: %v", name, d)
			}
		}
	}
}

func TestGeometric(t *testing.T) {
	b := antiphon.Geometric(time.Second, time.Minute, 1.5)
	for n, want := range map[int]time.Duration{-5: time.Second, 0: time.Second, 1: time.Second, 2: 1500 * time.Millisecond, 3: 2250 * time.Millisecond, 100: time.Minute} {
		if got := b(n); got != want {
			t.Errorf("attempt %d: %v, want %v", n, got, want)
		}
	}
	if got := antiphon.Geometric(time.Second, time.Minute, 0.1)(5); got != time.Second {
		t.Errorf("a factor below 1: %v", got)
	}
}

func TestConstant(t *testing.T) {
	for _, n := range attempts {
		if d := antiphon.Constant(time.Second)(n); d != time.Second {
			t.Errorf("attempt %d: %v", n, d)
		}
	}
	if d := antiphon.Constant(-1)(1); d != 0 {
		t.Errorf("negative: %v", d)
	}
}

// Full jitter covers [0, d], equal jitter [d/2, d], and both all of it.
func TestJitterSpreads(t *testing.T) {
	const d = 1000 * time.Millisecond
	for name, c := range map[string]struct {
		b   antiphon.Backoff
		low time.Duration
	}{
		"full":  {antiphon.FullJitter(antiphon.Constant(d)), 0},
		"equal": {antiphon.EqualJitter(antiphon.Constant(d)), d / 2},
	} {
		least, most := time.Duration(math.MaxInt64), time.Duration(0)
		for range 10_000 {
			got := c.b(1)
			least, most = min(least, got), max(most, got)
		}
		if least < c.low || most > d {
			t.Errorf("%s jitter leaves its range: %v to %v", name, least, most)
		}
		if span := d - c.low; least > c.low+span/20 || most < d-span/20 { // misses by chance once in 10^200
			t.Errorf("%s jitter does not fill its range: %v to %v", name, least, most)
		}
	}
}

// Both ends of the range are in it.
func TestJitterReachesItsEnds(t *testing.T) {
	got := map[time.Duration]bool{}
	for range 1000 { // misses by chance once in 2^1000
		got[antiphon.FullJitter(antiphon.Constant(1))(1)] = true
	}
	if len(got) != 2 || !got[0] || !got[1] {
		t.Errorf("full jitter of 1 is one of %v, want 0 and 1", got)
	}
}
