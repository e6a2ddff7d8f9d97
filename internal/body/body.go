// Package body reads the bodies of HTTP messages within limits.
package body

import (
	"errors"
	"io"
)

// ErrTooLarge: there is more than the limit.
var ErrTooLarge = errors.New("body: too large")

// firstRoom is what is taken for a body before anything of it has come: its declared
// length, but no more than this. Who only declares must not make us hold more than he has
// sent.
const firstRoom = 64 << 10

// Read reads r to its end into one buffer, and at most limit bytes. The declared length
// may be -1, for unknown, and need not be true. Errors of r are returned as they are.
func Read(r io.Reader, declared, limit int64) ([]byte, error) {
	room := declared + 1 // the last read, which finds the end, wants room too
	if declared < 0 {
		room = 512
	}
	b := make([]byte, 0, min(room, firstRoom, limit+1))
	for {
		if len(b) == cap(b) {
			b = grown(b, declared, limit)
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case int64(len(b)) > limit:
			return nil, ErrTooLarge
		case err == io.EOF:
			return b, nil
		case err != nil:
			return nil, err
		}
	}
}

// grown returns b, which is within the limit, with room for more: for all that is declared
// or, if nothing is, for as much again.
func grown(b []byte, declared, limit int64) []byte {
	size := 2 * int64(len(b))
	if declared >= int64(len(b)) {
		size = declared + 1
	}
	return append(make([]byte, 0, min(size, limit+1)), b...)
}
