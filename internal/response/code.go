// Package response says what the responses of HTTP servers mean in the words of the
// library.
package response

import (
	"net/http"

	"github.com/antiphon-go/antiphon"
)

// Code is what a status code says of a request.
func Code(status int) antiphon.Code {
	switch status {
	case http.StatusUnauthorized:
		return antiphon.CodeUnauthenticated
	case http.StatusForbidden:
		return antiphon.CodePermissionDenied
	case http.StatusNotFound, http.StatusGone:
		return antiphon.CodeNotFound
	case http.StatusConflict:
		return antiphon.CodeAborted
	case http.StatusPreconditionFailed, http.StatusPreconditionRequired:
		return antiphon.CodeFailedPrecondition
	case http.StatusRequestedRangeNotSatisfiable:
		return antiphon.CodeOutOfRange
	case http.StatusTooManyRequests:
		return antiphon.CodeResourceExhausted
	case http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return antiphon.CodeUnimplemented
	case http.StatusInternalServerError:
		return antiphon.CodeInternal
	case http.StatusRequestTimeout, http.StatusTooEarly:
		return antiphon.CodeUnavailable
	case 499:
		return antiphon.CodeCanceled
	}
	switch {
	case status >= 500:
		return antiphon.CodeUnavailable
	case status >= 400:
		return antiphon.CodeInvalidArgument
	}
	return antiphon.CodeUnknown
}
