package webhook

import (
	"context"
	"crypto/ed25519"
	"strconv"
)

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
