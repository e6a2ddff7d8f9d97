package webhook

import (
	"net/url"
	"strings"
)

// signatureBase is what a message signature signs (RFC 9421, section 2.5): a line for
// each component, and params as they came. It is not ok if a component is not there.
func signatureBase(r *Request, covered []component, params string) ([]byte, bool) {
	u, err := url.Parse(r.URL)
	if err != nil {
		return nil, false
	}
	base := make([]byte, 0, 512)
	for _, c := range covered {
		value, ok := c.of(r, u)
		if !ok || strings.ContainsAny(value, "\r\n") {
			return nil, false
		}
		base = append(append(base, c.raw...), ": "...)
		base = append(append(base, value...), '\n')
	}
	return append(append(base, `"@signature-params": `...), params...), true
}

// of is the value of c.
func (c component) of(r *Request, u *url.URL) (string, bool) {
	if !strings.HasPrefix(c.name, "@") {
		value := joined(r.Header, c.name)
		return value, c.name == strings.ToLower(c.name) && (value != "" || len(r.Header.Values(c.name)) > 0)
	}
	switch c.name {
	case "@method":
		return r.Method, r.Method != ""
	case "@target-uri":
		target := *u
		target.Fragment, target.RawFragment = "", ""
		if target.Path == "" {
			target.Path = "/"
		}
		return target.String(), u.Host != ""
	case "@authority":
		return authority(u), u.Host != ""
	case "@scheme":
		return u.Scheme, u.Scheme != ""
	case "@path":
		return pathOf(u), true
	case "@query":
		return "?" + u.RawQuery, true
	case "@request-target":
		if u.RawQuery != "" || u.ForceQuery {
			return pathOf(u) + "?" + u.RawQuery, true
		}
		return pathOf(u), true
	case "@query-param":
		query, err := url.ParseQuery(u.RawQuery)
		if err != nil {
			return "", false
		}
		for name, values := range query {
			if formEscape(name) == c.param {
				return formEscape(values[0]), len(values) == 1
			}
		}
	}
	return "", false
}

// authority is the host as HTTP has it: in lower case, without the scheme's own port.
func authority(u *url.URL) string {
	host := strings.ToLower(u.Host)
	if u.Scheme == "https" {
		return strings.TrimSuffix(host, ":443")
	}
	return strings.TrimSuffix(host, ":80")
}

func pathOf(u *url.URL) string {
	if p := u.EscapedPath(); p != "" {
		return p
	}
	return "/"
}

// formEscape is percent encoding as forms have it, with %20 for a space.
func formEscape(text string) string {
	return strings.NewReplacer("+", "%20", "%2A", "*", "~", "%7E").Replace(url.QueryEscape(text))
}
