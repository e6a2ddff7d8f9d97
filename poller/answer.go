package poller

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/internal/response"
)

// passing reports whether a status code is one of the moment.
func passing(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return status >= 500
}

// An errorDocument is an error as servers write it: an antiphon.Error, that of the Azure
// guidelines, that of AIP-193.
type errorDocument struct {
	Code       json.RawMessage   `json:"code"` // a string; a number in AIP-193
	Status     string            `json:"status"`
	Message    string            `json:"message"`
	Class      antiphon.Class    `json:"class"`
	Reason     string            `json:"reason"`
	Details    json.RawMessage   `json:"details"` // facts by name, or a list of Azure's or AIP-193's
	Facts      map[string]string `json:"innererror"`
	Marks      []string          `json:"marks"`
	Permanent  bool              `json:"permanent"`
	RetryAfter int64             `json:"retryAfterMs"`
}

// errorOf reads an error document. It is nil for what is none.
func errorOf(raw []byte) *antiphon.Error {
	var d errorDocument
	if len(raw) == 0 || raw[0] != '{' || decode(raw, &d) != nil {
		return nil
	}
	e := &antiphon.Error{
		Class:      d.Class,
		Reason:     d.Reason,
		Message:    d.Message,
		Details:    d.Facts,
		Marks:      d.Marks,
		Permanent:  d.Permanent,
		RetryAfter: time.Duration(min(max(d.RetryAfter, 0), response.Longest.Milliseconds())) * time.Millisecond,
	}
	var number int
	switch {
	case json.Unmarshal(d.Code, &e.Code) == nil:
	case d.Status == "CANCELLED":
		e.Code = antiphon.CodeCanceled
	case d.Status != "":
		e.Code = antiphon.Code(strings.ToLower(d.Status))
	case json.Unmarshal(d.Code, &number) == nil:
		e.Code = codeOfNumber(number)
	}
	if e.Details == nil {
		_ = json.Unmarshal(d.Details, &e.Details)
	}
	if e.Code == "" && e.Message == "" {
		return nil
	}
	if data, err := e.MarshalJSON(); err == nil { // which bounds it
		_ = e.UnmarshalJSON(data)
	}
	return e
}

// answeredWith is the error that a response with an error code says, and whether it says one
// itself.
func answeredWith(resp *http.Response, body []byte) (e *antiphon.Error, own bool) {
	var d struct {
		Title, Detail, Message string
		Error                  json.RawMessage
	}
	if isJSON(resp.Header.Get("Content-Type")) || len(body) > 0 && body[0] == '{' {
		_ = decode(body, &d)
		e = errorOf(d.Error)
	}
	if e != nil {
		return e, true
	}
	e = &antiphon.Error{Code: response.Code(resp.StatusCode)}
	for _, text := range [...]string{d.Detail, d.Message, d.Title} {
		if e.Message == "" {
			e.Message = strings.ToValidUTF8(text[:min(len(text), 1<<10)], "")
		}
	}
	if e.Message == "" {
		e.Message = strings.ToLower(http.StatusText(resp.StatusCode))
	}
	return e, false
}
