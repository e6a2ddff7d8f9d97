package response_test

import (
	"testing"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/internal/response"
)

func TestCode(t *testing.T) {
	for status, want := range map[int]antiphon.Code{
		302: antiphon.CodeUnknown, 400: antiphon.CodeInvalidArgument, 401: antiphon.CodeUnauthenticated, 403: antiphon.CodePermissionDenied,
		404: antiphon.CodeNotFound, 410: antiphon.CodeNotFound, 405: antiphon.CodeUnimplemented, 408: antiphon.CodeUnavailable,
		409: antiphon.CodeAborted, 412: antiphon.CodeFailedPrecondition, 416: antiphon.CodeOutOfRange, 418: antiphon.CodeInvalidArgument,
		425: antiphon.CodeUnavailable, 429: antiphon.CodeResourceExhausted, 499: antiphon.CodeCanceled, 500: antiphon.CodeInternal,
		501: antiphon.CodeUnimplemented, 503: antiphon.CodeUnavailable, 504: antiphon.CodeUnavailable, 200: antiphon.CodeUnknown, 599: antiphon.CodeUnavailable,
	} {
		if got := response.Code(status); got != want {
			t.Errorf("%d: %s, want %s", status, got, want)
		}
	}
}
