package webhook

import (
	"crypto"
	"crypto/hmac"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"strings"
	"sync"
)

// maxMAC is the most bytes of a signature that is compared: those of an HMAC with
// SHA-512, and of Ed25519.
const maxMAC = 64

// A macKey keeps what an HMAC makes of its key, for that takes half the time of one.
type macKey struct {
	key   []byte
	spare [crypto.SHA512 - crypto.SHA1 + 1]sync.Pool // of *mac, by hash
}

// A mac is an HMAC that is under way.
type mac struct {
	hash.Hash
	own  *sync.Pool
	text []byte
	buf  [maxMAC]byte
}

// begin returns an HMAC that nothing was written to; end it.
func (k *macKey) begin(h crypto.Hash) *mac {
	own := &k.spare[h-crypto.SHA1]
	m, _ := own.Get().(*mac)
	if m == nil {
		return &mac{Hash: hmac.New(h.New, k.key), own: own}
	}
	return m
}

// maxText is how much of a text a mac that is spare keeps room for.
const maxText = 4 << 10

func (m *mac) end() {
	m.Reset()
	if cap(m.text) > maxText {
		m.text = nil
	}
	m.own.Put(m)
}

// An Encoding is how bytes are written as text.
type Encoding int

// The encodings.
const (
	// Hex is lower case where it is written, and either where it is read.
	Hex Encoding = iota
	// Base64 is of the standard alphabet, padded.
	Base64
)

// decode reads text, which is all of it of the encoding, into to, and says how much
// there is.
func (e Encoding) decode(to *[maxMAC]byte, text string) (int, bool) {
	var from [maxMAC * 2]byte
	if len(text) > len(from) {
		return 0, false
	}
	src := from[:copy(from[:], text)]
	if e == Hex {
		n, err := hex.Decode(to[:], src)
		return n, err == nil
	}
	if len(text) > base64.StdEncoding.EncodedLen(maxMAC) || strings.ContainsAny(text, "\r\n") {
		return 0, false
	}
	var out [maxMAC + 2]byte // room for what is decoded before it is found to be padding
	n, err := base64.StdEncoding.Strict().Decode(out[:], src)
	return copy(to[:], out[:n]), err == nil && n <= maxMAC
}

func (e Encoding) encode(to, code []byte) []byte {
	if e == Hex {
		return hex.AppendEncode(to, code)
	}
	return base64.StdEncoding.AppendEncode(to, code)
}

// unbase64 is strict: encoding/base64 by itself passes over line ends, and over bits
// that are left.
func unbase64(text string) ([]byte, bool) {
	if strings.ContainsAny(text, "\r\n") {
		return nil, false
	}
	data, err := base64.StdEncoding.Strict().DecodeString(text)
	return data, err == nil
}
