package callback

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	mathrand "math/rand/v2"
)

// An ID names one expectation and its answer: 128 bits, of which 96 are random and
// the others say where the expectation is kept. The random ones come from ChaCha8,
// seeded from crypto/rand time and again. Whoever knows an ID can answer it; nobody
// can guess one, and none is used twice. As text it is 22 characters of unpadded
// base64url (RFC 4648, section 5).
//
// Zero value: names nothing.
type ID [16]byte

const idText = 22

// String returns the text form.
func (id ID) String() string { return base64.RawURLEncoding.EncodeToString(id[:]) }

// IsZero reports whether id names nothing.
func (id ID) IsZero() bool { return id == ID{} }

// ParseID reads the text form. It fails with code invalid_argument.
func ParseID(s string) (ID, error) {
	var id ID
	err := id.UnmarshalText([]byte(s))
	return id, err
}

// MarshalText writes the text form. It never fails.
func (id ID) MarshalText() ([]byte, error) { return id.AppendText(nil) }

// AppendText appends the text form. It never fails.
func (id ID) AppendText(b []byte) ([]byte, error) {
	return base64.RawURLEncoding.AppendEncode(b, id[:]), nil
}

// UnmarshalText reads the text form, and only that: no padding, no other length,
// no spare bits. It fails with code invalid_argument.
func (id *ID) UnmarshalText(text []byte) error {
	var buf [18]byte // what 22 characters may decode to, and to spare
	if len(text) != idText {
		return errBadID
	}
	n, err := base64.RawURLEncoding.Strict().Decode(buf[:], text)
	if err != nil || n != len(id) {
		return errBadID
	}
	copy(id[:], buf[:])
	return nil
}

var errBadID = misuse("bad_id", "an id has 22 characters of base64url")

// A key is an id as a table takes it: in registers.
type key struct {
	lo  uint64 // random
	hi  uint32 // random
	ref uint32 // where it is kept
}

func (k key) id() (id ID) {
	binary.BigEndian.PutUint64(id[:8], k.lo)
	binary.BigEndian.PutUint64(id[8:], uint64(k.hi)<<32|uint64(k.ref))
	return id
}

func (id *ID) key() key {
	rest := binary.BigEndian.Uint64(id[8:])
	return key{binary.BigEndian.Uint64(id[:8]), uint32(rest >> 32), uint32(rest)}
}

// nonces are random numbers from a generator that is seeded anew from crypto/rand
// time and again: reading that for each costs five times as much.
type nonces struct {
	source *mathrand.ChaCha8
	left   int    // how many there are to draw until it is seeded again
	half   uint32 // is left of what was drawn for every other one
}

const reseed = 1024 // an even number

func (s *nonces) next() (lo uint64, hi uint32) {
	if s.left == 0 {
		s.seed()
	}
	s.left--
	lo = s.source.Uint64()
	if s.left&1 == 0 {
		return lo, s.half
	}
	both := s.source.Uint64()
	s.half = uint32(both)
	return lo, uint32(both >> 32)
}

func (s *nonces) seed() {
	var seed [32]byte
	_, _ = rand.Read(seed[:]) // never fails
	if s.source == nil {
		s.source = mathrand.NewChaCha8(seed)
	} else {
		s.source.Seed(seed)
	}
	s.left = reseed
}
