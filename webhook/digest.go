package webhook

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"strings"
)

// contentDigest is the field of RFC 9530 for body.
func contentDigest(body []byte) string {
	sum := sha256.Sum256(body)
	return "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
}

// digestHolds says that all digests of body in h that are of SHA-256 or SHA-512 hold,
// and that there is one.
func digestHolds(h http.Header, body []byte) bool {
	held := false
	ok := dictionary(joined(h, "Content-Digest"), func(key string, c *cursor) bool {
		want, ok := c.bytes()
		if _, _, noParams := c.params(); !ok || !noParams {
			return false
		}
		var sum []byte
		switch key {
		case "sha-256":
			s := sha256.Sum256(body)
			sum = s[:]
		case "sha-512":
			s := sha512.Sum512(body)
			sum = s[:]
		default:
			return true
		}
		held = true
		return subtle.ConstantTimeCompare(sum, want) == 1
	})
	return ok && held
}

// joined is the value of a field: its lines, trimmed, with ", " between them.
func joined(h http.Header, name string) string {
	lines := h[http.CanonicalHeaderKey(name)]
	if len(lines) == 1 {
		return strings.TrimSpace(lines[0])
	}
	trimmed := make([]string, len(lines))
	for i, line := range lines {
		trimmed[i] = strings.TrimSpace(line)
	}
	return strings.Join(trimmed, ", ")
}
