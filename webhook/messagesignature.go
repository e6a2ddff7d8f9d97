package webhook

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"
)

// MessageSignatureOptions say what signatures of a [MessageSignature] cover. A zero
// field means its default.
type MessageSignatureOptions struct {
	// Components are what Sign covers, and what Verify demands to be covered: names of
	// fields in lower case, and of @method, @target-uri, @authority, @scheme, @path,
	// @query, @request-target and @query-param;name="…". nil means @method and
	// @target-uri. content-digest is always among them.
	Components []string
	// Label is that of the signature to look at, and to write: with several keys, the
	// second is Label2 and so on. "" means any, and sig.
	Label string
	// Tag is what the signature's tag must be, and is written. "" means any, and none.
	Tag string
	// ID is the name of the field with the message's id, "" means Webhook-Id; Type is
	// that of the field with its type, "" means none. Sign covers them. They are
	// signed, of a message that came, if they were covered.
	ID, Type string
	// Tolerance is how far the time of signing may be from the time of arrival, either
	// way, in whole seconds. 0 means 5 minutes.
	Tolerance time.Duration
}

// MessageSignature is the scheme of HTTP Message Signatures (RFC 9421) with a
// Content-Digest (RFC 9530). The algorithm is that of the key, of these: hmac-sha256,
// ed25519, ecdsa-p256-sha256 and rsa-pss-sha512; a signature that says another is
// refused. Its keyid is the name of the key, a key without a name does for every keyid.
// It must say when it was created. nil options mean the defaults; an option that cannot
// be is what [Scheme.Err] returns.
//
// What is written in another form than the canonical one of RFC 8941 is refused. Of
// several signatures one must hold, be fresh and cover what is demanded.
//
// URL decides about @target-uri and its parts, so Request.URL must be the whole URL.
func MessageSignature(o *MessageSignatureOptions, ks Keys) *Scheme {
	f := &messageForm{}
	if o != nil {
		f.MessageSignatureOptions = *o
	}
	wrong := f.compile()
	s := newScheme(f, ks)
	if wrong != nil {
		s.wrong = wrong
	}
	return s
}

type messageForm struct {
	MessageSignatureOptions
	demanded []component
}

func (f *messageForm) compile() error {
	if f.Tolerance == 0 {
		f.Tolerance = defaultTolerance
	}
	if f.Components == nil {
		f.Components = []string{"@method", "@target-uri"}
	}
	if f.ID == "" {
		f.ID = "Webhook-Id"
	}
	f.ID, f.Type = http.CanonicalHeaderKey(f.ID), http.CanonicalHeaderKey(f.Type)
	if f.Tolerance < time.Second {
		return misuse("options", "MessageSignatureOptions.Tolerance is negative, or less than a second")
	}
	if c := (cursor{f.Label}); f.Label != "" {
		if _, ok := c.key(); !ok || c.rest != "" {
			return misuse("options", "MessageSignatureOptions.Label is no key of a dictionary")
		}
	}
	names := slices.Clone(f.Components)
	if !slices.Contains(names, "content-digest") {
		names = append(names, "content-digest")
	}
	for i, name := range names {
		name, params, _ := strings.Cut(name, ";")
		if names[i] = quoted(name); params != "" {
			names[i] += ";" + params
		}
	}
	c := cursor{"(" + strings.Join(names, " ") + ")"}
	var ok bool
	if f.demanded, ok = c.components(); !ok || c.rest != "" {
		return misuse("options", "MessageSignatureOptions.Components has one that is unknown, or is there twice")
	}
	return nil
}

// A claim is a signature, with what it says of itself.
type claim struct {
	code       []byte
	covered    []component
	params     string // as it came
	keyID, alg string
	named      bool
	created    time.Time
}

const (
	signatureField = "Signature"
	inputField     = "Signature-Input"
)

func (f *messageForm) applies(h http.Header) bool {
	return len(h[inputField]) > 0 || len(h[signatureField]) > 0
}

func (f *messageForm) suits(k *keyMaterial) bool { return algorithmOf(k) != "" }

func (f *messageForm) precheck(r Request) error {
	_, _, err := f.read(&r)
	return err
}

// read returns the signatures that are fresh and cover what is demanded, without those
// that are of no interest.
func (f *messageForm) read(r *Request) (claims []claim, m Message, err error) {
	if len(r.Header[inputField]) == 0 || len(r.Header[signatureField]) == 0 {
		return nil, m, errMissing
	}
	if m.ID, err = optional(r.Header, f.ID); err != nil {
		return nil, m, err
	}
	if m.Type, err = optional(r.Header, f.Type); err != nil {
		return nil, m, err
	}
	codes := make(map[string][]byte, 1)
	well := dictionary(joined(r.Header, signatureField), func(label string, c *cursor) (ok bool) {
		codes[label], ok = c.bytes()
		return ok
	})
	err = errSignature // unless there is a better reason
	well = well && dictionary(joined(r.Header, inputField), func(label string, c *cursor) bool {
		from := c.rest
		covered, ok := c.components()
		if !ok {
			return false
		}
		params, _, ok := c.params()
		if !ok {
			return false
		}
		s := claim{covered: covered, code: codes[label], params: from[:len(from)-len(c.rest)]}
		if s.code == nil || f.Label != "" && label != f.Label {
			return true
		}
		if why := f.weigh(&s, params, r.At); why != nil {
			err = why
			return true
		}
		claims = append(claims, s)
		return true
	})
	switch {
	case !well:
		return nil, m, errMalformed
	case len(claims) == 0:
		return nil, m, err
	}
	return claims, m, nil
}

