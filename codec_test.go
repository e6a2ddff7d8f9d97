package antiphon_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/antiphon-go/antiphon"
)

func TestJSONCodec(t *testing.T) {
	var c antiphon.Codec = antiphon.JSON{}
	if c.ContentType() != "application/json" {
		t.Errorf("content type %q", c.ContentType())
	}
	data, err := c.Marshal(map[string]int{"a": 1})
	if err != nil || string(data) != `{"a":1}` {
		t.Fatalf("%s, %v", data, err)
	}
	var m map[string]int
	if err := c.Unmarshal(data, &m); err != nil || m["a"] != 1 {
		t.Fatalf("%v, %v", m, err)
	}
}

func TestX6_JSONCodecLimits(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for name, c := range map[string]struct {
		codec antiphon.JSON
		data  string
		fits  bool
	}{
		"depth at the limit":       {antiphon.JSON{}, deep(64), true},
		"depth over the limit":     {antiphon.JSON{}, deep(65), false},
		"own depth":                {antiphon.JSON{MaxDepth: 2}, deep(3), false},
		"objects count too":        {antiphon.JSON{MaxDepth: 2}, `{"a":{"b":{}}}`, false},
		"brackets in strings":      {antiphon.JSON{MaxDepth: 1}, `["[[[[{{{{"]`, true},
		"escaped quotes":           {antiphon.JSON{MaxDepth: 1}, `["\"[[\\\"[["]`, true},
		"many beside each other":   {antiphon.JSON{MaxDepth: 2}, "[" + strings.Repeat("[],", 1000) + "[]]", true},
		"size at the limit":        {antiphon.JSON{MaxSize: 4}, `"ab"`, true},
		"size over the limit":      {antiphon.JSON{MaxSize: 3}, `"ab"`, false},
		"default size":             {antiphon.JSON{}, `"` + strings.Repeat("x", 4<<20) + `"`, false},
		"negative limits are none": {antiphon.JSON{MaxSize: -1, MaxDepth: -1}, deep(64), true},
	} {
		t.Run(name, func(t *testing.T) {
			var v any
			err := c.codec.Unmarshal([]byte(c.data), &v)
			if c.fits && err != nil {
				t.Error(err)
			}
			if !c.fits && !errors.Is(err, antiphon.ErrTooLarge) {
				t.Errorf("decoding: %v", err)
			}
			if !c.fits && (antiphon.CodeOf(err) != antiphon.CodeResourceExhausted || antiphon.ClassOf(err) != antiphon.ClassNotAccepted || antiphon.Retryable(err)) {
				t.Errorf("%v: code %s, class %s", err, antiphon.CodeOf(err), antiphon.ClassOf(err))
			}
			if _, err := c.codec.Marshal(rawJSON(c.data)); c.fits != (err == nil) {
				t.Errorf("encoding: %v", err)
			}
		})
	}
}

type rawJSON string

func (r rawJSON) MarshalJSON() ([]byte, error) { return []byte(r), nil }

func TestJSONCodecRefuses(t *testing.T) {
	const secret = "hunter2"
	var n struct{ A int }
	for _, data := range []string{
		``, `{`, `{"A":1} x`, `{"A":1}{}`, `{"A":"` + secret + `"}`, `{"A":` + secret + `}`, secret, `{"A":1e999}`, `{"A":1.5}`, `]`,
	} {
		err := antiphon.JSON{}.Unmarshal([]byte(data), &n)
		if antiphon.CodeOf(err) != antiphon.CodeInvalidArgument {
			t.Errorf("%q: %v", data, err)
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("the error quotes the value: %v", err)
		}
	}
	if err := (antiphon.JSON{}).Unmarshal([]byte(`{"A":1}  `+"\n"), &n); err != nil {
		t.Errorf("white space after the value: %v", err)
	}
	if err := (antiphon.JSON{}).Unmarshal([]byte(`1`), nil); antiphon.CodeOf(err) != antiphon.CodeInvalidArgument {
		t.Errorf("into nil: %v", err)
	}
	for _, v := range []any{make(chan int), math.NaN(), func() {}} {
		if _, err := (antiphon.JSON{}).Marshal(v); antiphon.CodeOf(err) != antiphon.CodeInvalidArgument {
			t.Errorf("%T: %v", v, err)
		}
	}
}
