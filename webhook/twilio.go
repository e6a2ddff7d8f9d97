package webhook

import (
	"context"
	"crypto"
	"crypto/hmac"
	_ "crypto/sha1" // for crypto.SHA1, which Twilio signs with
	"crypto/sha256"
	"encoding/hex"
	"mime"
	"net/http"
	"net/url"
	"slices"
)

// Twilio is Twilio's scheme. It signs the URL as it was given to Twilio, with its query,
// and of a form every parameter: names and values in the order of their bytes, each
// value of a name once. Of any other body it signs the hash that the URL has as
// bodySHA256; without that there must be no body.
//
// It signs no time, no ID and no Type, and a form not byte for byte: where a name ends
// and its value begins could be shifted. Forms that are signed alike are one message.
func Twilio(ks Keys) *Scheme { return newScheme(twilio{}, ks) }

const (
	twilioSignature = "X-Twilio-Signature"
	twilioID        = "I-Twilio-Idempotency-Token"
)

type twilio struct{}

func (twilio) applies(h http.Header) bool { return len(h[twilioSignature]) > 0 }

func (twilio) suits(k *keyMaterial) bool { return k.text != nil }

func (f twilio) precheck(r Request) error {
	_, _, err := f.read(&r)
	return err
}

func (twilio) read(r *Request) (code, id string, err error) {
	if code, err = only(r.Header, twilioSignature); err == nil {
		id, err = optional(r.Header, twilioID)
	}
	return code, id, err
}

func (f twilio) verify(ctx context.Context, r Request, ks Keys) (Message, error) {
	text, id, err := f.read(&r)
	if err != nil {
		return Message{}, err
	}
	var code [maxMAC]byte
	n, ok := Base64.decode(&code, text)
	if !ok || n != crypto.SHA1.Size() {
		return Message{}, errSignature
	}
	keys, err := keysFor(ctx, ks, r, f.suits)
	if err != nil {
		return Message{}, err
	}
	content, err := f.content(&r)
	if err != nil {
		return Message{}, err
	}
	for i := range keys {
		if k := &keys[i]; k.usable(r.At) && hmac.Equal(f.sum(k.of, content), code[:n]) {
			sum := sha256.Sum256(content)
			return Message{ID: id, KeyID: k.name, Header: r.Header, Body: r.Body, signed: string(sum[:])}, nil
		}
	}
	return Message{}, errSignature
}

func (twilio) sum(k *keyMaterial, content []byte) []byte {
	m := k.text.begin(crypto.SHA1)
	defer m.end()
	_, _ = m.Write(content)
	return m.Sum(nil)
}

// content is what is signed of r, the hash of whose body holds if there is one.
func (twilio) content(r *Request) ([]byte, error) {
	u, err := url.Parse(r.URL)
	if err != nil || r.URL == "" {
		return nil, errUnknownURL
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, errContent
	}
	content := []byte(r.URL)
	if hashes := query["bodySHA256"]; len(hashes) > 0 {
		sum := sha256.Sum256(r.Body)
		want, err := hex.DecodeString(hashes[0])
		if len(hashes) > 1 || err != nil || !hmac.Equal(sum[:], want) {
			return nil, errSignature
		}
		return content, nil
	}
	if len(r.Body) == 0 {
		return content, nil
	}
	types := r.Header["Content-Type"]
	if len(types) != 1 {
		return nil, errContent
	}
	if media, _, err := mime.ParseMediaType(types[0]); err != nil || media != "application/x-www-form-urlencoded" {
		return nil, errContent
	}
	form, err := url.ParseQuery(string(r.Body))
	if err != nil {
		return nil, errContent
	}
	names := make([]string, 0, len(form))
	for name := range form {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		values := form[name]
		slices.Sort(values)
		for _, value := range slices.Compact(values) {
			content = append(append(content, name...), value...)
		}
	}
	return content, nil
}

// errContent is of a body that the scheme cannot have signed.
var errContent = refusal(ReasonSignature, "the scheme does not sign such a body")

func (f twilio) sign(ctx context.Context, r *Request, m *Message, ks Keys) error {
	keys, err := keysFor(ctx, ks, *r, f.suits)
	if err != nil {
		return err
	}
	content, err := f.content(r)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(keys, func(k Key) bool { return k.usable(r.At) })
	code := Base64.encode(nil, f.sum(keys[i].of, content))
	r.Header[twilioSignature] = []string{string(code)}
	if m.ID != "" {
		r.Header[twilioID] = []string{m.ID}
	}
	return nil
}
