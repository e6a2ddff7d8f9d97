package webhook

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"testing"
)

// What a private key signs, it verifies, and no other message.
func TestAlgorithmsRoundTrip(t *testing.T) {
	p256, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	rsa2048, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{pkcs8(p256), pkcs8(rsa2048), seedA, secretA} {
		s := MessageSignature(nil, mustRing(t, mustParse(t, text).Named("k")))
		r := signedBy(t, s)
		if m, err := s.Verify(t.Context(), r); err != nil || m.KeyID != "k" {
			t.Error(m.KeyID, err)
		}
		r.Method = "PUT"
		if _, err := s.Verify(t.Context(), r); reasonOf(err) != ReasonSignature {
			t.Error(err)
		}
	}
}
