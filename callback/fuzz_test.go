package callback_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon/callback"
)

// Whatever is read as an envelope is one: it is written and read again as the same,
// in either form, and what it allocates is bounded by what came.
func FuzzParseMessage(f *testing.F) {
	for _, v := range seeds(f) {
		if b, err := hex.DecodeString(v.Binary); err == nil && v.Binary != "" {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		checkParse(t, b, callback.ParseMessage)
	})
}

func FuzzParseMessageText(f *testing.F) {
	for _, v := range seeds(f) {
		if v.Text != "" {
			f.Add([]byte(v.Text))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		checkParse(t, b, callback.ParseMessageText)
	})
}

func checkParse(t *testing.T, b []byte, parse func([]byte, time.Time) (*callback.Message, error)) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	m, err := parse(b, wireNow)
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > uint64(64*len(b)+32<<10) {
		t.Fatalf("%d bytes allocated for %d", n, len(b))
	}
	if err != nil {
		if m != nil {
			t.Fatalf("%v, and %+v", err, m)
		}
		return
	}
	if m.Deadline.Before(wireNow) && !m.Deadline.IsZero() {
		t.Fatalf("a deadline in the past: %v", m.Deadline)
	}
	first, err := callback.AppendMessage(nil, m, wireNow)
	if err != nil {
		t.Fatalf("%+v cannot be written: %v", m, err)
	}
	back, err := callback.ParseMessage(first, wireNow)
	if err != nil {
		t.Fatalf("%x cannot be read: %v", first, err)
	}
	if err := sameMessage(back, m); err != nil {
		t.Fatal(err)
	}
	if second, err := callback.AppendMessage(nil, back, wireNow); err != nil || !bytes.Equal(first, second) {
		t.Fatalf("%x became %x, %v", first, second, err)
	}
	text, err := callback.AppendMessageText(nil, m, wireNow)
	if err != nil || !json.Valid(text) {
		t.Fatalf("%+v became %s, %v", m, text, err)
	}
	back, err = callback.ParseMessageText(text, wireNow)
	if err != nil {
		t.Fatalf("%s cannot be read: %v", text, err)
	}
	if m.Kind > callback.Pong { // has no name, and so no number, there
		back.Kind = m.Kind
	}
	if err := sameMessage(back, m); err != nil {
		t.Fatalf("by %s: %v", text, err)
	}
}

// seeds are the vectors of testdata/wire.json, the malformed ones too.
func seeds(f *testing.F) (all []wireVector) {
	data, err := os.ReadFile("testdata/wire.json")
	if err != nil {
		f.Fatal(err)
	}
	var file struct{ Vectors, Accepted, Malformed []wireVector }
	if err := json.Unmarshal(data, &file); err != nil {
		f.Fatal(err)
	}
	return append(append(file.Vectors, file.Accepted...), file.Malformed...)
}
