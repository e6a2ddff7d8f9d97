package main

import (
	"testing"
	"testing/synctest"
	"time"
)

// In virtual time nothing but what is waited for takes time: what is counted is exact.
func TestRun(t *testing.T) {
	const rate, length = 10_000, 600 * time.Millisecond
	const seen = int(rate * length / time.Second)
	n := 0
	synctest.Test(t, func(t *testing.T) {
		err := run(t.Context(), rate, length, func(p phase, took time.Duration, s sorted, d decisions) {
			n++
			if took != length || s.sent != seen {
				t.Errorf("%s: %d beans in %v", p.title, s.sent, took)
			}
			if all := s.lost + d.lost + d.undecided + d.lag.n; all != s.sent {
				t.Errorf("%s: what has become of %d beans is known, of %d", p.title, all, s.sent)
			}
			if asked := d.out.n + d.failed; s.out+s.late+s.held != asked || asked == 0 {
				t.Errorf("%s: asked for %d, %d came", p.title, asked, s.out+s.late+s.held)
			}
			if s.late > 0 || s.oldest > fresh || d.lag.max > fresh || d.out.max > fresh {
				t.Errorf("%s: too old: %d came to the jets, out at %v, decided at %v, out as told at %v", p.title, s.late, s.oldest, d.lag.max, d.out.max)
			}
			if s.crates.n != seen/1000 {
				t.Errorf("%s: %d crates", p.title, s.crates.n)
			}
			// A tick is a millisecond: a bean that is seen right after one waits for the next.
			switch p.title {
			case phases[0].title:
				if d.lag.n != seen || d.lag.max > time.Millisecond || s.crates.max != 0 {
					t.Errorf("decided %v, crates %v", d.lag, s.crates)
				}
			case phases[1].title: // 256 beans wait for 25.6 ms, and 8
				if d.lag.n < seen/6 || d.lag.n > seen/3 || d.lost == 0 || s.lost > 0 || d.lag.max > 35*time.Millisecond || s.crates.max != 0 {
					t.Errorf("decided %v, dropped %d and %d, crates %v", d.lag, s.lost, d.lost, s.crates)
				}
			case phases[2].title: // but for the last
				if d.undecided < seen/100-1 || d.lost > 0 || s.lost > 0 || d.lag.max > thinking {
					t.Errorf("decided %v, not decided %d, dropped %d and %d", d.lag, d.undecided, s.lost, d.lost)
				}
			case phases[3].title: // what is asked just before the end of a stall is done, and what at its beginning is not
				if s.lost == 0 || d.lost == 0 || s.oldest < fresh/2 || s.held == 0 || s.crates.max < stalled/2 {
					t.Errorf("dropped %d and %d, the oldest out %v, held back %d, crates %v", s.lost, d.lost, s.oldest, s.held, s.crates)
				}
			}
		})
		if err != nil || n != len(phases) {
			t.Errorf("%v after %d phases", err, n)
		}
	})
}

// On a real machine, however busy, the jets are for fresh beans alone, and no bean counts
// twice.
func TestRunInRealTime(t *testing.T) {
	sent, known := 0, 0
	err := run(t.Context(), 2000, 300*time.Millisecond, func(p phase, took time.Duration, s sorted, d decisions) {
		show(p, took, s, d)
		sent += s.sent
		known += s.lost + d.lost + d.undecided + d.lag.n
		if s.oldest > fresh {
			t.Errorf("%s: out at %v", p.title, s.oldest)
		}
	})
	if err != nil || sent != 2400 || known > sent || known == 0 {
		t.Errorf("%v; %d sent, %d known", err, sent, known)
	}
}

func TestLags(t *testing.T) {
	var l lags
	if l.quantile(0.5) != 0 {
		t.Error("something of nothing")
	}
	for i := range 1000 {
		l.add(time.Duration(i) * 20 * time.Microsecond)
	}
	l.add(time.Hour)
	for q, want := range map[float64]time.Duration{0: step, 0.5: 10*time.Millisecond + step, 0.9: 18*time.Millisecond + step, 1: time.Hour} {
		if got := l.quantile(q); got != want {
			t.Errorf("%v: %v, want %v", q, got, want)
		}
	}
}
