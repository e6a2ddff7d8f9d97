package webhook

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"math/big"
)

// algorithmOf is the name of the one algorithm of RFC 9421 that goes with k.
func algorithmOf(k *keyMaterial) string {
	switch {
	case k.decoded != nil:
		return "hmac-sha256"
	case k.ed25519 != nil:
		return "ed25519"
	case k.ecdsa != nil:
		return "ecdsa-p256-sha256"
	case k.rsa != nil:
		return "rsa-pss-sha512"
	case k.text != nil:
		return "hmac-sha256"
	}
	return ""
}

// secret is what to make HMACs with: the bytes that a key encodes if it does.
func (k *keyMaterial) secret() *macKey {
	if k.decoded != nil {
		return k.decoded
	}
	return k.text
}

// signs says that k can do more than verify.
func (k *keyMaterial) signs() bool { return k.secret() != nil || k.private != nil }

// half is the size of each of the two numbers of a signature on P-256.
const half = 32

var pss = &rsa.PSSOptions{SaltLength: 64, Hash: crypto.SHA512} // RFC 9421, section 3.3.1

// verifies says that code is k's signature of base.
func (k *keyMaterial) verifies(base, code []byte) bool {
	switch {
	case k.secret() != nil:
		m := k.secret().begin(crypto.SHA256)
		defer m.end()
		_, _ = m.Write(base)
		return hmac.Equal(m.Sum(m.buf[:0]), code)
	case k.ed25519 != nil:
		return ed25519.Verify(k.ed25519, base, code)
	case k.ecdsa != nil:
		sum := sha256.Sum256(base)
		return len(code) == 2*half &&
			ecdsa.Verify(k.ecdsa, sum[:], new(big.Int).SetBytes(code[:half]), new(big.Int).SetBytes(code[half:]))
	}
	sum := sha512.Sum512(base)
	return rsa.VerifyPSS(k.rsa, crypto.SHA512, sum[:], code, pss) == nil
}

// sign returns k's signature of base.
func (k *keyMaterial) sign(base []byte) ([]byte, error) {
	switch private := k.private.(type) {
	case ed25519.PrivateKey:
		return ed25519.Sign(private, base), nil
	case *ecdsa.PrivateKey:
		sum := sha256.Sum256(base)
		r, s, err := ecdsa.Sign(rand.Reader, private, sum[:])
		if err != nil {
			return nil, err
		}
		code := make([]byte, 2*half)
		r.FillBytes(code[:half])
		s.FillBytes(code[half:])
		return code, nil
	case *rsa.PrivateKey:
		sum := sha512.Sum512(base)
		return rsa.SignPSS(rand.Reader, private, crypto.SHA512, sum[:], pss)
	}
	m := k.secret().begin(crypto.SHA256)
	defer m.end()
	_, _ = m.Write(base)
	return m.Sum(nil), nil
}
