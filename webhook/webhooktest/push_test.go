package webhooktest_test

import (
	"crypto"
	"io"
	"net/http"
	"testing"

	"github.com/antiphon-go/antiphon/webhook"
	"github.com/antiphon-go/antiphon/webhook/webhooktest"
)

func keys(t testing.TB, texts ...string) webhook.Keys {
	t.Helper()
	ks, err := webhook.ParseKeys(texts...)
	if err != nil {
		t.Fatal(err)
	}
	return ks
}

const (
	secret      = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	otherSecret = "whsec_NfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	private     = "whsk_VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk="
	otherSeed   = "whsk_V0VCSE9PS0FTWU1NRVRSSUNURVNUUFJJVkFURUtFWTE="
)

// Every scheme that there is passes.
func TestTestScheme(t *testing.T) {
	json := webhook.Message{ID: "msg_1", Type: "invoice.paid", Body: []byte(`{"amount": 100}`), Header: http.Header{"Content-Type": {"application/json"}}}
	form := webhook.Message{ID: "msg_1", Body: []byte("To=%2B1&From=%2B2&Media=b&Media=a"), Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}}
	hmac := func(spec webhook.HMACSpec) func(webhook.Keys) *webhook.Scheme {
		return func(ks webhook.Keys) *webhook.Scheme {
			s, err := webhook.HMAC(spec, ks)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
	}
	for _, v := range []struct {
		name       string
		scheme     func(webhook.Keys) *webhook.Scheme
		key, other string
		message    webhook.Message
	}{
		{"standard", webhook.Standard, secret, otherSecret, json},
		{"standard, asymmetric", webhook.Standard, private, otherSeed, json},
		{"svix", webhook.Svix, secret, otherSecret, json},
		{"stripe", webhook.Stripe, secret, otherSecret, json},
		{"github", webhook.GitHub, secret, otherSecret, json},
		{"slack", webhook.Slack, secret, otherSecret, json},
		{"shopify", webhook.Shopify, secret, otherSecret, json},
		{"square", webhook.Square, secret, otherSecret, json},
		{"twilio", webhook.Twilio, secret, otherSecret, form},
		{"message signature", func(ks webhook.Keys) *webhook.Scheme { return webhook.MessageSignature(nil, ks) }, secret, otherSecret, json},
		{"message signature, asymmetric", func(ks webhook.Keys) *webhook.Scheme {
			return webhook.MessageSignature(&webhook.MessageSignatureOptions{Components: []string{"@method", "@authority", "content-type"}, Tag: "hook", Type: "Webhook-Type"}, ks)
		}, private, otherSeed, json},
		{"own, after the body", hmac(webhook.HMACSpec{
			Signature: "X-Acme", Prefix: "v1=", Separator: ";", Encoding: webhook.Base64, Hash: crypto.SHA512,
			Signed: "{url}|{body}|{id}|{timestamp}|", ID: "X-Acme-Id", Type: "X-Acme-Type", TimestampPrefix: "ts=",
		}), secret, otherSecret, json},
	} {
		t.Run(v.name, func(t *testing.T) {
			s := v.scheme(keys(t, v.key))
			webhooktest.TestScheme(t, webhooktest.SchemeTrial{
				Signer: s, Verifier: s, Other: v.scheme(keys(t, v.other)), Message: v.message,
			})
		})
		t.Run(v.name+", two keys", func(t *testing.T) {
			s := v.scheme(keys(t, v.key, v.other))
			third := keys(t, "whsec_OfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
			webhooktest.TestScheme(t, webhooktest.SchemeTrial{
				Signer: s, Verifier: webhook.AnyOf(s), Other: v.scheme(third), Message: v.message,
			})
		})
	}
}

// A way to tamper leaves the push as it is, and changes something; a scheme that has
// nothing of the kind is left alone.
func TestTampers(t *testing.T) {
	m := webhook.Message{ID: "msg_1", Type: "a", Body: []byte("body")}
	did := map[string]map[string]bool{}
	for name, s := range map[string]*webhook.Scheme{"standard": webhook.Standard(keys(t, secret)), "github": webhook.GitHub(keys(t, secret))} {
		did[name] = map[string]bool{}
		for _, w := range webhooktest.Tampers() {
			p := webhooktest.Sign(t, s, "https://example.com/", m)
			before := read(t, p.HTTP())
			q := w.Do(p)
			if got := read(t, p.HTTP()); got != before {
				t.Errorf("%s: the push is another: %s", w.Name, got)
			}
			did[name][w.Name] = q != nil
			if q != nil && read(t, q.HTTP()) == before {
				t.Errorf("%s: nothing is changed", w.Name)
			}
		}
	}
	for way, done := range did["standard"] {
		if !done {
			t.Errorf("Standard Webhooks have everything, but not: %s", way)
		}
	}
	for _, way := range []string{"timestamp, another", "timestamp, of an hour ago", "id, another"} {
		if did["github"][way] {
			t.Errorf("GitHub signs nothing of the kind: %s", way)
		}
	}
	p := webhooktest.Sign(t, webhook.GitHub(keys(t, secret)), "https://example.com/", m)
	if q := webhooktest.OtherKey(webhook.GitHub(keys(t, otherSecret))).Do(p); read(t, q.HTTP()) == read(t, p.HTTP()) {
		t.Error("another key signs alike")
	}
}

// A push can be replayed: each request has the body anew.
func TestPushHTTP(t *testing.T) {
	p := webhooktest.Sign(t, webhook.GitHub(keys(t, secret)), "https://example.com/hooks?a=1", webhook.Message{Body: []byte("body")})
	if a, b := read(t, p.HTTP()), read(t, p.HTTP()); a != b {
		t.Errorf("%s, then %s", a, b)
	}
	p.HTTP().Header.Set("X-Hub-Signature-256", "other")
	if p.Header.Get("X-Hub-Signature-256") == "other" {
		t.Error("requests share a header")
	}
}

func read(t *testing.T, r *http.Request) string {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	text := r.Method + " " + r.URL.String() + "\n"
	for _, name := range []string{
		"Webhook-Id", "Webhook-Timestamp", "Webhook-Signature", "X-Hub-Signature-256", "X-Github-Event", "X-Github-Delivery",
	} {
		for _, v := range r.Header[name] {
			text += name + ": " + v + "\n"
		}
	}
	return text + string(body)
}
