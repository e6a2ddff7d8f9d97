package webhook

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

var testAt = time.Unix(1700000000, 0)

type namedScheme struct {
	name string
	*Scheme
}

func allSchemes(t testing.TB) []namedScheme {
	ks := mustRing(t, mustParse(t, secretA))
	return []namedScheme{
		{"standard", Standard(ks)}, {"v1a", Standard(mustRing(t, mustParse(t, seedA)))}, {"svix", Svix(ks)},
		{"stripe", Stripe(ks)}, {"github", GitHub(ks)}, {"slack", Slack(ks)}, {"shopify", Shopify(ks)},
		{"square", Square(ks)}, {"twilio", Twilio(ks)}, {"rfc9421", MessageSignature(nil, ks)},
	}
}

func signedBy(t testing.TB, s *Scheme) Request {
	t.Helper()
	r := Request{Method: "POST", URL: "https://example.com/hooks", Header: header("Content-Type", "application/x-www-form-urlencoded"), Body: []byte("a=1&b=2"), At: testAt}
	if err := s.Sign(t.Context(), &r, Message{ID: "msg_1", Type: "a.b"}); err != nil {
		t.Fatal(err)
	}
	return r
}

// A byte more of white space in a JSON body is another body.
func TestW2_RawBytesAreVerified(t *testing.T) {
	for _, s := range allSchemes(t) {
		r := signedBy(t, s.Scheme)
		for _, body := range []string{"a=1&b=2 ", "a=1&b=2\n", "A=1&b=2", "a=1&b=3", ""} {
			q := r
			q.Body = []byte(body)
			if _, err := s.Verify(t.Context(), q); reasonOf(err) != ReasonSignature {
				t.Errorf("%s: %q: %v", s.name, body, err)
			}
		}
	}
}

func TestW4_Timestamps(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "1": 1, "1700000000": 1700000000, "999999999999999999": 999999999999999999,
		"": -1, "+5": -1, "-5": -1, "05": -1, "00": -1, " 5": -1, "5 ": -1, "5.0": -1, "1e3": -1, "0x5": -1, "٥": -1, "1_0": -1,
		"9223372036854775808": -1, "18446744073709551617": -1,
	} {
		n, ok := parseTimestamp(text)
		if ok != (want >= 0) || ok && n != want {
			t.Errorf("%q: %d, %v", text, n, ok)
		}
	}
	far := []int64{0, 1, 299, 300, 301, 1 << 40, 999999999999999999}
	for _, now := range append(slices.Clone(far), -1, -1<<40, math.MinInt64/2, math.MaxInt64/2) {
		for _, then := range far {
			apart := float64(now) - float64(then)
			if got := fresh(time.Unix(now, 0), then, 5*time.Minute); got != (math.Abs(apart) <= 300) {
				t.Errorf("%d and %d: %v", now, then, got)
			}
		}
	}
	for _, s := range allSchemes(t) {
		r := signedBy(t, s.Scheme)
		if m, _ := s.Verify(t.Context(), r); m.Time.IsZero() {
			continue // signs no time
		}
		for apart, want := range map[time.Duration]Reason{
			0: "", 300 * time.Second: "", -300 * time.Second: "", 301 * time.Second: ReasonTimestamp, -301 * time.Second: ReasonTimestamp,
		} {
			q := r
			q.At = testAt.Add(apart)
			if _, err := s.Verify(t.Context(), q); reasonOf(err) != want {
				t.Errorf("%s, %v apart: %v", s.name, apart, err)
			}
			q.Body = nil
			if err := s.Precheck(q); reasonOf(err) != want {
				t.Errorf("%s, %v apart, without the body: %v", s.name, apart, err)
			}
		}
	}
}

