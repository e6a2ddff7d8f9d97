package poller

import (
	"math"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon"
)

var attempts = []int{math.MinInt, -1, 0, 1, 2, 34, 35, 36, 62, 63, 64, 65, 1e3, 1e6, math.MaxInt}

// What options may say, sensible or not.
var spans = []time.Duration{math.MinInt64, -time.Hour, -1, 0, 1, time.Microsecond, time.Millisecond, time.Second,
	time.Minute, 9223372036 * time.Second, math.MaxInt64 - 1, math.MaxInt64}

func TestP2_NoAttemptNumberLeavesTheBounds(t *testing.T) {
	backoffs := map[string]antiphon.Backoff{
		"nil":      nil,
		"default":  antiphon.Exponential(500*time.Millisecond, 30*time.Second),
		"huge":     antiphon.Geometric(time.Hour, math.MaxInt64, 1e9),
		"constant": antiphon.Constant(time.Second),
	}
	for _, d := range spans {
		backoffs[d.String()] = func(int) time.Duration { return d }
	}
	for name, b := range backoffs {
		for _, least := range spans {
			for _, most := range spans {
				o := &Options{Min: least, Max: most, Poll: b, Error: b}
				lo, hi := o.bounds()
				if lo < time.Millisecond || hi < lo || least > time.Millisecond && lo != least || most > lo && hi != most {
					t.Fatalf("Min %v, Max %v: bounds %v, %v", least, most, lo, hi)
				}
				for _, n := range attempts {
					for what, d := range map[string]time.Duration{"quiet": o.quiet(n), "trouble": o.trouble(n), "hint": o.hinted(o.clamp(time.Duration(n)))} {
						if d < lo || d > hi {
							t.Fatalf("%s %s(%d) is %v, not within %v and %v", name, what, n, d, lo, hi)
						}
					}
				}
			}
		}
	}
}

func TestP2_Defaults(t *testing.T) {
	o := &Options{}
	if lo, hi := o.bounds(); lo != 100*time.Millisecond || hi != 30*time.Second {
		t.Error(lo, hi)
	}
	if o.perPoll() != 30*time.Second || o.elapsed() != 24*time.Hour {
		t.Error(o.perPoll(), o.elapsed())
	}
	if o := (&Options{PerPoll: -1, Elapsed: -1}); o.perPoll() != forever || o.elapsed() != forever {
		t.Error("negative is no limit")
	}
	for range 100 {
		if d := o.quiet(1); d < 500*time.Millisecond || d > time.Second {
			t.Error("equal jitter around a second:", d)
		}
		if d := o.quiet(1000); d < 15*time.Second || d > 30*time.Second {
			t.Error("equal jitter around 30 seconds:", d)
		}
		if d := o.trouble(1); d < 100*time.Millisecond || d > 500*time.Millisecond {
			t.Error("full jitter up to half a second:", d)
		}
	}
}

func TestP3_JitterLengthensAHintByATenthAtMost(t *testing.T) {
	for _, h := range []time.Duration{time.Millisecond, time.Second, 5 * time.Second, 20 * time.Second, 29999 * time.Millisecond, 30 * time.Second} {
		o, longer := &Options{Min: 1}, false
		most := min(h+h/10, h+time.Second, 30*time.Second)
		for range 200 {
			d := o.hinted(h)
			longer = longer || d > h
			if d < h || d > most {
				t.Fatalf("hint %v: %v", h, d)
			}
		}
		if !longer && h < 30*time.Second {
			t.Errorf("hint %v: no jitter", h)
		}
	}
}

func TestFirst(t *testing.T) {
	if d := (&Options{First: -1}).first(); d != 0 {
		t.Error("negative is at once:", d)
	}
	if d := (&Options{First: 3 * time.Hour}).first(); d != 3*time.Hour {
		t.Error("as it says:", d)
	}
	for _, o := range []*Options{{}, {Min: time.Second}, {Min: -1}, {Min: math.MaxInt64}} {
		least, _ := o.bounds()
		seen := map[time.Duration]bool{}
		for range 100 {
			d := o.first()
			if d < 0 || d > least {
				t.Fatal("not up to Min:", d)
			}
			seen[d] = true
		}
		if len(seen) < 50 {
			t.Error("a crowd would come at once")
		}
	}
}

