package poller

import (
	"net/http"
	"strconv"
	"strings"
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

// Whatever is preferred, a wait is not negative, and reading it again gives the same.
func FuzzPrefer(f *testing.F) {
	for _, seed := range []string{"", "wait=10", "respond-async, wait=10", `wait="5"`, "wait=99999999999999999999", `handling="a,wait=3\",", wait=1;x="y,z"`, ",,;=", "WAIT = 1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		p := preferencesOf(http.Header{"Prefer": {line}})
		if p.wait < 0 || !p.waits && p.wait != 0 {
			t.Errorf("%q: %+v", line, p)
		}
		if q := preferencesOf(http.Header{"Prefer": {"x=y", line, "wait=1"}}); q.async != p.async || p.waits && q != p || !q.waits {
			t.Errorf("%q: %+v, and among others %+v", line, p, q)
		}
	})
}

// A token that is opened was made for the same list; what it continues after is whole.
func FuzzPageToken(f *testing.F) {
	made := &filter{owner: "me", kind: "k", state: "running"}
	for _, seed := range []string{"", "AAAA", made.token("x"), made.token(strings.Repeat("x", maxID)), made.token(strings.Repeat("x", maxID+1))} {
		f.Add(seed, "me", "k")
	}
	f.Fuzz(func(t *testing.T, token, owner, kind string) {
		l := &filter{owner: owner, kind: kind, state: "running"}
		after, ok := l.open(token)
		if ok && (after == "" || len(after) > maxID || l.token(after) != token) {
			t.Errorf("%q is after %q", token, after)
		}
		if other := (&filter{owner: owner + kind, state: "running"}); ok && kind != "" {
			if _, ok := other.open(token); ok {
				t.Errorf("%q is of two lists", token)
			}
		}
	})
}
