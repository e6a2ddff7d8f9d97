package response

import (
	"math"
	"net/http"
	"strings"
	"time"
)

// Longest is as far as a hint goes: two of them, and the time in that far, still fit
// where durations and times are added.
const Longest = time.Duration(math.MaxInt64 / 2)

// RetryAfter reads how long a server wishes not to be asked; poller.RetryAfter says how.
func RetryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	for _, name := range [...]string{"Retry-After-Ms", "X-Ms-Retry-After-Ms"} {
		for _, v := range h[name] {
			if d, ok := Delay(strings.Trim(v, " \t"), time.Millisecond); ok {
				return d, true
			}
		}
	}
	for _, v := range h["Retry-After"] {
		v = strings.Trim(v, " \t")
		if d, ok := Delay(v, time.Second); ok {
			return d, true
		}
		if at, ok := dateOf(v); ok {
			if sent, ok := dateOf(h.Get("Date")); ok {
				now = sent
			}
			return min(max(at.Sub(now), 0), Longest), true // Sub saturates
		}
	}
	return 0, false
}

// Delay reads 1*DIGIT units.
func Delay(s string, unit time.Duration) (time.Duration, bool) {
	if s == "" {
		return 0, false
	}
	n, most := int64(0), int64(Longest/unit)
	for i := range len(s) {
		c := s[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		n = min(n*10+int64(c-'0'), most)
	}
	return time.Duration(n) * unit, true
}

// dateOf reads an HTTP-date. Unlike what http.ParseTime takes, that is always GMT, or
// in the form of asctime, which does not say.
func dateOf(s string) (time.Time, bool) {
	s = strings.Trim(s, " \t")
	at, err := http.ParseTime(s)
	if err != nil || !strings.HasSuffix(s, " GMT") && len(s) != len(time.ANSIC) {
		return time.Time{}, false
	}
	return at, true
}