// No part of a signature is enough, nothing may be added, and every character counts.
func TestW6_OnlyTheWholeSignatureHolds(t *testing.T) {
	for _, s := range allSchemes(t) {
		if s.name == "rfc9421" {
			continue // below
		}
		r := signedBy(t, s.Scheme)
		field := "Webhook-Signature"
		for name := range r.Header {
			if strings.Contains(name, "Signature") || strings.Contains(name, "Hmac") {
				field = name
			}
		}
		whole := r.Header.Get(field)
		accepted := func(value string) bool {
			r.Header[field] = []string{value}
			_, err := s.Verify(t.Context(), r)
			return err == nil
		}
		if !accepted(whole) {
			t.Fatal(s.name, "does not verify")
		}
		for n := range len(whole) {
			if accepted(whole[:n]) || accepted(whole[n+1:]) {
				t.Errorf("%s: a part of %d of %d", s.name, n, len(whole))
			}
			if s.name == "stripe" && n < 13 {
				continue
			}
			for _, c := range "\r\n =Az0.," {
				if changed := whole[:n] + string(c) + whole[n+1:]; changed != whole && !strings.EqualFold(changed, whole) && accepted(changed) {
					t.Errorf("%s: %q for %q", s.name, changed, whole)
				}
			}
			for _, c := range "\r\nA" {
				if accepted(whole[:n] + string(c) + whole[n:]) {
					t.Errorf("%s: %q at %d", s.name, c, n)
				}
			}
		}
		if i := strings.LastIndexAny(whole, "="); !strings.HasSuffix(whole, "=") && !accepted(whole[:i]+strings.ToUpper(whole[i:])) {
			t.Errorf("%s: hex in upper case is refused", s.name)
		}
	}
}

// Nothing weaker is tried: not SHA-1 of GitHub, not a scheme after the one that applies.
func TestW6_NoFallThrough(t *testing.T) {
	ks := mustRing(t, mustParse(t, secretA))
	strong, weak := Standard(ks), GitHub(ks)
	r := signedBy(t, weak)
	any := AnyOf(strong, weak)
	if _, err := any.Verify(t.Context(), r); err != nil {
		t.Error(err)
	}
	r.Header.Set("Webhook-Signature", "v1,nothing")
	for _, v := range []Verifier{any, AnyOf(Standard(nil), weak), AnyOf(any, weak)} {
		if _, err := v.Verify(t.Context(), r); err == nil {
			t.Error("the second scheme decides what is the first's")
		}
		if err := v.(Prechecker).Precheck(r); err == nil {
			t.Error("the second scheme decides before the body")
		}
	}
	sha1 := Request{Header: header("X-Hub-Signature", "sha1=7d38cdd689735b008b3c702edd92eea23791c5f6"), At: testAt}
	for _, v := range []Verifier{weak, AnyOf(weak), AnyOf(), AnyOf(nil)} {
		if _, err := v.Verify(t.Context(), sha1); reasonOf(err) != ReasonHeader {
			t.Error(err)
		}
	}
	sha1.Header.Set("X-Hub-Signature-256", "sha1=7d38cdd689735b008b3c702edd92eea23791c5f6")
	if _, err := weak.Verify(t.Context(), sha1); reasonOf(err) != ReasonSignature {
		t.Error(err)
	}
}

// 16 signatures are looked at, of which any may hold; 17 are too many.
func TestManySignatures(t *testing.T) {
	s := Standard(mustRing(t, mustParse(t, secretA)))
	r := signedBy(t, s)
	good := r.Header.Get("Webhook-Signature")
	other := "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="
	for _, v := range []struct {
		value string
		want  Reason
	}{
		{strings.Repeat(other+" ", 15) + good, ""}, {strings.Repeat(other+" ", 16) + good, ReasonHeader},
		{"v2,x v9 " + good, ""}, {good + " v1,x", ReasonSignature}, {"v1a" + good[2:], ReasonSignature}, {other, ReasonSignature},
	} {
		r.Header.Set("Webhook-Signature", v.value)
		if _, err := s.Verify(t.Context(), r); reasonOf(err) != v.want {
			t.Errorf("%q: %v", v.value, err)
		}
	}
	for _, id := range []string{"", "a.b", "a b", "ä", strings.Repeat("x", 257)} {
		if err := s.Sign(t.Context(), &Request{At: testAt}, Message{ID: id}); err == nil {
			t.Errorf("the ID %q is signed", id)
		}
		r.Header.Set("Webhook-Id", id)
		if s.Precheck(r) == nil {
			t.Errorf("the ID %q is taken", id)
		}
	}
	// svix has fields of its own, and else those of Standard Webhooks, never a mixture.
	x := Svix(mustRing(t, mustParse(t, secretA)))
	if _, err := x.Verify(t.Context(), signedBy(t, s)); err != nil {
		t.Error(err)
	}
	mixed := signedBy(t, x)
	delete(mixed.Header, "Svix-Id")
	mixed.Header.Set("Webhook-Id", "msg_1")
	if _, err := x.Verify(t.Context(), mixed); err == nil {
		t.Error("a mixture")
	}
}

