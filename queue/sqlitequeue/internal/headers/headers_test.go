package headers_test

import (
	"bytes"
	"maps"
	"testing"

	"github.com/antiphon-go/antiphon/queue/sqlitequeue/internal/headers"
)

// What is stored is read as it was, and other bytes are refused or read as what they
// say, never more than they are.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(nil))
	f.Add(headers.Encode(map[string]string{"a": "b", "": "x", "long": string(make([]byte, 300))}))
	f.Add([]byte{0xff})
	f.Add([]byte{1, 'k'})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := headers.Decode(bytes.Clone(b))
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
		if again, err := headers.Decode(headers.Encode(h)); err != nil || !maps.Equal(h, again) {
			t.Fatalf("%v is read as %v, %v", h, again, err)
		}
	})
}
