package webhook

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/hmac"
	_ "crypto/sha256" // for crypto.SHA256
	_ "crypto/sha512" // for crypto.SHA384 and crypto.SHA512
	"net/http"
	"strconv"
	"strings"
	"time"
)

// An HMACSpec describes a scheme in which a field of the header is an HMAC. The zero
// value of a field means that the scheme does not have it, unless it says otherwise.
type HMACSpec struct {
	// Signature is the name of the field with the signature. Needed.
	Signature string
	// Prefix is what a signature begins with, as "sha256=". It is not signed.
	Prefix string
	// Separator is what stands between several signatures, as "," or " ". Of these,
	// what does not begin with Prefix is passed over: it is another version. At most
	// 16 are looked at. Without a Separator there is one signature.
	Separator string
	// Encoding is that of the signature.
	Encoding Encoding
	// Hash is crypto.SHA256, SHA384 or SHA512. 0 means crypto.SHA256.
	Hash crypto.Hash

	// Signed is what is signed: a text with {body}, and maybe {id}, {timestamp} and
	// {url}, as "v0:{timestamp}:{body}". Of {id}, {timestamp} and {body} no two may
	// touch, or what belongs to which could be shifted. {url} should be in front of JSON
	// alone, or ReceiverOptions.URL have the query: that of a push could take in the
	// beginning of another body. "" means "{body}".
	Signed string
	// ID is the name of the field with the message's id. If it is signed, then it has
	// at most 256 visible characters, and nothing of what follows {id} in Signed.
	ID string
	// Type is the name of the field with the message's type.
	Type string
	// Timestamp is the name of the field with the seconds since 1970.
	Timestamp string
	// TimestampPrefix is what the timestamp begins with where it stands among the
	// signatures, as "t=".
	TimestampPrefix string
	// Tolerance is how far the timestamp may be from the time of arrival, either way,
	// in whole seconds. 0 means 5 minutes.
	Tolerance time.Duration
}

// HMAC returns the scheme that spec describes. An error says what in it cannot be.
func HMAC(spec HMACSpec, ks Keys) (*Scheme, error) {
	f := &hmacForm{HMACSpec: spec}
	if err := f.compile(); err != nil {
		return nil, err
	}
	s := newScheme(f, ks)
	return s, s.wrong
}

// known is a scheme whose spec is in this package.
func known(f *hmacForm, ks Keys) *Scheme {
	if err := f.compile(); err != nil {
		panic(err)
	}
	return newScheme(f, ks)
}

// An hmacForm is an HMACSpec that is taken apart.
type hmacForm struct {
	HMACSpec
	decoded    bool   // the key is what a whsec_ encodes, not its text
	asymmetric string // prefix of signatures with Ed25519 of the same content

	head, tail []part // of Signed, around {body}
	idEnd      string // what follows {id}; it is signed if that is not empty
	stamped    bool   // there is a timestamp
}

// A part of what is signed is a literal, or a variable.
type part struct {
	literal string
	of      variable
}

type variable byte

const (
	isLiteral variable = iota
	isID
	isTimestamp
	isURL
	isBody
)

var variables = map[string]variable{"id": isID, "timestamp": isTimestamp, "url": isURL, "body": isBody}

// compile takes the spec apart.
func (f *hmacForm) compile() error {
	wrong := func(text string) error { return misuse("spec", "HMACSpec: "+text) }
	for _, name := range []*string{&f.Signature, &f.ID, &f.Type, &f.Timestamp} {
		*name = http.CanonicalHeaderKey(*name)
	}
	if f.Hash == 0 {
		f.Hash = crypto.SHA256
	}
	if f.Tolerance == 0 {
		f.Tolerance = defaultTolerance
	}
	if f.Signed == "" {
		f.Signed = "{body}"
	}
	f.stamped = f.Timestamp != "" || f.TimestampPrefix != ""
	switch {
	case f.Signature == "":
		return wrong("Signature is empty")
	case f.Hash != crypto.SHA256 && f.Hash != crypto.SHA384 && f.Hash != crypto.SHA512:
		return wrong("Hash is none of SHA256, SHA384 and SHA512")
	case f.Encoding != Hex && f.Encoding != Base64:
		return wrong("Encoding is unknown")
	case f.Tolerance < time.Second:
		return wrong("Tolerance is negative, or less than a second")
	case f.Separator != "" && (f.Prefix == "" || strings.Contains(f.Prefix, f.Separator)):
		return wrong("a Separator needs a Prefix that does not contain it")
	case f.TimestampPrefix != "" && (f.Separator == "" || f.Timestamp != "" || f.TimestampPrefix == f.Prefix):
		return wrong("a TimestampPrefix needs a Separator, another Prefix, and no Timestamp")
	}
	parts, err := f.parse()
	if err != nil {
		return wrong(err.Error())
	}
	f.idEnd = ""
	count := [isBody + 1]int{}
	last := isURL // the last variable that whoever signs does not fix
	for i, p := range parts {
		count[p.of]++
		switch {
		case p.of == isID && i+1 < len(parts):
			f.idEnd = parts[i+1].literal
			fallthrough
		case p.of == isID, p.of == isTimestamp, p.of == isBody:
			if i > 0 && last != isURL && parts[i-1].of != isLiteral {
				return wrong("two variables of Signed touch")
			}
			if before := parts[max(i-1, 0)].literal; p.of == isTimestamp && last != isURL && isDigit(before[len(before)-1]) {
				return wrong("a digit stands before {timestamp} in Signed")
			}
			last = p.of
		case p.of == isLiteral && last == isTimestamp && isDigit(p.literal[0]):
			return wrong("a digit follows {timestamp} in Signed")
		}
		if p.of == isBody {
			f.head, f.tail = parts[:i], parts[i+1:]
		}
	}
	switch {
	case count[isBody] != 1 || count[isID] > 1 || count[isTimestamp] > 1:
		return wrong("Signed has not one {body}, or several {id} or {timestamp}")
	case (count[isTimestamp] == 1) != f.stamped:
		return wrong("there is a timestamp that is not signed, or none to sign")
	case count[isID] == 1 && (f.ID == "" || f.idEnd == ""):
		return wrong("{id} needs an ID, and something that follows it")
	}
	return nil
}

