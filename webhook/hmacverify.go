package webhook

import (
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"net/http"
	"strings"
	"time"
)

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
