package webhook

import (
	"crypto"
	_ "crypto/sha256" // for crypto.SHA256
	_ "crypto/sha512" // for crypto.SHA384 and crypto.SHA512
	"net/http"
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