func isDigit(b byte) bool { return b-'0' <= 9 }

// parse reads Signed.
func (f *hmacForm) parse() (parts []part, err error) {
	for rest := f.Signed; rest != ""; {
		literal, after, found := strings.Cut(rest, "{")
		if literal != "" {
			parts = append(parts, part{literal: literal})
		}
		if !found {
			return parts, nil
		}
		name, after, closed := strings.Cut(after, "}")
		of := variables[name]
		if !closed || of == isLiteral {
			return nil, plainError("Signed has an unknown variable")
		}
		parts = append(parts, part{of: of})
		rest = after
	}
	return parts, nil
}

// A reading is what the header says.
type reading struct {
	codes, id, typ, stamp string
	time                  time.Time
}

func (f *hmacForm) applies(h http.Header) bool { return len(h[f.Signature]) > 0 }

func (f *hmacForm) suits(k *keyMaterial) bool {
	return f.key(k) != nil || f.asymmetric != "" && k.ed25519 != nil
}

// key is what the form makes HMACs with, nil if k has none.
func (f *hmacForm) key(k *keyMaterial) *macKey {
	if f.decoded {
		return k.decoded
	}
	return k.text
}

func (f *hmacForm) precheck(r Request) error {
	_, err := f.read(&r)
	return err
}

// read reads the header, and refuses what is not as it must be.
func (f *hmacForm) read(r *Request) (p reading, err error) {
	if p.codes, err = only(r.Header, f.Signature); err != nil {
		return p, err
	}
	if f.idEnd == "" {
		p.id, err = optional(r.Header, f.ID)
	} else if p.id, err = only(r.Header, f.ID); err == nil && !f.sound(p.id) {
		err = errMalformed
	}
	if err == nil {
		p.typ, err = optional(r.Header, f.Type)
	}
	if err == nil && f.Separator != "" {
		p.stamp, err = f.scan(p.codes)
	}
	if err == nil && f.Timestamp != "" {
		p.stamp, err = only(r.Header, f.Timestamp)
	}
	if err == nil && f.stamped {
		p.time, err = stamped(r.At, p.stamp, f.Tolerance)
	}
	return p, err
}

// scan counts signatures, and returns the timestamp that stands among them.
func (f *hmacForm) scan(codes string) (stamp string, err error) {
	n, stamps := 0, 0
	for more := true; more; {
		var item string
		item, codes, more = strings.Cut(codes, f.Separator)
		if text, ok := strings.CutPrefix(item, f.TimestampPrefix); ok && f.TimestampPrefix != "" {
			stamp = text
			stamps++
			continue
		}
		if n++; n > maxSignatures {
			return "", errSignatures
		}
	}
	if stamps > 1 {
		return "", errRepeated
	}
	return stamp, nil
}

// sound says that an id can be signed without doubt about where it ends.
func (f *hmacForm) sound(id string) bool {
	if id == "" || len(id) > 256 || strings.Contains(id, f.idEnd) {
		return false
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return false
		}
	}
	return true
}

func (f *hmacForm) verify(ctx context.Context, r Request, ks Keys) (Message, error) {
	p, err := f.read(&r)
	if err != nil {
		return Message{}, err
	}
	switch {
	case !f.signsURL():
	case r.URL == "":
		return Message{}, errUnknownURL
	case strings.ContainsAny(r.URL, noURL):
		return Message{}, errSignature
	}
	keys, err := keysFor(ctx, ks, r, f.suits)
	if err != nil {
		return Message{}, err
	}
	for i := range keys {
		k := &keys[i]
		if !k.usable(r.At) || !f.holds(k.of, &p, &r) {
			continue
		}
		return Message{
			ID: p.id, Type: p.typ, KeyID: k.name, Time: p.time,
			Header: r.Header, Body: r.Body, IDSigned: f.idEnd != "",
		}, nil
	}
	return Message{}, errSignature
}

