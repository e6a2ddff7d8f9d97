package webhook

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// A Key is what one signs with, or verifies with.
//
// It does not tell what it is: printed, logged or encoded in any way, it is its name.
//
// Concurrency: a Key may be used by any number of goroutines. What it takes to use it
// is kept with it, so parse a key once, and copy it.
//
// Zero value: no key; [KeyRing] and schemes refuse it.
type Key struct {
	of   *keyMaterial // behind a pointer, where no fmt verb follows
	name string
	end  time.Time
}

// keyMaterial is what a key has: for HMACs bytes, or a key of a pair.
type keyMaterial struct {
	text    *macKey // the text as it is, for schemes that take it so
	decoded *macKey // what it encodes, for Standard Webhooks and message signatures

	ed25519 ed25519.PublicKey
	ecdsa   *ecdsa.PublicKey
	rsa     *rsa.PublicKey
	private any // of the three, or nil
}

// The shortest keys that are taken, and the longest of Standard Webhooks.
const (
	minSecret   = 16
	minStandard = 24
	maxStandard = 64
	minRSA      = 2048
)

// ParseKey reads a key in the form in which it is given out:
//
//	whsec_ and base64   a secret of Standard Webhooks, 24 to 64 bytes; Stripe's look alike
//	whsk_ and base64    an Ed25519 private key, of 32 or 64 bytes
//	whpk_ and base64    an Ed25519 public key
//	-----BEGIN …        a PEM block: Ed25519, ECDSA P-256 or RSA of 2048 bits or more,
//	                    private (PKCS #8, SEC 1) or public (PKIX)
//	anything else       a secret whose text is the key, at least 16 bytes
//
// Each scheme takes of a whsec_ what it signs with: Standard Webhooks the bytes, Stripe
// and others the text. An error says what is wrong and quotes nothing. White space
// around a key is refused; a line end after a PEM block is not. Base64 is that of the
// standard alphabet, padded.
func ParseKey(text string) (Key, error) {
	form, rest, _ := strings.Cut(text, "_")
	switch {
	case strings.HasPrefix(text, "-----BEGIN "):
		return pemKey(text)
	case text != strings.TrimSpace(text):
		return Key{}, misuse("key", "a key begins or ends with white space")
	case form == "whsec" || form == "whsk" || form == "whpk":
		data, ok := unbase64(rest)
		if !ok {
			return Key{}, misuse("key", "what follows "+form+"_ is not base64")
		}
		switch form {
		case "whsk":
			return privateKey(data)
		case "whpk":
			return publicKey(data)
		}
		if len(data) < minStandard || len(data) > maxStandard {
			return Key{}, misuse("key", "a whsec_ key has 24 to 64 bytes")
		}
		return Key{of: &keyMaterial{text: &macKey{key: []byte(text)}, decoded: &macKey{key: data}}}, nil
	case len(text) < minSecret:
		return Key{}, misuse("key", "a secret has less than 16 bytes")
	}
	return Key{of: &keyMaterial{text: &macKey{key: []byte(text)}}}, nil
}

// NewKey returns the key of these bytes, at least 16, for any scheme of HMACs. It keeps
// a copy.
func NewKey(secret []byte) (Key, error) {
	if len(secret) < minSecret {
		return Key{}, misuse("key", "a secret has less than 16 bytes")
	}
	return secretKey(slices.Clone(secret)), nil
}

func secretKey(secret []byte) Key {
	k := &macKey{key: secret}
	return Key{of: &keyMaterial{text: k, decoded: k}}
}

// privateKey is an Ed25519 key: its seed, or its seed and its public key.
func privateKey(data []byte) (Key, error) {
	if len(data) != ed25519.SeedSize && len(data) != ed25519.PrivateKeySize {
		return Key{}, misuse("key", "an Ed25519 private key has 32 or 64 bytes")
	}
	key := ed25519.NewKeyFromSeed(data[:ed25519.SeedSize])
	if len(data) == ed25519.PrivateKeySize && !key.Equal(ed25519.PrivateKey(data)) {
		return Key{}, misuse("key", "the halves of an Ed25519 private key do not belong together")
	}
	return Key{of: &keyMaterial{private: key, ed25519: key.Public().(ed25519.PublicKey)}}, nil
}

func publicKey(data []byte) (Key, error) {
	if !soundPoint(data) {
		return Key{}, misuse("key", "an Ed25519 public key is no point, or one of small order")
	}
	return Key{of: &keyMaterial{ed25519: ed25519.PublicKey(data)}}, nil
}

func pemKey(text string) (Key, error) {
	block, rest := pem.Decode([]byte(text))
	if block == nil || strings.TrimSpace(string(rest)) != "" {
		return Key{}, misuse("key", "a PEM key is not one block")
	}
	var parsed any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		parsed, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		parsed, err = x509.ParseECPrivateKey(block.Bytes)
	case "PUBLIC KEY":
		parsed, err = x509.ParsePKIXPublicKey(block.Bytes)
	default:
		return Key{}, misuse("key", "a PEM block is no PRIVATE KEY and no PUBLIC KEY")
	}
	if err != nil {
		return Key{}, misuse("key", "a PEM key does not parse")
	}
	m := &keyMaterial{}
	switch k := parsed.(type) {
	case ed25519.PrivateKey:
		return privateKey(k)
	case ed25519.PublicKey:
		return publicKey(k)
	case *ecdsa.PrivateKey:
		m.private, m.ecdsa = k, &k.PublicKey
	case *ecdsa.PublicKey:
		m.ecdsa = k
	case *rsa.PrivateKey:
		m.private, m.rsa = k, &k.PublicKey
	case *rsa.PublicKey:
		m.rsa = k
	}
	switch {
	case m.ecdsa == nil && m.rsa == nil:
		return Key{}, misuse("key", "a PEM key is of none of Ed25519, ECDSA and RSA")
	case m.ecdsa != nil && m.ecdsa.Curve != elliptic.P256():
		return Key{}, misuse("key", "an ECDSA key is not on the curve P-256")
	case m.rsa != nil && m.rsa.N.BitLen() < minRSA:
		return Key{}, misuse("key", "an RSA key has less than 2048 bits")
	}
	return Key{of: m}, nil
}

// Named returns the key under a name: its keyid in message signatures, and
// [Message].KeyID of what it verifies.
func (k Key) Named(name string) Key {
	k.name = name
	return k
}

// Until returns the key with an end: from then on it neither signs nor verifies. An
// overlap of two keys is how a secret is changed without losing a push.
func (k Key) Until(end time.Time) Key {
	k.end = end
	return k
}

// Name is the name that the key was given.
func (k Key) Name() string { return k.name }

// usable says that k is a key, and has not ended at at.
func (k *Key) usable(at time.Time) bool {
	return k.of != nil && (k.end.IsZero() || at.Before(k.end))
}

// String names the key.
func (k Key) String() string {
	if k.name == "" {
		return "webhook.Key"
	}
	return "webhook.Key(" + k.name + ")"
}

// GoString names the key.
func (k Key) GoString() string { return k.String() }

// Format names the key, whatever the verb.
func (k Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// LogValue names the key.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalText names the key.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }
