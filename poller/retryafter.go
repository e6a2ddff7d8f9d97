package poller

import (
	"net/http"
	"time"

	"github.com/antiphon-go/antiphon/internal/response"
)

// RetryAfter reads how long a server wishes not to be asked, from the header of its
// response, and tells whether it has a wish that can be read.
//
// Retry-After-Ms and X-Ms-Retry-After-Ms (milliseconds) come before Retry-After
// (seconds, or a date in one of the three forms of RFC 9110). A date counts from the
// response's own Date if there is one, else from now. Of several lines the first counts
// that can be read: a number is digits and nothing else.
//
// No value wraps round: what is too large is about 146 years. 0, and a date that has
// passed, is 0 and true: it wishes for the shortest interval that whoever asks allows
// itself.
func RetryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	return response.RetryAfter(h, now)
}
