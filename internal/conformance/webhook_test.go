package conformance_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	standard "github.com/standard-webhooks/standard-webhooks/libraries/go"
	stripe "github.com/stripe/stripe-go/v82/webhook"

	"github.com/antiphon-go/antiphon/webhook"
)

const (
	hookSecret  = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	otherSecret = "whsec_plJ3nmyCDGBKInavdOK15jsl0123456789ab"
)

var bodies = []string{`{"type":"invoice.paid","data":{"no":7}}`, "", "\x00\xff not text", strings.Repeat("long ", 50_000)}

func hookKeys(t *testing.T, secrets ...string) webhook.Keys {
	t.Helper()
	keys, err := webhook.ParseKeys(secrets...)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// signed is a push of body as s signs it.
func signed(t *testing.T, s *webhook.Scheme, body string, at time.Time) webhook.Request {
	t.Helper()
	r := webhook.Request{Method: "POST", URL: "https://example.com/hooks", Header: http.Header{}, Body: []byte(body), At: at}
	if err := s.Sign(t.Context(), &r, webhook.Message{ID: "msg_1"}); err != nil {
		t.Fatal(err)
	}
	return r
}

// What we sign, the reference library of Standard Webhooks verifies, also while keys are
// rotated; what it signs, we verify; and neither takes what the other refuses.
func TestStandardWebhooks(t *testing.T) {
	reference, err := standard.NewWebhook(hookSecret)
	if err != nil {
		t.Fatal(err)
	}
	ours := webhook.Standard(hookKeys(t, hookSecret))
	for _, body := range bodies {
		for name, s := range map[string]*webhook.Scheme{"one key": ours, "rotation": webhook.Standard(hookKeys(t, otherSecret, hookSecret))} {
			r := signed(t, s, body, time.Now())
			if err := reference.Verify(r.Body, r.Header); err != nil {
				t.Errorf("%s, %.20q: %v", name, body, err)
			}
			if reference.Verify(append(r.Body, ' '), r.Header) == nil {
				t.Errorf("%s, %.20q: it takes another body", name, body)
			}
		}
		at := time.Now()
		code, err := reference.Sign("msg_2", at, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		stamp := signed(t, ours, body, at).Header.Get(standard.HeaderWebhookTimestamp)
		r := webhook.Request{Method: "POST", Body: []byte(body), At: at, Header: http.Header{}}
		r.Header.Set(standard.HeaderWebhookID, "msg_2")
		r.Header.Set(standard.HeaderWebhookTimestamp, stamp)
		r.Header.Set(standard.HeaderWebhookSignature, code)
		if m, err := ours.Verify(t.Context(), r); err != nil || m.ID != "msg_2" || !m.IDSigned {
			t.Errorf("%.20q: %+v, %v", body, m.ID, err)
		}
	}
	stale := signed(t, ours, "x", time.Now().Add(-6*time.Minute))
	stale.At = time.Now()
	if _, err := ours.Verify(t.Context(), stale); err == nil || reference.Verify(stale.Body, stale.Header) == nil {
		t.Error("what is six minutes old is taken")
	}
	other := signed(t, webhook.Standard(hookKeys(t, otherSecret)), "x", time.Now())
	if _, err := ours.Verify(t.Context(), other); err == nil || reference.Verify(other.Body, other.Header) == nil {
		t.Error("another's signature is taken")
	}
}

// The same with Stripe's library.
func TestStripe(t *testing.T) {
	ours := webhook.Stripe(hookKeys(t, hookSecret))
	for _, body := range bodies {
		for name, s := range map[string]*webhook.Scheme{"one key": ours, "rotation": webhook.Stripe(hookKeys(t, otherSecret, hookSecret))} {
			r := signed(t, s, body, time.Now())
			if err := stripe.ValidatePayload(r.Body, r.Header.Get("Stripe-Signature"), hookSecret); err != nil {
				t.Errorf("%s, %.20q: %v", name, body, err)
			}
		}
		p := stripe.GenerateTestSignedPayload(&stripe.UnsignedPayload{Payload: []byte(body), Secret: hookSecret, Timestamp: time.Now()})
		r := webhook.Request{Method: "POST", Body: []byte(body), At: time.Now(), Header: http.Header{"Stripe-Signature": {p.Header}}}
		if _, err := ours.Verify(t.Context(), r); err != nil {
			t.Errorf("%.20q: %v", body, err)
		}
		r.Body = append(r.Body, ' ')
		if _, err := ours.Verify(t.Context(), r); err == nil {
			t.Errorf("%.20q: another body is taken", body)
		}
	}
}
