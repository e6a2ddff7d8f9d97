// Package ident makes unguessable names.
package ident

import (
	"crypto/rand"
	"encoding/base64"
	"sync"
)

// Len is how many characters a name has.
const Len = 22

// A Source makes names of 128 random bits (crypto/rand), as 22 characters of
// unpadded base64url (RFC 4648, section 5). It draws ahead: one at a time costs
// several times as much.
//
// Concurrency: Next may be called by any number of goroutines.
//
// Zero value: ready.
type Source struct {
	mu  sync.Mutex
	buf [64 * 16]byte
	at  int // how much of buf is used; its zero value means that none was drawn
}

// Next returns another name.
func (s *Source) Next() string {
	var text [Len]byte
	s.mu.Lock()
	if s.at == 0 || s.at == len(s.buf) {
		_, _ = rand.Read(s.buf[:]) // never fails
		s.at = 0
	}
	b := s.buf[s.at : s.at+16]
	base64.RawURLEncoding.Encode(text[:], b)
	clear(b)
	s.at += 16
	s.mu.Unlock()
	return string(text[:])
}
