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
