// Package headers is how headers of jobs are stored. It stands alone, without an
// SQLite, so that its fuzz target is built in a moment.
package headers

import (
	"encoding/binary"
	"maps"
	"slices"

	"github.com/antiphon-go/antiphon"
)

// Encode writes names and values in turn, in the order of the names.
func Encode(h map[string]string) (b []byte) {
	for _, k := range slices.Sorted(maps.Keys(h)) {
		b = append(binary.AppendUvarint(b, uint64(len(k))), k...)
		b = append(binary.AppendUvarint(b, uint64(len(h[k]))), h[k]...)
	}
	return b
}

// ErrUnreadable is the error of Decode.
var ErrUnreadable = antiphon.Errorf(antiphon.CodeDataLoss, "sqlitequeue: a stored header cannot be read")

// Decode reads what Encode wrote, or fails with ErrUnreadable.
func Decode(b []byte) (h map[string]string, err error) {
	next := func() (s string) {
		n, k := binary.Uvarint(b)
		if k <= 0 || n > uint64(len(b)-k) {
			b, err = nil, ErrUnreadable
			return ""
		}
		s, b = string(b[k:k+int(n)]), b[k+int(n):]
		return s
	}
	for len(b) > 0 {
		if h == nil {
			h = map[string]string{}
		}
		k := next()
		h[k] = next()
	}
	return h, err
}
