package webhooktest

import (
	"bytes"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/antiphon-go/antiphon/webhook"
)

// A Tamper is a way to tamper with a push, so that it must be refused.
type Tamper struct {
	// Name says what is done.
	Name string
	// Do returns what becomes of a push, which itself stays as it is; nil if that
	// cannot be done to it, because its scheme has nothing of the kind.
	Do func(p *Push) *Push
}

// Tampers returns all ways to tamper that need nothing but the push.
//
//	for _, w := range webhooktest.Tampers() {
//		if q := w.Do(push); q != nil {
//			... // q.HTTP() must be refused
//		}
//	}
func Tampers() []Tamper {
	return []Tamper{
		inBody("body, one bit", func(b []byte) []byte {
			if len(b) > 0 {
				b[len(b)/2] ^= 1
			}
			return b
		}),
		inBody("body, all of it", func([]byte) []byte { return nil }),
		inBody("body, its last byte", func(b []byte) []byte { return b[:max(len(b)-1, 0)] }),
		inBody("body, a byte more", func(b []byte) []byte { return append(b, '.') }),
		inBody("body, a byte before it", func(b []byte) []byte { return append([]byte{'.'}, b...) }),

		inCode("signature, one bit", func(code string) string { return flipped(code) }),
		inCode("signature, its end", func(code string) string { return code[:len(code)-4] }),
		inCode("signature, its beginning", func(code string) string { return code[4:] }),
		inCode("signature, all but a prefix", func(code string) string { return code[:4] }),
		inCode("signature, more after it", func(code string) string { return strings.TrimRight(code, "=") + "AAAA" }),
		inCode("signature, more before it", func(code string) string { return "AAAA" + code }),
		inCode("signature, empty", func(string) string { return "" }),
		inCode("signature, of zeros", func(code string) string { return strings.Repeat("0", len(code)) }),
		inCode("signature, twice in a row", func(code string) string { return code + code }),
		inCode("signature, not of its alphabet", func(code string) string { return code[:8] + "~" + code[9:] }),
		inFields("signature, of another version", func(p *Push, v string) string {
			return version.ReplaceAllString(v, "v9$2")
		}),
		{"signature, missing", func(p *Push) *Push {
			return p.coded(func(h http.Header, name string) { delete(h, name) })
		}},
		{"signature, an empty field", func(p *Push) *Push {
			return p.coded(func(h http.Header, name string) { h[name] = []string{""} })
		}},
		{"signature, a field that is repeated", func(p *Push) *Push {
			return p.coded(func(h http.Header, name string) { h[name] = append(h[name], h[name]...) })
		}},
		{"signature, another field before it", func(p *Push) *Push {
			return p.coded(func(h http.Header, name string) {
				other := code.ReplaceAllStringFunc(h[name][0], flipped)
				h[name] = []string{other, h[name][0]}
			})
		}},

		inTime("timestamp, another", func(p *Push, _ string) string { return strconv.FormatInt(p.At.Unix()+1, 10) }),
		inTime("timestamp, missing", func(*Push, string) string { return "" }),
		inTime("timestamp, with a sign", func(_ *Push, ts string) string { return "+" + ts }),
		inTime("timestamp, negative", func(_ *Push, ts string) string { return "-" + ts }),
		inTime("timestamp, padded", func(_ *Push, ts string) string { return "0" + ts }),
		inTime("timestamp, with white space", func(_ *Push, ts string) string { return ts + " " }),
		inTime("timestamp, a fraction", func(_ *Push, ts string) string { return ts + ".0" }),
		inTime("timestamp, too large", func(*Push, string) string { return "18446744073709551617" }),
		signedAt("timestamp, of an hour ago", -time.Hour),
		signedAt("timestamp, of an hour from now", time.Hour),
		signedAt("timestamp, of 100 years from now", 100*365*24*time.Hour),

		{"id, another", otherID},
	}
}

// OtherKey tampers by signing with s, which is of the same scheme and has another key.
func OtherKey(s webhook.Signer) Tamper {
	return Tamper{"key, another", func(p *Push) *Push { return p.resigned(s, p.At, p.Message) }}
}

var (
	code    = regexp.MustCompile(`[A-Za-z0-9+/]{26,}={0,2}`)
	version = regexp.MustCompile(`\b(v[0-9]a?|sha256)([=,])`)
)

// flipped has another first character, of any alphabet that codes have.
func flipped(code string) string {
	if code[0] == 'a' {
		return "b" + code[1:]
	}
	return "a" + code[1:]
}

func inBody(name string, change func([]byte) []byte) Tamper {
	return Tamper{name, func(p *Push) *Push {
		q := p.clone()
		if q.Body = change(q.Body); bytes.Equal(q.Body, p.Body) {
			return nil
		}
		return q
	}}
}

// inFields changes the values of the fields that the signer has set.
func inFields(name string, change func(p *Push, value string) string) Tamper {
	return Tamper{name, func(p *Push) *Push {
		q := p.clone()
		for _, name := range p.signed() {
			for i, v := range q.Header[name] {
				q.Header[name][i] = change(p, v)
			}
		}
		if maps.EqualFunc(q.Header, p.Header, slices.Equal) {
			return nil
		}
		return q
	}}
}

// inCode changes what looks like a signature: a run of at least 26 characters of Base64.
func inCode(name string, change func(code string) string) Tamper {
	return inFields(name, func(_ *Push, v string) string { return code.ReplaceAllStringFunc(v, change) })
}

// inTime changes what is the time of signing, in seconds.
func inTime(name string, change func(p *Push, ts string) string) Tamper {
	return inFields(name, func(p *Push, v string) string {
		ts := strconv.FormatInt(p.At.Unix(), 10)
		return strings.ReplaceAll(v, ts, change(p, ts))
	})
}

// coded changes the fields with a signature.
func (p *Push) coded(change func(h http.Header, name string)) *Push {
	q := p.clone()
	done := false
	for _, name := range p.signed() {
		if code.MatchString(strings.Join(p.Header[name], "")) {
			change(q.Header, name)
			done = true
		}
	}
	if !done {
		return nil
	}
	return q
}

// signedAt is what was genuine at another time.
func signedAt(name string, later time.Duration) Tamper {
	return Tamper{name, func(p *Push) *Push {
		if p.timed() {
			return p.resigned(p.signer, p.At.Add(later), p.Message)
		}
		return nil
	}}
}

// timed says that the scheme has a timestamp.
func (p *Push) timed() bool {
	ts := strconv.FormatInt(p.At.Unix(), 10)
	for _, name := range p.signed() {
		if strings.Contains(strings.Join(p.Header[name], "\n"), ts) {
			return true
		}
	}
	return false
}

// otherID has the ID of another message, where IDs are signed: there, signing the other
// one changes more than the field with the ID.
func otherID(p *Push) *Push {
	m := p.Message
	m.ID += "x"
	other := p.resigned(p.signer, p.At, m)
	if other == nil || p.Message.ID == "" {
		return nil
	}
	q := p.clone()
	swapped, covered := false, false
	for _, name := range p.signed() {
		switch lines := other.Header[name]; {
		case slices.Equal(lines, []string{m.ID}):
			q.Header[name] = lines
			swapped = true
		case !slices.Equal(lines, p.Header[name]):
			covered = true
		}
	}
	if !swapped || !covered {
		return nil
	}
	return q
}
