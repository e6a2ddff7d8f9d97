package webhook

import (
	"net/http"
	"time"

	"github.com/antiphon-go/antiphon/internal/response"
)

// RetryAfterOf is for the fuzz test.
func RetryAfterOf(text string, now time.Time) time.Duration {
	d, _ := response.RetryAfter(http.Header{"Retry-After": {text}}, now)
	return d
}

// CallbacksKnown is of how many origins something is known.
func CallbacksKnown(s *Sender) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.callbacks)
}
