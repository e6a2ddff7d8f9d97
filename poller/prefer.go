package poller

import (
	"math"
	"net/http"
	"strings"
	"time"
)

// preferences are what a request prefers (RFC 7240), as far as it is understood here.
type preferences struct {
	wait  time.Duration
	waits bool
	async bool
}

// preferencesOf reads the Prefer headers. Of several of a name the first counts; what is
// malformed, or not known, is no preference.
func preferencesOf(h http.Header) (p preferences) {
	for _, line := range h["Prefer"] {
		for len(line) > 0 {
			var one string
			one, line = cutListed(line)
			one, _, _ = strings.Cut(one, ";") // parameters mean nothing here
			name, value, valued := strings.Cut(one, "=")
			name, value = strings.Trim(name, " \t"), strings.Trim(value, " \t")
			switch {
			case strings.EqualFold(name, "respond-async") && !valued:
				p.async = true
			case strings.EqualFold(name, "wait") && !p.waits:
				if len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"' {
					value = value[1 : len(value)-1]
				}
				p.wait, p.waits = wholeNumber(value, time.Second)
			}
		}
	}
	return p
}

// cutListed cuts the first element off a list, of which a quoted string may be part.
func cutListed(line string) (first, rest string) {
	quoted := false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			return line[:i], line[i+1:]
		}
	}
	return line, ""
}

// wholeNumber reads digits, and nothing but digits, as so many units; it saturates.
func wholeNumber(s string, unit time.Duration) (time.Duration, bool) {
	if s == "" {
		return 0, false
	}
	n, most := time.Duration(0), math.MaxInt64/unit
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		if n > (most-9)/10 {
			n = most // and what follows are digits or not
			continue
		}
		n = n*10 + time.Duration(c-'0')
	}
	return n * unit, true
}
