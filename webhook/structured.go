package webhook

import (
	"strconv"
	"strings"
)

// A cursor reads a structured field (RFC 8941), as far as RFC 9421 and 9530 need it,
// and in the one form in which such a field is written: so that what is signed is what
// came.
type cursor struct{ rest string }

// A param is a parameter: a string, an integer, or something else, which is text as it
// stands.
type param struct {
	key, value string
	kind       byte // '"' of a string, '0' of an integer, else 0
}

const maxMembers = 16

// dictionary calls member for each key of a dictionary, with a cursor at its value, which
// it must read to its end. It is false if a member is, or one is repeated, or the field
// is malformed or has more than 16.
func dictionary(field string, member func(key string, c *cursor) bool) bool {
	c := &cursor{field}
	seen := make(map[string]bool, 2)
	for len(seen) < maxMembers {
		key, ok := c.key()
		if !ok || seen[key] || !c.skip("=") || !member(key, c) {
			return false
		}
		seen[key] = true
		c.rest = strings.TrimLeft(c.rest, " \t")
		if c.rest == "" {
			return true
		}
		if !c.skip(",") {
			return false
		}
		c.rest = strings.TrimLeft(c.rest, " \t")
	}
	return false
}

func (c *cursor) skip(text string) bool {
	rest, ok := strings.CutPrefix(c.rest, text)
	c.rest = rest
	return ok
}

// take takes the first n bytes.
func (c *cursor) take(n int) string {
	text := c.rest[:n]
	c.rest = c.rest[n:]
	return text
}

// while is how many bytes from the start on are ok.
func (c *cursor) while(ok func(b byte) bool) int {
	for i := range len(c.rest) {
		if !ok(c.rest[i]) {
			return i
		}
	}
	return len(c.rest)
}

func (c *cursor) key() (string, bool) {
	n := c.while(func(b byte) bool {
		return 'a' <= b && b <= 'z' || isDigit(b) || strings.IndexByte("_-.*", b) >= 0
	})
	key := c.take(n)
	return key, key != "" && (key[0] >= 'a' || key[0] == '*') && key[0] != '_'
}

// string reads a string and takes its escapes away.
func (c *cursor) string() (string, bool) {
	if !c.skip(`"`) {
		return "", false
	}
	var out strings.Builder
	for i := 0; i < len(c.rest); i++ {
		switch b := c.rest[i]; {
		case b == '"':
			c.take(i + 1)
			return out.String(), true
		case b == '\\':
			if i++; i == len(c.rest) || c.rest[i] != '"' && c.rest[i] != '\\' {
				return "", false
			}
			out.WriteByte(c.rest[i])
		case b < ' ' || b > '~':
			return "", false
		default:
			out.WriteByte(b)
		}
	}
	return "", false
}

// bytes reads a byte sequence.
func (c *cursor) bytes() ([]byte, bool) {
	if !c.skip(":") {
		return nil, false
	}
	n := strings.IndexByte(c.rest, ':')
	if n < 0 {
		return nil, false
	}
	data, ok := unbase64(c.take(n))
	return data, c.skip(":") && ok
}

// params reads parameters; none is repeated. raw is what was read.
func (c *cursor) params() (list []param, raw string, ok bool) {
	from := c.rest
	for c.skip(";") {
		p := param{}
		if p.key, ok = c.key(); !ok || len(list) == maxMembers {
			return nil, "", false
		}
		for _, other := range list {
			if other.key == p.key {
				return nil, "", false
			}
		}
		if c.skip("=") && !c.bare(&p) {
			return nil, "", false
		}
		list = append(list, p)
	}
	return list, from[:len(from)-len(c.rest)], true
}

// bare reads a bare item.
func (c *cursor) bare(p *param) (ok bool) {
	switch {
	case c.rest == "":
		return false
	case c.rest[0] == '"':
		p.kind = '"'
		p.value, ok = c.string()
		return ok
	case c.rest[0] == ':':
		_, ok = c.bytes()
		return ok
	}
	n := c.while(func(b byte) bool {
		return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || isDigit(b) || strings.IndexByte("!#$%&'*+-.^_`|~:/?", b) >= 0
	})
	p.value = c.take(n)
	if _, ok := parseTimestamp(p.value); ok {
		p.kind = '0'
	}
	return n > 0
}

// A component is one that a signature covers.
type component struct {
	name  string
	param string // of @query-param: its name
	raw   string // as it stands in the list
}

// components reads an inner list of them, and refuses what package webhook cannot look
// up, and what is there twice.
func (c *cursor) components() (list []component, ok bool) {
	if !c.skip("(") {
		return nil, false
	}
	for !c.skip(")") {
		if len(list) > 0 && !c.skip(" ") || len(list) == 4*maxMembers {
			return nil, false
		}
		from := c.rest
		k := component{}
		if k.name, ok = c.string(); !ok {
			return nil, false
		}
		params, _, ok := c.params()
		if !ok {
			return nil, false
		}
		switch {
		case k.name == "@query-param" && len(params) == 1 && params[0].key == "name" && params[0].kind == '"':
			k.param = params[0].value
		case k.name == "@query-param" || len(params) > 0:
			return nil, false
		}
		k.raw = from[:len(from)-len(c.rest)]
		for _, other := range list {
			if other.raw == k.raw {
				return nil, false
			}
		}
		list = append(list, k)
	}
	return list, true
}

// quoted is text as a string.
func quoted(text string) string {
	if strings.ContainsAny(text, `"\`) {
		text = strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text)
	}
	return `"` + text + `"`
}

func integer(n int64) string { return strconv.FormatInt(n, 10) }
