package poller_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon/poller"
)

const safest = time.Duration(1<<62 - 1)

func TestP3_RetryAfter(t *testing.T) {
	now := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	h := func(lines ...string) http.Header {
		h := make(http.Header)
		for _, l := range lines {
			name, value, _ := strings.Cut(l, ": ")
			h.Add(name, value)
		}
		return h
	}
	for _, tt := range []struct {
		header http.Header
		want   time.Duration
		ok     bool
	}{
		{nil, 0, false},
		{h("Retry-After: 3"), 3 * time.Second, true},
		{h("Retry-After:  7\t"), 7 * time.Second, true},
		{h("Retry-After: 0"), 0, true},
		{h("Retry-After: 007"), 7 * time.Second, true},
		{h("Retry-After: Sun, 01 Mar 2026 12:00:05 GMT"), 5 * time.Second, true},
		{h("Retry-After: Sunday, 01-Mar-26 12:00:06 GMT"), 6 * time.Second, true},
		{h("Retry-After: Sun Mar  1 12:00:07 2026"), 7 * time.Second, true},
		{h("Retry-After: Sun, 01 Mar 2026 11:00:00 GMT"), 0, true},
		{h("Retry-After: Sun, 01 Mar 2026 12:00:05 PST"), 0, false},
		{h("Retry-After: Sunday, 01-Mar-26 12:00:06 PST"), 0, false},
		// relative to the response's own clock
		{h("Retry-After: Mon, 02 Mar 2026 12:00:05 GMT", "Date: Mon, 02 Mar 2026 12:00:00 GMT"), 5 * time.Second, true},
		{h("Retry-After: Sun, 01 Mar 2026 12:00:05 GMT", "Date: yesterday"), 5 * time.Second, true},
		// what would wrap round
		{h("Retry-After: 9223372037"), safest / time.Second * time.Second, true},
		{h("Retry-After: 18446744074"), safest / time.Second * time.Second, true},
		{h("Retry-After: " + strings.Repeat("9", 20)), safest / time.Second * time.Second, true},
		{h("Retry-After-Ms: " + strings.Repeat("9", 400)), safest / time.Millisecond * time.Millisecond, true},
		{h("Retry-After: Fri, 31 Dec 9999 23:59:59 GMT"), safest, true},
		// what is no number
		{h("Retry-After: -1"), 0, false},
		{h("Retry-After: +5"), 0, false},
		{h("Retry-After: 1.5"), 0, false},
		{h("Retry-After: 5, 10"), 0, false},
		{h("Retry-After: 99999999999999999999x"), 0, false},
		{h("Retry-After: soon"), 0, false},
		{h("Retry-After: ٣"), 0, false},
		{http.Header{"Retry-After": {""}}, 0, false},
		// milliseconds come first, and the first that can be read
		{h("Retry-After: 3", "Retry-After-Ms: 250"), 250 * time.Millisecond, true},
		{h("Retry-After: 3", "X-Ms-Retry-After-Ms: 350"), 350 * time.Millisecond, true},
		{h("Retry-After-Ms: 1", "X-Ms-Retry-After-Ms: 2"), time.Millisecond, true},
		{h("Retry-After-Ms: x", "X-Ms-Retry-After-Ms: 2"), 2 * time.Millisecond, true},
		{h("Retry-After-Ms: 1.5", "Retry-After: 4"), 4 * time.Second, true},
		{h("Retry-After: soon", "Retry-After: 4", "Retry-After: 5"), 4 * time.Second, true},
	} {
		if d, ok := poller.RetryAfter(tt.header, now); d != tt.want || ok != tt.ok {
			t.Errorf("%v: %v %v, want %v %v", tt.header, d, ok, tt.want, tt.ok)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"3", "-1", "9223372037", "Fri, 31 Dec 9999 23:59:59 GMT", "Sunday, 01-Mar-26 12:00:06 GMT", "1e3", " 7 "} {
		f.Add(s, "250", "Sun, 01 Mar 2026 12:00:00 GMT")
	}
	f.Fuzz(func(t *testing.T, after, ms, date string) {
		now := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
		for _, h := range []http.Header{
			{"Retry-After": {after}, "Date": {date}},
			{"Retry-After-Ms": {ms}, "Retry-After": {after}},
		} {
			d, ok := poller.RetryAfter(h, now)
			if d < 0 || d > safest || !ok && d != 0 {
				t.Fatalf("%v: %v %v", h, d, ok)
			}
			if now.Add(d).Before(now) || d+d < 0 {
				t.Fatalf("%v: %v cannot be added", h, d)
			}
		}
		if d, ok := poller.RetryAfter(http.Header{"Retry-After": {after}}, now); ok && d > 0 && d < 100*365*24*time.Hour {
			// What was read is what it means.
			var n int
			if _, err := fmt.Sscanf(after, "%d", &n); err == nil && !strings.ContainsAny(after, ":") && time.Duration(n)*time.Second != d {
				t.Fatalf("%q: %v", after, d)
			}
		}
	})
}
