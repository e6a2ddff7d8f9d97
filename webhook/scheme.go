package webhook

import (
	"context"
	"net/http"
	"time"
)

// A Scheme is how a push is signed, with the keys: it verifies, and it signs. Make one
// with [Standard], [Svix], [Stripe], [GitHub], [Slack], [Shopify], [Square], [Twilio],
// [MessageSignature] or [HMAC].
//
// What a scheme signs is in [Message] as IDSigned and TypeSigned say; the body always
// is. Each field of the header that a scheme reads may be there once. A signature that
// is missing, or not whole, or has another version, is a refusal, and nothing weaker is
// tried instead.
//
// Concurrency: all methods may be called by any number of goroutines.
//
// Ownership: the Message that Verify returns shares Header and Body with the Request.
//
// Errors: Verify and Precheck refuse with a *RejectError. Other errors are those of the
// Keys, and of code invalid_argument where the scheme cannot be used with such keys or
// without a URL.
//
// Zero value: not usable.
type Scheme struct {
	form  form
	keys  Keys
	wrong error
}

// A form is what a scheme is without its keys.
type form interface {
	// applies says that there are fields of the scheme.
	applies(h http.Header) bool
	// precheck refuses what can be refused without the body.
	precheck(r Request) error
	verify(ctx context.Context, r Request, ks Keys) (Message, error)
	sign(ctx context.Context, r *Request, m *Message, ks Keys) error
	// suits says that keys of such material can be used.
	suits(k *keyMaterial) bool
}

// newScheme checks what it can of the keys, so that a mistake shows at once.
func newScheme(f form, ks Keys) *Scheme {
	s := &Scheme{form: f, keys: ks}
	always, _ := ks.(ring)
	for _, k := range always {
		if !f.suits(k.of) {
			s.wrong = errUnsuitable
		}
	}
	if ks == nil {
		s.wrong = misuse("key", "a scheme has no Keys")
	}
	return s
}

// Err is what is wrong with the keys that the scheme was made with, or nil: they are
// nil, or cannot be used with it. Every other method then fails with it.
func (s *Scheme) Err() error { return s.wrong }

// schemeWrong is what is wrong with v, if it is a Scheme.
func schemeWrong(v any) error {
	if s, ok := v.(*Scheme); ok && s != nil {
		return s.wrong
	}
	return nil
}

// Verify verifies r.
func (s *Scheme) Verify(ctx context.Context, r Request) (Message, error) {
	if s.wrong != nil {
		return Message{}, s.wrong
	}
	r.At = orNow(r.At)
	return s.form.verify(ctx, r, s.keys)
}

// Precheck refuses what can be refused before the body is there.
func (s *Scheme) Precheck(r Request) error {
	if s.wrong != nil {
		return s.wrong
	}
	r.At = orNow(r.At)
	return s.form.precheck(r)
}

// Applies says that r has fields of the scheme: those that carry its signatures.
func (s *Scheme) Applies(r Request) bool {
	return s.form.applies(r.Header) // also if s.wrong: then it is not left to another
}

// Sign sets the fields of r.Header that the scheme has. It signs r.Body, at r.At, and
// m's ID and Type as far as the scheme carries them; other fields of m are not looked
// at. It signs with all keys that have not ended, or with the first of them if the
// scheme carries one signature.
func (s *Scheme) Sign(ctx context.Context, r *Request, m Message) error {
	if s.wrong != nil {
		return s.wrong
	}
	if r.Header == nil {
		r.Header = make(http.Header)
	}
	at := r.At
	r.At = orNow(at)
	err := s.form.sign(ctx, r, &m, s.keys)
	r.At = at
	return err
}

func orNow(at time.Time) time.Time {
	if at.IsZero() {
		return time.Now()
	}
	return at
}

// What is refused, and why. They say nothing of what came.
var (
	errMissing    = refusal(ReasonHeader, "a field is missing")
	errRepeated   = refusal(ReasonHeader, "a field is repeated")
	errMalformed  = refusal(ReasonHeader, "a field is malformed")
	errSignatures = refusal(ReasonHeader, "too many signatures")
	errTimestamp  = refusal(ReasonTimestamp, "no timestamp")
	errStale      = refusal(ReasonTimestamp, "outside the tolerance")
	errSignature  = refusal(ReasonSignature, "no signature holds")
	errNoKey      = refusal(ReasonKey, "there is no such key")

	errUnsuitable = misuse("key", "a key is of another kind than this scheme signs with (see ParseKey and NewKey)")
	errCannotSign = misuse("key", "there is no key to sign with")
	errUnknownURL = misuse("url", "the scheme signs the URL, and Request.URL is empty")
	errSignedID   = misuse("id", "the scheme cannot carry such an ID: it is empty or too long, or has blanks or what ends an ID in what is signed")
)

func refusal(why Reason, text string) *RejectError {
	status := http.StatusUnauthorized
	if why == ReasonHeader {
		status = http.StatusBadRequest
	}
	return &RejectError{Reason: why, Status: status, Err: plainError(text)}
}

// A plainError is a text.
type plainError string

func (e plainError) Error() string { return string(e) }

// maxSignatures is how many signatures a header may carry.
const maxSignatures = 16

// only is the one line of a field; name is canonical.
func only(h http.Header, name string) (string, error) {
	switch lines := h[name]; len(lines) {
	case 0:
		return "", errMissing
	case 1:
		return lines[0], nil
	}
	return "", errRepeated
}

// optional is the one line of a field that need not be there, nor be one that is read.
func optional(h http.Header, name string) (string, error) {
	if name == "" || len(h[name]) == 0 {
		return "", nil
	}
	return only(h, name)
}