// noURL is what no URL has. The query of a push may be part of what is signed: it must
// not take in the beginning of a body that follows.
const noURL = "\"<>\\^`{|} "

func (f *hmacForm) signsURL() bool { return strings.Contains(f.Signed, "{url}") }

// holds says that one of the signatures is that of k. One of its kind that is not whole
// spoils all of them.
func (f *hmacForm) holds(k *keyMaterial, p *reading, r *Request) bool {
	prefix, encoding, size := f.Prefix, f.Encoding, f.Hash.Size()
	var sum, content []byte
	if key := f.key(k); key != nil {
		m := key.begin(f.Hash)
		defer m.end()
		sum = f.sum(m, p, r)
	} else {
		prefix, encoding, size = f.asymmetric, Base64, ed25519.SignatureSize
		content = f.content(p, r)
	}
	held := false
	codes := p.codes
	for more := true; more; {
		item := codes
		if more = f.Separator != ""; more {
			item, codes, more = strings.Cut(codes, f.Separator)
		}
		text, mine := strings.CutPrefix(item, prefix)
		if !mine {
			continue
		}
		var code [maxMAC]byte
		n, ok := encoding.decode(&code, text)
		if !ok || n != size {
			return false
		}
		if sum != nil {
			held = hmac.Equal(sum, code[:n]) || held
		} else {
			held = ed25519.Verify(k.ed25519, content, code[:n]) || held
		}
	}
	return held
}

// sum is the HMAC of what is signed. The body is never copied.
func (f *hmacForm) sum(m *mac, p *reading, r *Request) []byte {
	m.text = p.append(m.text[:0], f.head, r.URL)
	_, _ = m.Write(m.text)
	_, _ = m.Write(r.Body)
	m.text = p.append(m.text[:0], f.tail, r.URL)
	_, _ = m.Write(m.text)
	return m.Sum(m.buf[:0])
}

// content is what is signed, in one piece, as Ed25519 needs it.
func (f *hmacForm) content(p *reading, r *Request) []byte {
	content := make([]byte, 0, len(p.id)+len(p.stamp)+len(f.Signed)+len(r.Body))
	content = p.append(content, f.head, r.URL)
	content = append(content, r.Body...)
	return p.append(content, f.tail, r.URL)
}

// append appends parts as p has them.
func (p *reading) append(to []byte, parts []part, url string) []byte {
	for i := range parts {
		switch parts[i].of {
		case isID:
			to = append(to, p.id...)
		case isTimestamp:
			to = append(to, p.stamp...)
		case isURL:
			to = append(to, url...)
		default:
			to = append(to, parts[i].literal...)
		}
	}
	return to
}

func (f *hmacForm) sign(ctx context.Context, r *Request, m *Message, ks Keys) error {
	p := reading{id: m.ID, stamp: strconv.FormatInt(r.At.Unix(), 10)}
	switch {
	case f.idEnd != "" && !f.sound(m.ID):
		return errSignedID
	case r.URL == "" && f.signsURL():
		return errUnknownURL
	}
	keys, err := keysFor(ctx, ks, *r, f.suits)
	if err != nil {
		return err
	}
	var codes []byte
	if f.TimestampPrefix != "" {
		codes = append(append(codes, f.TimestampPrefix...), p.stamp...)
	}
	n := 0
	for i := range keys {
		k := keys[i].of
		if !keys[i].usable(r.At) || f.key(k) == nil && k.private == nil {
			continue // has ended, or is one to verify with
		}
		if len(codes) > 0 {
			codes = append(codes, f.Separator...)
		}
		codes = f.appendCode(codes, k, &p, r)
		if n++; f.Separator == "" || n == maxSignatures {
			break
		}
	}
	if n == 0 {
		return errCannotSign
	}
	set := func(name, value string) {
		if name != "" && value != "" {
			r.Header[name] = []string{value}
		}
	}
	set(f.ID, m.ID)
	set(f.Type, m.Type)
	set(f.Timestamp, p.stamp)
	set(f.Signature, string(codes))
	return nil
}

// appendCode appends the signature of k.
func (f *hmacForm) appendCode(to []byte, k *keyMaterial, p *reading, r *Request) []byte {
	key := f.key(k)
	if key == nil {
		code := ed25519.Sign(k.private.(ed25519.PrivateKey), f.content(p, r))
		return Base64.encode(append(to, f.asymmetric...), code)
	}
	m := key.begin(f.Hash)
	defer m.end()
	return f.Encoding.encode(append(to, f.Prefix...), f.sum(m, p, r))
}
