package webhook

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon"
)

const (
	secretA = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	secretB = "whsec_NfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	seedA   = "whsk_VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk="
)

func pemOf(kind string, der []byte, err error) string {
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func pkcs8(private any) string {
	der, err := x509.MarshalPKCS8PrivateKey(private)
	return pemOf("PRIVATE KEY", der, err)
}

func pkix(public any) string {
	der, err := x509.MarshalPKIXPublicKey(public)
	return pemOf("PUBLIC KEY", der, err)
}

func TestParseKey(t *testing.T) {
	public, private, _ := ed25519.GenerateKey(rand.Reader)
	p256, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	sec1, err := x509.MarshalECPrivateKey(p256)
	b64 := base64.StdEncoding.EncodeToString
	for name, v := range map[string]struct{ text, algorithm string }{
		"text":         {"It's a Secret to Everybody", "hmac-sha256"},
		"whsec, 24":    {"whsec_" + b64(make([]byte, 24)), "hmac-sha256"},
		"whsec, 64":    {"whsec_" + b64(make([]byte, 64)), "hmac-sha256"},
		"whsk, seed":   {"whsk_" + b64(private.Seed()), "ed25519"},
		"whsk, whole":  {"whsk_" + b64(private), "ed25519"},
		"whpk":         {"whpk_" + b64(public), "ed25519"},
		"PKCS #8":      {pkcs8(private), "ed25519"},
		"PKIX":         {pkix(public), "ed25519"},
		"P-256, SEC 1": {pemOf("EC PRIVATE KEY", sec1, err), "ecdsa-p256-sha256"},
		"P-256":        {pkcs8(p256), "ecdsa-p256-sha256"},
		"P-256 public": {pkix(&p256.PublicKey), "ecdsa-p256-sha256"},
		"RSA public":   {rfcRSAPSS, "rsa-pss-sha512"},
	} {
		k, err := ParseKey(v.text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if got := algorithmOf(k.of); got != v.algorithm {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// Whatever is too short, empty or no key at all is an error where it is made, which
// quotes nothing of it.
func TestW3_KeysAreCheckedAtConstruction(t *testing.T) {
	b64 := base64.StdEncoding.EncodeToString
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	_, private, _ := ed25519.GenerateKey(rand.Reader)
	_, other, _ := ed25519.GenerateKey(rand.Reader)
	x, err := x509.MarshalPKCS8PrivateKey(private)
	for name, text := range map[string]string{
		"empty":                 "",
		"short":                 "fifteen bytes..",
		"blank":                 "                    ",
		"a line end":            secretA + "\n",
		"whsec, empty":          "whsec_",
		"whsec, 23 bytes":       "whsec_" + b64(make([]byte, 23)),
		"whsec, 65 bytes":       "whsec_" + b64(make([]byte, 65)),
		"whsec, no base64":      "whsec_" + strings.Repeat("-", 40),
		"whsec, no padding":     "whsec_" + strings.TrimRight(b64(make([]byte, 32)), "="),
		"whsec, bits left":      "whsec_" + strings.Repeat("A", 42) + "B=",
		"whsec, CR LF":          "whsec_" + b64(make([]byte, 24)) + "\r\nAAAA",
		"whsk, 31 bytes":        "whsk_" + b64(make([]byte, 31)),
		"whsk, halves":          "whsk_" + b64(append(private.Seed(), other[32:]...)),
		"whpk, 31 bytes":        "whpk_" + b64(make([]byte, 31)),
		"whpk, of small order":  "whpk_" + b64(make([]byte, 32)),
		"PEM, no block":         "-----BEGIN nothing",
		"PEM, two blocks":       rfcEd25519 + rfcEd25519,
		"PEM, certificate":      pemOf("CERTIFICATE", []byte{1}, nil),
		"PEM, nonsense":         pemOf("PUBLIC KEY", []byte{1}, nil),
		"PEM, private nonsense": pemOf("PRIVATE KEY", []byte{1}, nil),
		"PEM, mislabeled":       pemOf("EC PRIVATE KEY", x, err),
		"PEM, P-384":            pkix(&p384.PublicKey),
		"PEM, P-384 private":    pkcs8(p384),
		"PEM, RSA 1024":         pkcs8(short),
	} {
		k, err := ParseKey(text)
		if err == nil || k.of != nil {
			t.Errorf("%s: a key", name)
			continue
		}
		if antiphon.CodeOf(err) != antiphon.CodeInvalidArgument || len(text) > 6 && strings.Contains(err.Error(), text[6:]) {
			t.Errorf("%s: %v", name, err)
		}
		if ks, err := ParseKeys(secretA, text); err == nil || ks != nil {
			t.Errorf("%s: keys", name)
		}
	}
	if _, err := NewKey(make([]byte, 15)); err == nil {
		t.Error("15 bytes are a key")
	}
	for name, f := range map[string]func() (Keys, error){
		"none": func() (Keys, error) { return KeyRing() }, "zero": func() (Keys, error) { return KeyRing(mustParse(t, secretA), Key{}) },
		"no texts": func() (Keys, error) { return ParseKeys() },
	} {
		if ks, err := f(); err == nil || ks != nil {
			t.Errorf("%s: a ring", name)
		}
	}
	// A scheme that cannot use the keys says so, and neither verifies nor signs.
	for name, s := range map[string]*Scheme{
		"nil keys":           Standard(nil),
		"text for Standard":  Standard(mustRing(t, mustParse(t, "It's a Secret to Everybody"))),
		"pair for GitHub":    GitHub(mustRing(t, mustParse(t, seedA))),
		"pair for Twilio":    Twilio(mustRing(t, mustParse(t, rfcP256))),
		"P-256 for Standard": Svix(mustRing(t, mustParse(t, rfcP256))),
		"options":            MessageSignature(&MessageSignatureOptions{Tolerance: -1}, mustRing(t, mustParse(t, secretA))),
		"label":              MessageSignature(&MessageSignatureOptions{Label: "A b"}, mustRing(t, mustParse(t, secretA))),
		"component":          MessageSignature(&MessageSignatureOptions{Components: []string{"@status2;x"}}, mustRing(t, mustParse(t, secretA))),
		"component twice":    MessageSignature(&MessageSignatureOptions{Components: []string{"date", "date"}}, mustRing(t, mustParse(t, secretA))),
	} {
		if s.Err() == nil || s.Precheck(Request{}) != s.Err() || s.Sign(t.Context(), &Request{}, Message{ID: "1"}) != s.Err() {
			t.Errorf("%s: no error", name)
		}
		if _, err := s.Verify(t.Context(), Request{}); err != s.Err() {
			t.Errorf("%s: Verify: %v", name, err)
		}
	}
}

// The points of small order are those that RFC 7748 and libsodium list; each has the
// property, and generated keys have not.
func TestW3_SmallOrderKeys(t *testing.T) {
	for _, text := range []string{
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // 0, not canonical
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // 1, not canonical
		"0200000000000000000000000000000000000000000000000000000000000000", // no point
	} {
		for _, sign := range []byte{0, 0x80} {
			key, _ := hex.DecodeString(text)
			key[31] |= sign
			if soundPoint(key) {
				t.Errorf("%x is taken", key)
			}
		}
	}
	for range 20 {
		public, _, _ := ed25519.GenerateKey(rand.Reader)
		if !soundPoint(public) {
			t.Errorf("%x is not taken", public)
		}
	}
	if soundPoint(make([]byte, 33)) {
		t.Error("33 bytes")
	}
}

// A key does not tell what it is: not by any verb, not in a log, not in JSON, not as a
// part of something else.
func TestW8_KeysAreRedacted(t *testing.T) {
	const secret = "Correct-Horse-Battery-Staple"
	k := mustParse(t, secret).Named("march")
	ks := mustRing(t, k)
	s := GitHub(ks)
	type nested struct {
		k  Key
		P  *Key
		ks Keys
		s  *Scheme
	}
	var out bytes.Buffer
	for _, v := range []any{k, &k, []Key{k}, map[string]Key{"a": k}, ks, s, nested{k, &k, ks, s}, struct{ K Key }{k}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%p", "%T", "%10s", "%U"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(data)
		slog.New(slog.NewTextHandler(&out, nil)).Info("m", "v", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "v", v)
	}
	got := out.String()
	for _, form := range []string{
		secret, hex.EncodeToString([]byte(secret)), base64.StdEncoding.EncodeToString([]byte(secret)),
		strings.Trim(fmt.Sprint([]byte(secret)), "[]"), strings.Trim(fmt.Sprintf("%#v", []byte(secret)), "[]byte{}"),
	} {
		if strings.Contains(strings.ToLower(got), strings.ToLower(form)) {
			t.Errorf("the secret is there as %q", form)
		}
	}
	if k.String() != "webhook.Key(march)" || k.GoString() != k.String() || fmt.Sprintf("%#v", k) != k.String() || k.Name() != "march" {
		t.Errorf("%v, %#v", k, k)
	}
	if text := fmt.Sprint(k.Named("")); text != "webhook.Key" {
		t.Error(text)
	}
}

// While two keys overlap, either verifies; one that has ended does neither.
func TestKeyRotation(t *testing.T) {
	at := time.Unix(1700000000, 0)
	old, fresh := mustParse(t, secretA).Named("old"), mustParse(t, secretB).Named("new")
	for name, f := range map[string]func(Keys) *Scheme{
		"standard": Standard, "stripe": Stripe,
		"rfc9421": func(ks Keys) *Scheme { return MessageSignature(nil, ks) },
	} {
		both := f(mustRing(t, fresh, old.Until(at.Add(time.Minute))))
		r := Request{Method: "POST", URL: "https://example.com/", Body: []byte("x"), At: at}
		if err := both.Sign(t.Context(), &r, Message{ID: "1"}); err != nil {
			t.Fatal(name, err)
		}
		for _, k := range []Key{old, fresh} {
			if m, err := f(mustRing(t, k)).Verify(t.Context(), r); err != nil || m.KeyID != k.name {
				t.Errorf("%s: signed with both, %v does not verify: %v %v", name, k, m.KeyID, err)
			}
		}
		r.At = at.Add(time.Minute)
		if err := both.Sign(t.Context(), &r, Message{ID: "1"}); err != nil {
			t.Fatal(name, err)
		}
		if _, err := f(mustRing(t, old)).Verify(t.Context(), r); err == nil {
			t.Errorf("%s: a key that has ended still signs", name)
		}
		theirs := f(mustRing(t, old))
		if err := theirs.Sign(t.Context(), &r, Message{ID: "1"}); err != nil {
			t.Fatal(name, err)
		}
		if _, err := both.Verify(t.Context(), r); err == nil {
			t.Errorf("%s: a key that has ended still verifies", name)
		}
		ended := f(mustRing(t, old.Until(at)))
		if _, err := ended.Verify(t.Context(), r); reasonOf(err) != ReasonKey {
			t.Errorf("%s: all have ended: %v", name, err)
		}
		if err := ended.Sign(t.Context(), &r, Message{ID: "1"}); err == nil {
			t.Errorf("%s: signs without a key", name)
		}
	}
	// A scheme with one signature signs with the first key.
	one := GitHub(mustRing(t, fresh.Until(at), old))
	r := Request{Body: []byte("x"), At: at}
	if err := one.Sign(t.Context(), &r, Message{}); err != nil {
		t.Fatal(err)
	}
	if m, err := one.Verify(t.Context(), r); err != nil || m.KeyID != "old" {
		t.Error(m, err)
	}
	// A public key does not sign.
	public := mustParse(t, "whpk_"+base64.StdEncoding.EncodeToString(mustParse(t, seedA).of.ed25519))
	if err := Standard(mustRing(t, public)).Sign(t.Context(), &r, Message{ID: "1"}); !errors.Is(err, errCannotSign) {
		t.Error(err)
	}
	if err := MessageSignature(nil, mustRing(t, public)).Sign(t.Context(), &Request{Method: "POST", URL: "https://a/"}, Message{}); !errors.Is(err, errCannotSign) {
		t.Error(err)
	}
}

func reasonOf(err error) Reason {
	var r *RejectError
	if errors.As(err, &r) {
		return r.Reason
	}
	return ""
}

// Keys may depend on who pushes; they are asked after all that costs less.
func TestKeysOfATenant(t *testing.T) {
	a, b := mustParse(t, secretA), mustParse(t, secretB)
	broken := errors.New("the store is down")
	s := Standard(KeysFunc(func(_ context.Context, r Request) ([]Key, error) {
		switch r.URL {
		case "https://example.com/a":
			return []Key{a}, nil
		case "https://example.com/b":
			return []Key{b}, nil
		case "https://example.com/down":
			return nil, broken
		case "https://example.com/text":
			return []Key{mustParse(t, "a text that is a key")}, nil
		}
		return nil, nil
	}))
	r := Request{URL: "https://example.com/a", Body: []byte("x"), At: time.Unix(1700000000, 0)}
	var none context.Context // counts as Background
	if err := s.Sign(none, &r, Message{ID: "1"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Verify(t.Context(), r); err != nil {
		t.Error(err)
	}
	for url, want := range map[string]Reason{"https://example.com/b": ReasonSignature, "https://example.com/c": ReasonKey} {
		r.URL = url
		if _, err := s.Verify(t.Context(), r); reasonOf(err) != want {
			t.Errorf("%s: %v", url, err)
		}
	}
	r.URL = "https://example.com/down"
	if _, err := s.Verify(t.Context(), r); !errors.Is(err, broken) || reasonOf(err) != "" {
		t.Error(err)
	}
	r.URL = "https://example.com/text"
	if _, err := s.Verify(t.Context(), r); !errors.Is(err, errUnsuitable) {
		t.Error(err)
	}
	never := Standard(KeysFunc(func(context.Context, Request) ([]Key, error) {
		t.Error("keys are looked up for a push that is stale")
		return nil, nil
	}))
	r.At = r.At.Add(time.Hour)
	if _, err := never.Verify(t.Context(), r); reasonOf(err) != ReasonTimestamp {
		t.Error(err)
	}
}