func TestHMACSpecErrors(t *testing.T) {
	ks := mustRing(t, mustParse(t, secretA))
	for name, spec := range map[string]HMACSpec{
		"no field": {}, "hash": {Signature: "A", Hash: 3}, "encoding": {Signature: "A", Encoding: 7},
		"tolerance": {Signature: "A", Tolerance: -1}, "no prefix": {Signature: "A", Separator: ","},
		"timestamp prefix": {Signature: "A", TimestampPrefix: "t="}, "unknown": {Signature: "A", Signed: "{body}{x}"},
		"open": {Signature: "A", Signed: "{body"}, "no body": {Signature: "A", Signed: "{url}"}, "two bodies": {Signature: "A", Signed: "{body}.{body}"},
		"timestamp not signed": {Signature: "A", Timestamp: "T"}, "no timestamp": {Signature: "A", Signed: "{timestamp}.{body}"},
		"touch": {Signature: "A", Timestamp: "T", Signed: "{timestamp}{body}"}, "digit after": {Signature: "A", Timestamp: "T", Signed: "{timestamp}1.{body}"},
		"digit before": {Signature: "A", Timestamp: "T", Signed: "{body}1{timestamp}"}, "id without field": {Signature: "A", Signed: "{id}.{body}"},
		"id at the end": {Signature: "A", ID: "I", Signed: "{body}.{id}"},
	} {
		if s, err := HMAC(spec, ks); err == nil || s != nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := HMAC(HMACSpec{Signature: "A"}, nil); err == nil {
		t.Error("no keys")
	}
	square := Square(ks)
	if _, err := square.Verify(t.Context(), Request{Header: header("X-Square-Hmacsha256-Signature", "x")}); err != errUnknownURL {
		t.Error(err)
	}
	if err := square.Sign(t.Context(), &Request{}, Message{}); err != errUnknownURL {
		t.Error(err)
	}
}

func TestMessageSignatureRefuses(t *testing.T) {
	ks := mustRing(t, mustParse(t, secretA).Named("k"))
	s := MessageSignature(nil, ks)
	good := signedBy(t, s)
	input := good.Header.Get("Signature-Input")
	for name, change := range map[string]func(r *Request){
		"other alg": func(r *Request) { r.Header.Set("Signature-Input", strings.Replace(input, "hmac-sha256", "ed25519", 1)) },
		"no created": func(r *Request) {
			r.Header.Set("Signature-Input", strings.Replace(input, ";created=1700000000", "", 1))
		},
		"created a string": func(r *Request) {
			r.Header.Set("Signature-Input", strings.Replace(input, "=1700000000", `="1700000000"`, 1))
		},
		"expired":   func(r *Request) { r.Header.Set("Signature-Input", input+";expires=1699999999") },
		"other key": func(r *Request) { r.Header.Set("Signature-Input", strings.Replace(input, `keyid="k"`, `keyid="l"`, 1)) },
		"no digest covered": func(r *Request) {
			r.Header.Set("Signature-Input", strings.Replace(input, ` "content-digest"`, "", 1))
		},
		"not canonical": func(r *Request) { r.Header.Set("Signature-Input", strings.Replace(input, ";created", "; created", 1)) },
		"twice": func(r *Request) {
			r.Header.Set("Signature-Input", strings.Replace(input, `"@method"`, `"@method" "@method"`, 1))
		},
		"other label":  func(r *Request) { r.Header.Set("Signature-Input", "x"+input) },
		"nonsense":     func(r *Request) { r.Header.Set("Signature-Input", "sig") },
		"no input":     func(r *Request) { r.Header.Del("Signature-Input") },
		"other method": func(r *Request) { r.Method = "PUT" },
		"other URL":    func(r *Request) { r.URL = "https://example.com/other" },
		"other digest": func(r *Request) { r.Body = []byte("x"); r.Header.Set("Content-Digest", contentDigest(r.Body)) },
		"other body":   func(r *Request) { r.Body = []byte("x") },
		"id twice":     func(r *Request) { r.Header.Add("Webhook-Id", "2") },
	} {
		r := good
		r.Header = good.Header.Clone()
		change(&r)
		if _, err := s.Verify(t.Context(), r); reasonOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if m, err := s.Verify(t.Context(), good); err != nil || !m.IDSigned || m.KeyID != "k" {
		t.Error(m, err)
	}
}

// mutate changes something of r, at random.
func mutate(rnd *rand.Rand, r Request) Request {
	names := make([]string, 0, len(r.Header))
	for name := range r.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	h := r.Header.Clone()
	name := names[rnd.IntN(len(names))]
	v := h[name][0]
	junk := []string{"", "\x00", ",", "=", " ", ":", ";", "v1,", "v1=", "t=1", "sig=", "()", `"`, "AAAA", "\r\n", strings.Repeat("A", rnd.IntN(200))}[rnd.IntN(16)]
	at, to := rnd.IntN(len(v)+1), rnd.IntN(len(v)+1)
	at, to = min(at, to), max(at, to)
	switch rnd.IntN(4) {
	case 0:
		h[name] = []string{v[:at] + junk + v[to:]}
	case 1:
		h[name] = []string{v[:at] + junk + v[at:]}
	case 2:
		h[name] = append(h[name], junk)
	case 3:
		delete(h, name)
	}
	r.Header = h
	return r
}

// Of 100 000 that are malformed none is accepted unless it says the same, and none leaves
// anything behind.
func TestW1_MalformedPushes(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	schemes := allSchemes(t)
	var before, after runtime.MemStats
	for _, s := range schemes {
		r := signedBy(t, s.Scheme)
		runtime.GC()
		runtime.ReadMemStats(&before)
		for range 100_000 / len(schemes) {
			q := mutate(rnd, r)
			m, err := s.Verify(t.Context(), q)
			if err == nil && (string(m.Body) != "a=1&b=2" || !same(r, q)) {
				t.Fatalf("%s: accepted: %q", s.name, q.Header)
			}
			if err != nil && reasonOf(err) == "" {
				t.Fatalf("%s: %v", s.name, err)
			}
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 1<<20 {
			t.Errorf("%s: %d bytes are left", s.name, grown)
		}
	}
}

// same says that what is signed of q is what is signed of r: a mutation hit a field that
// no signature covers, or white space around what is read without it, or put something
// of another version beside a signature.
func same(r, q Request) bool {
	for name, lines := range r.Header {
		switch name {
		case "Content-Type", "X-Github-Event", "X-Github-Delivery", "X-Shopify-Topic", "X-Shopify-Webhook-Id", "I-Twilio-Idempotency-Token":
		default:
			text := strings.Join(q.Header[name], ", ")
			for _, word := range strings.FieldsFunc(lines[0], func(r rune) bool { return r == ' ' || r == ',' }) {
				if !strings.Contains(strings.ToLower(text), strings.ToLower(word)) {
					return false
				}
			}
		}
	}
	return true
}

func fuzzScheme(f *testing.F, name, field string) {
	var s *Scheme
	for _, x := range allSchemes(f) {
		if x.name == name {
			s = x.Scheme
		}
	}
	r := signedBy(f, s)
	good := r.Header.Get(field)
	for _, text := range []string{good, good + " ", good[1:], "", "v1,", "t=1,v1=", "sig=()", strings.Repeat(",", 40)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q := r
		q.Header = r.Header.Clone()
		q.Header[field] = []string{text}
		early := s.Precheck(q)
		_, err := s.Verify(t.Context(), q)
		if err == nil && (early != nil || !same(r, q)) {
			t.Errorf("accepted: %q", text)
		}
		if _, again := s.Verify(t.Context(), q); (again == nil) != (err == nil) {
			t.Errorf("%q: %v, then %v", text, err, again)
		}
	})
}

func FuzzStandardHeader(f *testing.F) { fuzzScheme(f, "standard", "Webhook-Signature") }
func FuzzStripeHeader(f *testing.F)   { fuzzScheme(f, "stripe", "Stripe-Signature") }
func FuzzSignatureInput(f *testing.F) { fuzzScheme(f, "rfc9421", "Signature-Input") }

func FuzzContentDigest(f *testing.F) {
	body := []byte("body")
	f.Add(contentDigest(body))
	f.Add("sha-256=:AA==:, sha-512=:AA==:")
	f.Fuzz(func(t *testing.T, field string) {
		h := http.Header{"Content-Digest": {field}}
		if digestHolds(h, body) && (digestHolds(h, []byte("other")) || !digestHolds(h, body)) {
			t.Errorf("%q holds for anything", field)
		}
	})
}

func FuzzParseKey(f *testing.F) {
	for _, text := range []string{secretA, seedA, rfcEd25519, rfcP256, "", "whsec_", "whpk_AAAA"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		k, err := ParseKey(text)
		if (err == nil) != (k.of != nil) {
			t.Fatal(err)
		}
		if err == nil && (algorithmOf(k.of) == "" || len(text) > 0 && strings.Contains(fmt.Sprint(k), text)) {
			t.Errorf("%q", text)
		}
	})
}
