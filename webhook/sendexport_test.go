package webhook

import (
	"net/http"
	"time"
)

// RetryAfterOf is for the fuzz test.
func RetryAfterOf(text string, now time.Time) time.Duration {
	return retryAfterOf(http.Header{"Retry-After": {text}}, now)
}

// CallbacksKnown is of how many origins something is known.
func CallbacksKnown(s *Sender) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.callbacks)
}
