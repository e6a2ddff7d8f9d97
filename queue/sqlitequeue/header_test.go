package sqlitequeue

import (
	"bytes"
	"maps"
	"testing"
)

// What is stored is read as it was, and other bytes are refused or read as what they
// say, never more than they are.
func FuzzDecodeHeader(f *testing.F) {
	f.Add([]byte(nil))
	f.Add(encodeHeader(map[string]string{"a": "b", "": "x", "long": string(make([]byte, 300))}))
	f.Add([]byte{0xff})
	f.Add([]byte{1, 'k'})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := decodeHeader(bytes.Clone(b))
		if err != nil {
			return
		}
		size := 0
		for k, v := range h {
			size += len(k) + len(v)
		}
		if size > len(b) {
			t.Fatalf("%d bytes of %d", size, len(b))
		}
		if again, err := decodeHeader(encodeHeader(h)); err != nil || !maps.Equal(h, again) {
			t.Fatalf("%v is read as %v, %v", h, again, err)
		}
	})
}
