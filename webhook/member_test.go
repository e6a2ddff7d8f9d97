package webhook

import (
	"encoding/json"
	"testing"
)

func TestMember(t *testing.T) {
	for body, want := range map[string]string{
		`{"type":"a"}`: "a",
		` { "x" : [1,{"type":"no"},"]"] , "type" : "a" } `: "a",
		`{"x":"\"}","type":"a"}`:                           "a",
		`{"x":null,"y":-1.5e3,"type":"a\u0062\n"}`:         "ab\n",
		`{"type":""}`:             "",
		`{"type":"a","type":"b"}`: "a",
		`{"data":{"type":"no"}}`:  "-",
		`{"type":5}`:              "-",
		`{"type":{"a":"b"}}`:      "-",
		`{"type":"a`:              "-",
		`{"type":"\x"}`:           "-",
		`{"type"}`:                "-",
		`{"x":1`:                  "-",
		`{"x":"`:                  "-",
		`{"x`:                     "-",
		`{`:                       "-",
		`{}`:                      "-",
		`["type","a"]`:            "-",
		``:                        "-",
		`{"x":1}{"type":"a"}`:     "-",
	} {
		got, ok := member([]byte(body), "type")
		if !ok {
			got = "-"
		}
		if got != want {
			t.Errorf("%s: %q, not %q", body, got, want)
		}
	}
}

// FuzzMember: of what is JSON, member says what encoding/json does, but for names that
// are there twice or are written in another way.
func FuzzMember(f *testing.F) {
	f.Add([]byte(`{"x":[{"type":1},"]"],"type":"a\n"}`))
	f.Add([]byte(`{"type":"`))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, ok := member(body, "type")
		var all map[string]json.RawMessage
		if json.Unmarshal(body, &all) != nil {
			return
		}
		var want string
		raw, there := all["type"]
		isText := there && len(raw) > 0 && raw[0] == '"' && json.Unmarshal(raw, &want) == nil
		if ok && !there {
			t.Errorf("found %q in %s", got, body)
		}
		// A name that is there once, plainly, is found.
		if n := countNames(body); n == 1 && (ok != isText || got != want) {
			t.Errorf("%q %v in %s, not %q", got, ok, body, want)
		}
	})
}

// countNames counts how often "type" stands in body as a string.
func countNames(body []byte) (n int) {
	for i := 0; i < len(body); i++ {
		if body[i] == '"' {
			end := text(body, i)
			if end < 0 {
				return n
			}
			var s string
			if json.Unmarshal(body[i:end], &s) == nil && s == "type" {
				if n++; string(body[i:end]) != `"type"` {
					n += 2 // written in another way
				}
			}
			i = end - 1
		}
	}
	return n
}
