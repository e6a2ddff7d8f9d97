package poller

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/antiphon-go/antiphon"
)

// A problem is the body of an answer that says what is wrong: RFC 9457, and at once the
// shape that Azure's clients read (error with code and message).
type problem struct {
	Type     string       `json:"type"`
	Title    string       `json:"title"`
	Status   int          `json:"status"`
	Detail   string       `json:"detail,omitempty"`
	Instance string       `json:"instance,omitempty"`
	Error    problemError `json:"error"`
}

// problemError is an antiphon.Error whose details stand as innererror: in the Azure shape
// details are a list of errors.
type problemError struct {
	err    *antiphon.Error
	target string
}

func (e problemError) MarshalJSON() ([]byte, error) {
	plain := *e.err
	plain.Details = nil
	b, err := plain.MarshalJSON()
	if err != nil || e.target == "" && len(e.err.Details) == 0 {
		return b, err
	}
	more, err := json.Marshal(struct {
		Target  string            `json:"target,omitempty"`
		Details map[string]string `json:"innererror,omitempty"`
	}{e.target, e.err.Details})
	if err != nil {
		return nil, err
	}
	return append(append(b[:len(b)-1], ','), more[1:]...), nil
}

// A refusal is an error with which a request ends, and its status.
type refusal struct {
	status int
	target string // what of the request it is about
	err    *antiphon.Error
}

func (r *refusal) Error() string                  { return r.err.Error() }
func (r *refusal) AntiphonError() *antiphon.Error { return r.err }

func refused(status int, code antiphon.Code, reason, text string) *refusal {
	return &refusal{status: status, err: &antiphon.Error{
		Code: code, Class: antiphon.ClassNotAccepted, Reason: "poller." + reason, Message: "poller: " + text, Permanent: true,
	}}
}

// badRequest is about a header, parameter or member of the body.
func badRequest(target, text string) *refusal {
	r := refused(http.StatusBadRequest, antiphon.CodeInvalidArgument, "bad_request", text)
	r.target = target
	return r
}

// wrongMedia is about a body of another media type than is understood.
func wrongMedia(want string) *refusal {
	r := refused(http.StatusUnsupportedMediaType, antiphon.CodeInvalidArgument, "content_type", "the Content-Type has to be "+want)
	r.target = "Content-Type"
	return r
}

// errCoded is about a body that is compressed (RFC 9110, section 8.4).
var errCoded = func() *refusal {
	r := refused(http.StatusUnsupportedMediaType, antiphon.CodeInvalidArgument, "content_encoding", "the body may not have a Content-Encoding")
	r.target = "Content-Encoding"
	return r
}()

var (
	errNoPath          = refused(http.StatusNotFound, antiphon.CodeNotFound, "no_path", "there is nothing at this path")
	errMethod          = refused(http.StatusMethodNotAllowed, antiphon.CodeUnimplemented, "method", "this method is not for this path")
	errOrigin          = refused(http.StatusForbidden, antiphon.CodePermissionDenied, "origin", "pages of other origins may not do this")
	errUnauthenticated = refused(http.StatusUnauthorized, antiphon.CodeUnauthenticated, "unauthenticated", "it is not known who asks")
	errForbidden       = refused(http.StatusForbidden, antiphon.CodePermissionDenied, "forbidden", "this is not allowed")
	errOwnerTooLong    = refused(http.StatusInternalServerError, antiphon.CodeInternal, "owner", "an owner has at most 256 bytes")
	errUnknown         = refused(http.StatusNotFound, antiphon.CodeNotFound, "unknown_operation", "there is no such operation")
	errGone            = refused(http.StatusGone, antiphon.CodeNotFound, "gone", "the operation is not kept any more")
	errPageGone        = refused(http.StatusGone, antiphon.CodeNotFound, "page_gone", "what the page token continues after is gone: start anew")
	errBodyTooLarge    = refused(http.StatusRequestEntityTooLarge, antiphon.CodeResourceExhausted, "too_large", "the body is too large")
	errPanicked        = &refusal{status: http.StatusInternalServerError, err: &antiphon.Error{
		Code: antiphon.CodeInternal, Class: antiphon.ClassUnknown, Reason: "poller.panic", Message: "poller: the server failed",
	}}
)

// refuse answers with what is wrong.
func (x *exchange) refuse(err error) {
	r := refusalOf(err)
	if after, ok := antiphon.RetryDelay(r.err); ok || r.status == http.StatusTooManyRequests || r.status == http.StatusServiceUnavailable {
		x.advise(max(after, time.Second))
	}
	if x.aip {
		x.refuseAIP(r)
		return
	}
	x.problem(r)
}

// refusalOf chooses a status.
func refusalOf(err error) *refusal {
	var r *refusal
	if errors.As(err, &r) {
		return r
	}
	e := antiphon.FromError(err)
	r = &refusal{status: http.StatusInternalServerError, err: e}
	switch {
	case errors.Is(err, antiphon.ErrTooLarge):
		r.status = http.StatusRequestEntityTooLarge
	case errors.Is(err, errors.ErrUnsupported):
		r.status = http.StatusNotImplemented
	default:
		r.status = statusOf(e.Code)
		if e.Class == antiphon.ClassUnknown && r.status < 500 { // it may have been done
			r.status = http.StatusInternalServerError
		}
	}
	if errors.Is(err, context.Canceled) { // the client has gone, and this is for a log
		r.status = http.StatusServiceUnavailable
	}
	return r
}

func statusOf(c antiphon.Code) int {
	switch c {
	case antiphon.CodeInvalidArgument, antiphon.CodeOutOfRange:
		return http.StatusBadRequest
	case antiphon.CodeUnauthenticated:
		return http.StatusUnauthorized
	case antiphon.CodePermissionDenied:
		return http.StatusForbidden
	case antiphon.CodeNotFound:
		return http.StatusNotFound
	case antiphon.CodeAlreadyExists: // the key is another request's
		return http.StatusUnprocessableEntity
	case antiphon.CodeFailedPrecondition, antiphon.CodeAborted:
		return http.StatusConflict
	case antiphon.CodeResourceExhausted:
		return http.StatusTooManyRequests
	case antiphon.CodeUnimplemented:
		return http.StatusNotImplemented
	case antiphon.CodeUnavailable, antiphon.CodeCanceled, antiphon.CodeDeadlineExceeded:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// problem writes r.
func (x *exchange) problem(r *refusal) {
	p := problem{
		Type: "about:blank", Title: http.StatusText(r.status), Status: r.status, Detail: r.err.Error(),
		Error: problemError{r.err, r.target},
	}
	if x.id != "" {
		p.Instance = x.at(x.id)
	}
	body, err := json.Marshal(p)
	if err != nil {
		body = []byte(`{"type":"about:blank","error":{"code":"internal","message":"poller: an error cannot be encoded"}}`)
	}
	x.w.Header()["Cache-Control"] = noStore
	x.write(r.status, problemType, body)
}

var (
	problemType = []string{"application/problem+json"}
	jsonType    = []string{"application/json"}
	noStore     = []string{"no-store"}
	revalidated = []string{"private, no-cache"}
)

// write sends the answer.
func (x *exchange) write(status int, contentType []string, body []byte) {
	x.began = true
	h := x.w.Header()
	if contentType != nil {
		h["Content-Type"] = contentType
		h["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	x.w.WriteHeader(status)
	if x.r.Method != http.MethodHead && len(body) > 0 {
		_, _ = x.w.Write(body) // who does not read it has gone
	}
}