// weigh reads the parameters of s, and says why it does not count.
func (f *messageForm) weigh(s *claim, params []param, at time.Time) error {
	created, expires, tag := "", "", ""
	for _, p := range params {
		var to *string
		kind := byte('"')
		switch p.key {
		case "created":
			to, kind = &created, '0'
		case "expires":
			to, kind = &expires, '0'
		case "tag":
			to = &tag
		case "alg":
			to = &s.alg
		case "keyid":
			to, s.named = &s.keyID, true
		default:
			continue // is signed, and means nothing to us
		}
		if p.kind != kind {
			return errMalformed
		}
		*to = p.value
	}
	var err error
	if s.created, err = stamped(at, created, f.Tolerance); err != nil {
		return err
	}
	if end, _ := parseTimestamp(expires); expires != "" && end < at.Unix() {
		return errStale
	}
	if f.Tag != "" && tag != f.Tag {
		return errSignature
	}
	for i := range f.demanded {
		if !covering(s.covered, f.demanded[i].raw) {
			return errUncovered
		}
	}
	return nil
}

var errUncovered = refusal(ReasonSignature, "what must be signed is not covered")

func covering(covered []component, raw string) bool {
	return slices.ContainsFunc(covered, func(c component) bool { return c.raw == raw })
}

func (f *messageForm) verify(ctx context.Context, r Request, ks Keys) (Message, error) {
	claims, m, err := f.read(&r)
	if err != nil {
		return Message{}, err
	}
	keys, err := keysFor(ctx, ks, r, f.suits)
	if err != nil {
		return Message{}, err
	}
	known := false
	for i := range claims {
		s := &claims[i]
		base, ok := signatureBase(&r, s.covered, s.params)
		for j := range keys {
			k := &keys[j]
			if !ok || !k.usable(r.At) || s.named && k.name != "" && k.name != s.keyID {
				continue
			}
			known = true
			if s.alg != "" && s.alg != algorithmOf(k.of) || !k.of.verifies(base, s.code) {
				continue
			}
			if !digestHolds(r.Header, r.Body) {
				return Message{}, errDigest
			}
			m.KeyID, m.Time, m.Header, m.Body = k.name, s.created, r.Header, r.Body
			m.IDSigned = m.ID != "" && covering(s.covered, quoted(strings.ToLower(f.ID)))
			m.TypeSigned = m.Type != "" && covering(s.covered, quoted(strings.ToLower(f.Type)))
			return m, nil
		}
	}
	if !known {
		return Message{}, errNoKey
	}
	return Message{}, errSignature
}

var errDigest = refusal(ReasonSignature, "the digest of the body does not hold")

func (f *messageForm) sign(ctx context.Context, r *Request, m *Message, ks Keys) error {
	keys, err := keysFor(ctx, ks, *r, f.suits)
	if err != nil {
		return err
	}
	r.Header["Content-Digest"] = []string{contentDigest(r.Body)}
	covered := slices.Clone(f.demanded)
	add := func(name, value string) {
		if name == "" || value == "" {
			return
		}
		r.Header[name] = []string{value}
		c := component{name: strings.ToLower(name)}
		if c.raw = quoted(c.name); !covering(covered, c.raw) {
			covered = append(covered, c)
		}
	}
	add(f.ID, m.ID)
	add(f.Type, m.Type)
	list := make([]string, len(covered))
	for i, c := range covered {
		list[i] = c.raw
	}
	common := "(" + strings.Join(list, " ") + ");created=" + integer(r.At.Unix())
	if f.Tag != "" {
		common += ";tag=" + quoted(f.Tag)
	}
	var inputs, codes []string
	for i := range keys {
		k := &keys[i]
		if !k.usable(r.At) || !k.of.signs() || len(codes) == maxSignatures {
			continue
		}
		params := common + ";alg=" + quoted(algorithmOf(k.of))
		if k.name != "" {
			params += ";keyid=" + quoted(k.name)
		}
		base, ok := signatureBase(r, covered, params)
		if !ok {
			return errNoComponent
		}
		code, err := k.of.sign(base)
		if err != nil {
			return err
		}
		label := f.Label
		if label == "" {
			label = "sig"
		}
		if len(codes) > 0 {
			label += integer(int64(len(codes) + 1))
		}
		inputs = append(inputs, label+"="+params)
		codes = append(codes, label+"=:"+string(Base64.encode(nil, code))+":")
	}
	if len(codes) == 0 {
		return errCannotSign
	}
	r.Header[inputField] = []string{strings.Join(inputs, ", ")}
	r.Header[signatureField] = []string{strings.Join(codes, ", ")}
	return nil
}

var errNoComponent = misuse("request", "a request lacks a component that is to be signed")
