package antiphon

import "strconv"

// What encoding/json makes of numbers, plain text and truth is known without asking
// it, which costs several times as much. All that is not surely the same is left to
// it.

// encodeScalar is json.Marshal for a few types, or reports false.
func encodeScalar(v any) ([]byte, bool) {
	switch v := v.(type) {
	case int:
		return strconv.AppendInt(nil, int64(v), 10), true
	case int64:
		return strconv.AppendInt(nil, v, 10), true
	case bool:
		return strconv.AppendBool(nil, v), true
	case string:
		if !plain(v) {
			return nil, false
		}
		b := make([]byte, 0, len(v)+2)
		return append(append(append(b, '"'), v...), '"'), true
	}
	return nil, false
}

// decodeScalar is json.Unmarshal for pointers to these, or reports false.
func decodeScalar(data []byte, v any) bool {
	switch v := v.(type) {
	case *int:
		if n, ok := integer(data); ok && int64(int(n)) == n {
			*v = int(n)
			return true
		}
	case *int64:
		if n, ok := integer(data); ok {
			*v = n
			return true
		}
	case *bool:
		switch string(data) {
		case "true":
			*v = true
			return true
		case "false":
			*v = false
			return true
		}
	case *string:
		if n := len(data); n >= 2 && data[0] == '"' && data[n-1] == '"' && plain(data[1:n-1]) {
			*v = string(data[1 : n-1])
			return true
		}
	}
	return false
}

// integer reads a number of JSON that has no fraction, no exponent and at most 18
// digits.
func integer(data []byte) (n int64, ok bool) {
	digits := data
	if len(digits) > 1 && digits[0] == '-' {
		digits = digits[1:]
	}
	if len(digits) == 0 || len(digits) > 18 || digits[0] == '0' && len(data) > 1 {
		return 0, false
	}
	for _, b := range digits {
		if b < '0' || b > '9' {
			return 0, false
		}
		n = 10*n + int64(b-'0')
	}
	if len(digits) < len(data) {
		n = -n
	}
	return n, true
}

// plain reports whether text is as it is within quotes.
func plain[T string | []byte](text T) bool {
	for i := range len(text) {
		switch b := text[i]; {
		case b < ' ' || b > '~', b == '"', b == '\\', b == '<', b == '>', b == '&':
			return false
		}
	}
	return true
}
