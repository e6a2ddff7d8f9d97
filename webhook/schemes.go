package webhook

import (
	"context"
	"net/http"
)

// Standard is the scheme of Standard Webhooks: v1, an HMAC, with keys of whsec_ or
// [NewKey], and v1a, Ed25519, with keys of whsk_ to sign and of either to verify. It signs
// the ID, which every message needs, and which has no dot. It carries no Type: a receiver
// finds that in the body, as the member type, if you put it there.
func Standard(ks Keys) *Scheme { return known(standard("Webhook"), ks) }

// standard is the scheme with fields of that prefix.
func standard(prefix string) *hmacForm {
	return &hmacForm{decoded: true, asymmetric: "v1a,", HMACSpec: HMACSpec{
		Signature: prefix + "-Signature", Prefix: "v1,", Separator: " ", Encoding: Base64,
		Signed: "{id}.{timestamp}.{body}", ID: prefix + "-Id", Timestamp: prefix + "-Timestamp",
	}}
}

// Svix is [Standard] with fields of its own: svix-id and so on. Where a push has none of
// them, those of Standard Webhooks count.
func Svix(ks Keys) *Scheme {
	own, other := known(standard("Svix"), ks), Standard(ks)
	own.form = either{own.form, other.form}
	return own
}

// either is the first form, unless only the other applies.
type either [2]form

func (e either) of(h http.Header) form {
	if !e[0].applies(h) && e[1].applies(h) {
		return e[1]
	}
	return e[0]
}

func (e either) applies(h http.Header) bool { return e.of(h).applies(h) }

func (e either) suits(k *keyMaterial) bool { return e[0].suits(k) }

func (e either) precheck(r Request) error { return e.of(r.Header).precheck(r) }

func (e either) verify(ctx context.Context, r Request, ks Keys) (Message, error) {
	return e.of(r.Header).verify(ctx, r, ks)
}

func (e either) sign(ctx context.Context, r *Request, m *Message, ks Keys) error {
	return e[0].sign(ctx, r, m, ks)
}

// Stripe is Stripe's scheme. ID and type are in the body alone.
func Stripe(ks Keys) *Scheme {
	return known(&hmacForm{HMACSpec: HMACSpec{
		Signature: "Stripe-Signature", Prefix: "v1=", Separator: ",", TimestampPrefix: "t=",
		Signed: "{timestamp}.{body}",
	}}, ks)
}

// GitHub is GitHub's scheme with SHA-256; the one with SHA-1 is not looked at. It signs
// neither the ID nor the Type, which are fields, nor a time.
func GitHub(ks Keys) *Scheme {
	return known(&hmacForm{HMACSpec: HMACSpec{
		Signature: "X-Hub-Signature-256", Prefix: "sha256=",
		ID: "X-Github-Delivery", Type: "X-Github-Event",
	}}, ks)
}

// Slack is Slack's scheme, v0. ID and type are in the body alone.
func Slack(ks Keys) *Scheme {
	return known(&hmacForm{HMACSpec: HMACSpec{
		Signature: "X-Slack-Signature", Prefix: "v0=",
		Signed: "v0:{timestamp}:{body}", Timestamp: "X-Slack-Request-Timestamp",
	}}, ks)
}

// Shopify is Shopify's scheme. It signs neither the ID nor the Type, which are fields,
// nor a time.
func Shopify(ks Keys) *Scheme {
	return known(&hmacForm{HMACSpec: HMACSpec{
		Signature: "X-Shopify-Hmac-Sha256", Encoding: Base64,
		ID: "X-Shopify-Webhook-Id", Type: "X-Shopify-Topic",
	}}, ks)
}

// Square is Square's scheme: it signs the URL, as it was given to Square, but no time.
// ID and type are in the body alone.
func Square(ks Keys) *Scheme {
	return known(&hmacForm{HMACSpec: HMACSpec{
		Signature: "X-Square-Hmacsha256-Signature", Encoding: Base64, Signed: "{url}{body}",
	}}, ks)
}
