package webhook

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// member returns the text of a member of the object that data is, if it is a string. It
// passes by everything else without decoding it, as a type often stands at the very end.
// It is for a first look: whether data is JSON is for whoever decodes it to say. Of
// several members of that name the first counts; the name is compared as it stands.
func member(data []byte, name string) (string, bool) {
	i := space(data, 0)
	if i == len(data) || data[i] != '{' {
		return "", false
	}
	for i = space(data, i+1); i < len(data) && data[i] == '"'; i = space(data, i+1) {
		end := text(data, i)
		if end < 0 {
			return "", false
		}
		found := string(data[i+1:end-1]) == name
		if i = space(data, end); i == len(data) || data[i] != ':' {
			return "", false
		}
		i = space(data, i+1)
		if found {
			return unquoted(data, i)
		}
		if i = value(data, i); i == len(data) || data[i] != ',' {
			return "", false
		}
	}
	return "", false
}

// space returns the place of the first byte from i on that is no white space.
func space(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\n' || data[i] == '\r' || data[i] == '\t') {
		i++
	}
	return i
}

// text returns the end of the string that begins at i, or -1.
func text(data []byte, i int) int {
	for i++; i < len(data); i++ {
		j := bytes.IndexAny(data[i:], `"\`)
		if j < 0 {
			return -1
		}
		if i += j; data[i] == '"' {
			return i + 1
		}
		i++ // what is escaped
	}
	return -1
}

// value returns the place of the "," or "}" that ends the value at i, or the length.
func value(data []byte, i int) int {
	for depth := 0; i < len(data); i++ {
		switch data[i] {
		case '"':
			if i = text(data, i) - 1; i < 0 {
				return len(data)
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth < 0 {
				return i
			}
		case ',':
			if depth == 0 {
				return i
			}
		}
	}
	return i
}

// unquoted returns the string that begins at i.
func unquoted(data []byte, i int) (s string, ok bool) {
	if i == len(data) || data[i] != '"' {
		return "", false
	}
	end := text(data, i)
	if end < 0 {
		return "", false
	}
	if raw := data[i+1 : end-1]; bytes.IndexByte(raw, '\\') < 0 && utf8.Valid(raw) {
		return string(raw), true
	}
	return s, json.Unmarshal(data[i:end], &s) == nil
}