func TestSpeed(t *testing.T) {
	type at struct {
		percent float64
		now     time.Duration
		half    time.Duration
		ok      bool
	}
	for name, seen := range map[string][]at{
		"even":          {{0, 0, 0, false}, {10, 10 * time.Second, 45 * time.Second, true}, {50, 50 * time.Second, 25 * time.Second, true}, {100, 100 * time.Second, 0, true}},
		"from within":   {{50, time.Hour, 0, false}, {75, time.Hour + time.Minute, 30 * time.Second, true}},
		"stands":        {{20, 0, 0, false}, {20, time.Hour, 0, false}},
		"stands later":  {{0, 0, 0, false}, {50, time.Second, time.Second / 2, true}, {50, 10 * time.Second, 5 * time.Second, true}},
		"goes back":     {{50, 0, 0, false}, {20, time.Second, 0, false}, {60, 2 * time.Second, time.Second / 2, true}},
		"at one moment": {{0, 5, 0, false}, {50, 5, 0, false}},
		"no number":     {{math.NaN(), 0, 0, false}, {math.NaN(), time.Second, 0, false}, {math.Inf(1), 2 * time.Second, 0, true}},
		"negative":      {{math.Inf(-1), 0, 0, false}, {50, time.Second, time.Second / 2, true}},
		"tiny":          {{0, 0, 0, false}, {math.SmallestNonzeroFloat64, forever, forever, true}},
	} {
		var s speed
		for i, x := range seen {
			if half, ok := s.saw(x.percent, x.now); half != x.half || ok != x.ok {
				t.Errorf("%s, %d: %v %v, not %v %v", name, i, half, ok, x.half, x.ok)
			}
		}
	}
}

// FuzzPace: no options, hints, progress and moments give a delay out of bounds.
func FuzzPace(f *testing.F) {
	f.Add(int64(0), int64(0), int64(0), int64(0), int64(0), 0.0, 0.0, 1)
	f.Add(int64(-1), int64(math.MaxInt64), int64(math.MinInt64), int64(9223372037), int64(1), math.NaN(), math.Inf(1), math.MaxInt)
	f.Add(int64(math.MaxInt64), int64(1), int64(math.MaxInt64), int64(math.MaxInt64), int64(math.MaxInt64), 1e300, -1e300, math.MinInt)
	f.Fuzz(func(t *testing.T, least, most, elapsed, hint, now int64, p, q float64, n int) {
		o := &Options{
			Min: time.Duration(least), Max: time.Duration(most), Elapsed: time.Duration(elapsed), First: time.Duration(hint),
			Adaptive: n%2 == 0, MaxErrors: -1,
			Poll:  func(int) time.Duration { return time.Duration(hint) },
			Error: func(int) time.Duration { return time.Duration(hint) },
		}
		lo, hi := o.bounds()
		ctx := t.Context()
		tr := track{opts: o}
		if first := tr.begin(ctx, time.Unix(0, 0), 0); first < 0 || first > o.elapsed() {
			t.Fatalf("first: %v", first)
		}
		moment := max(time.Duration(now), 0)
		check := func(what string, s step) {
			if !s.over && (s.wait < lo || s.wait > hi || moment+s.wait > tr.end || moment+s.wait < moment) {
				t.Fatalf("%s: %v is not within %v and %v, or %v after %v is not before %v", what, s.wait, lo, hi, s.wait, moment, tr.end)
			}
			if s.over && s.err == nil {
				t.Fatalf("%s: over for no reason", what)
			}
		}
		tr.quiet, tr.errs = n, max(n, 0)
		check("hint", tr.observed(ctx, seen{percent: p, after: time.Duration(hint)}, moment))
		tr.quiet = n
		check("quiet", tr.observed(ctx, seen{percent: q}, moment))
		check("trouble", tr.failed(ctx, antiphon.RetryAfter(errAway, time.Duration(hint)), moment))
	})
}

var errAway = &antiphon.Error{Code: antiphon.CodeUnavailable}
