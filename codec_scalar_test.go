package antiphon

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"
)

// JSON does as encoding/json does, whether it asks it or not.
func TestScalarsAreAsEncodingJSONHasThem(t *testing.T) {
	asked := 0
	for _, v := range []any{
		0, 7, -7, math.MaxInt, math.MinInt, int64(math.MinInt64), int64(1) << 60, true, false,
		"", "plain text, ~ and all", "<&>", "quo\"te", `back\slash`, "\x7f", "\x00", "tab\t", "ü", "\u2028", "\xff",
	} {
		want, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := (JSON{}).Marshal(v); err != nil || string(got) != string(want) {
			t.Errorf("%v is %s, not %s: %v", v, got, want, err)
		}
		if _, ok := encodeScalar(v); !ok {
			asked++
		}
	}
	if asked != 9 {
		t.Errorf("%d are left to encoding/json", asked)
	}
	if _, ok := encodeScalar(struct{}{}); ok {
		t.Error("a struct is no scalar")
	}
}

func FuzzScalars(f *testing.F) {
	for _, s := range []string{
		"0", "-0", "-", "7", "-7", "07", "1.5", "1e3", "9223372036854775807", "9223372036854775808", "123456789012345678", "1234567890123456789",
		" 1", "1 ", "", "null", "true", "false", "True", `""`, `"`, `"a"`, `"a`, `"\n"`, `"a"b"`, "\"\x7f\"", "\"\xff\"", `"<"`, "\"\n\"",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, into := range [...]func() any{
			func() any { return new(int) },
			func() any { return new(int64) },
			func() any { return new(bool) },
			func() any { return new(string) },
		} {
			got, want := into(), into()
			err := json.Unmarshal(data, want)
			if !decodeScalar(data, got) {
				continue
			}
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%q as %T is %v, not %v: %v", data, got, got, want, err)
			}
		}
		if text := string(data); plain(text) {
			if b, ok := encodeScalar(text); !ok {
				t.Errorf("%q is plain", text)
			} else if want, _ := json.Marshal(text); string(b) != string(want) {
				t.Errorf("%q is %s, not %s", text, b, want)
			}
		}
	})
}
