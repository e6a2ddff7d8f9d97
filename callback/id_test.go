package callback_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
)

func TestIDTextIs22CharactersOfBase64url(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var r callback.Registry[int]
		defer r.Close(nil)
		for range 1000 {
			id, _ := expect(t, &r, nil, 0)
			text := id.String()
			if len(text) != 22 || strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
				t.Fatal(text)
			}
			if raw, err := base64.RawURLEncoding.DecodeString(text); err != nil || !bytes.Equal(raw, id[:]) {
				t.Fatal(text, err)
			}
			back, err := callback.ParseID(text)
			if err != nil || back != id || back.IsZero() {
				t.Fatal(back, err)
			}
			appended, err := id.AppendText([]byte("id="))
			if err != nil || string(appended) != "id="+text {
				t.Fatal(string(appended), err)
			}
			marshalled, err := id.MarshalText()
			if err != nil || string(marshalled) != text {
				t.Fatal(string(marshalled), err)
			}
			if err := r.Resolve(back, 1); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestIDInJSON(t *testing.T) {
	type order struct {
		Reply callback.ID
	}
	in := order{callback.ID{1, 2, 3, 15: 255}}
	text, err := json.Marshal(in)
	if err != nil || string(text) != `{"Reply":"`+in.Reply.String()+`"}` {
		t.Fatal(string(text), err)
	}
	var out order
	if err := json.Unmarshal(text, &out); err != nil || out != in {
		t.Fatal(out, err)
	}
}

func TestIDZeroNamesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		if !(callback.ID{}).IsZero() || (callback.ID{15: 1}).IsZero() || (callback.ID{1}).IsZero() {
			t.Fatal("IsZero")
		}
		var r callback.Registry[int]
		defer r.Close(nil)
		for range 300 {
			id, _ := expect(t, &r, nil, 0)
			if err := r.Resolve(callback.ID{}, 1); err != callback.ErrUnknownID {
				t.Fatal(err)
			}
			_ = r.Resolve(id, 1)
			if err := r.Resolve(callback.ID{}, 1); err != callback.ErrUnknownID {
				t.Fatal(err)
			}
		}
		zero, err := callback.ParseID((callback.ID{}).String())
		if err != nil || !zero.IsZero() {
			t.Fatal(zero, err)
		}
	})
}

func TestParseIDTakesThatAndNothingElse(t *testing.T) {
	good := callback.ID{0xfb, 0xff, 0xbf, 15: 0xff}.String() // with - and _
	if _, err := callback.ParseID(good); err != nil || !strings.ContainsAny(good, "-_") {
		t.Fatal(good, err)
	}
	standard := strings.NewReplacer("-", "+", "_", "/").Replace(good)
	for _, bad := range []string{
		"", "A", good[:21], good + "A", good + "==", good[:21] + "=", standard,
		" " + good[:21], good[:21] + "\n", good[:10] + "\n" + good[11:], good[:10] + "\r" + good[11:],
		"\r\n" + good[:20], good[:10] + "\r\n" + good[10:],
		good[:21] + "x", // spare bits
		strings.Repeat("\x00", 22), strings.Repeat("é", 11), strings.Repeat("A", 1<<20),
	} {
		id, err := callback.ParseID(bad)
		if err == nil || !id.IsZero() {
			t.Errorf("%.40q is %v", bad, id)
			continue
		}
		ended(t, err, antiphon.CodeInvalidArgument, antiphon.ClassNotAccepted)
		keep := callback.ID{1}
		if err := keep.UnmarshalText([]byte(bad)); err == nil || keep != (callback.ID{1}) {
			t.Errorf("%.40q changed what it was read into: %v, %v", bad, keep, err)
		}
	}
}

// What is read is written again as the same, and nothing else is read.
func FuzzID(f *testing.F) {
	f.Add([]byte("AAAAAAAAAAAAAAAAAAAAAA"))
	f.Add([]byte("-_-_-_-_-_-_-_-_-_-_-w"))
	f.Add([]byte("AAAAAAAAAAAAAAAAAAAAAB"))
	f.Add([]byte("AAAAAAAAAA\nAAAAAAAAAAA"))
	f.Add([]byte("AAAAAAAAAAAAAAAAAAAAA="))
	f.Fuzz(func(t *testing.T, text []byte) {
		before := bytes.Clone(text)
		var id callback.ID
		err := id.UnmarshalText(text)
		if !bytes.Equal(text, before) {
			t.Fatal("it changed the text")
		}
		parsed, err2 := callback.ParseID(string(text))
		if parsed != id || (err == nil) != (err2 == nil) {
			t.Fatalf("%v, %v and %v, %v", id, err, parsed, err2)
		}
		if err != nil {
			if !id.IsZero() || antiphon.CodeOf(err) != antiphon.CodeInvalidArgument {
				t.Fatal(id, err)
			}
			return
		}
		if id.String() != string(text) {
			t.Fatalf("%q became %q", text, id.String())
		}
		if n := testing.AllocsPerRun(1, func() { _ = id.UnmarshalText(text) }); n != 0 {
			t.Fatal(n, "allocations")
		}
	})
}
