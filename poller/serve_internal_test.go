package poller

import (
	"strconv"
	"testing"
	"time"
)

// However many there were, so many are remembered: the latest.
func TestTombstonesAreBounded(t *testing.T) {
	var s tombstones
	now := time.Now()
	for i := range 3 * maxTombs {
		s.remember(strconv.Itoa(i), "me", now, time.Hour)
		s.remember("often", "me", now, time.Hour)
	}
	if n := len(s.young) + len(s.old); n > maxTombs || n < maxTombs/2 {
		t.Errorf("%d are remembered", n)
	}
	for i := range 3 * maxTombs {
		if had := s.had(strconv.Itoa(i), "me", now); !had && i >= 3*maxTombs-maxTombs/2+2 || had && i < 2*maxTombs {
			t.Fatalf("%d: %t", i, had)
		}
	}
	if !s.had("often", "me", now) || s.had("often", "you", now) || s.had("often", "me", now.Add(time.Hour+2*time.Second)) {
		t.Error("what was shown often is forgotten, or shown too often")
	}
	s.remember("always", "me", time.Time{}, time.Second)
	if !s.had("always", "me", now.Add(1e6*time.Hour)) {
		t.Error("what does not expire is forgotten")
	}
}
