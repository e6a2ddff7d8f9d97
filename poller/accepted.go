package poller

import (
	"fmt"
	"net/http"
	"time"

	"github.com/antiphon-go/antiphon"
)

// accepted makes a monitor of the answer to a start.
func (c *caller) accepted(resp reply, req *http.Request, home string) (*monitor, error) {
	at := ref{home: home, method: req.Method, start: req.URL, via: c.Final, id: resp.Header.Get("Operation-Id")}
	code := resp.StatusCode
	style, to := pointerOf(resp.Response)
	if code == http.StatusSeeOther {
		style, to = styleLocation, resp.Header.Get("Location")
	}
	switch {
	case code >= 300 && code != http.StatusSeeOther:
		return c.rejected(resp, at)
	case to != "":
		return c.pointedTo(resp, at, style, to)
	case code == http.StatusAccepted && resp.ContentLength == 0:
		return nil, errNoPointer
	}
	body, err := read(resp.Response, c.MaxResult)
	if err != nil {
		return nil, c.unanswered(err, true)
	}
	if len(body) > 0 && body[0] == '{' {
		d := new(aipDocument)
		if decode(body, d) == nil && (d.looksLikeAIP(body) || c.OperationURL != nil && d.Name != "") {
			return c.named(resp, at, d)
		}
	}
	if code == http.StatusAccepted {
		return nil, errNoPointer
	}
	op := antiphon.Operation{ID: at.id, Kind: c.Kind, State: antiphon.StateSucceeded, Percent: 100, Result: body}
	if len(body) == 0 {
		op.Result = nil
	} else if op.ContentType = resp.Header.Get("Content-Type"); isJSON(op.ContentType) {
		op.ContentType = ""
	}
	return c.watch(at, op), nil
}

// pointedTo makes a monitor of where an answer points to.
func (c *caller) pointedTo(resp reply, at ref, style, to string) (m *monitor, err error) {
	at.style = style
	if at.url, err = c.pointed(at.home, resp.url, to); err != nil {
		return nil, err
	}
	if at.result = at.url; style == styleStatus {
		at.result = nil
		if to := resp.Header.Get("Location"); to != "" {
			if at.result, err = c.pointed(at.home, resp.url, to); err != nil {
				return nil, err
			}
		}
	}
	op := antiphon.Operation{ID: at.id, Kind: c.Kind, State: antiphon.StateQueued}
	if body, err := read(resp.Response, c.MaxStatus); err == nil && style == styleStatus { // the pointer is enough
		if said, err := readStatus(body); err == nil {
			op = said
		}
	}
	if op.State.Terminal() && (op.State != antiphon.StateSucceeded || op.Result == nil) {
		op = antiphon.Operation{ID: op.ID, Kind: c.Kind, State: antiphon.StateRunning, PollAfter: soon} // let it say so itself
	}
	if at.id == "" {
		at.id = op.ID
	}
	m = c.watch(at, op)
	m.pointer = to
	m.saidFirst(op, resp)
	return m, nil
}

// named makes a monitor of an operation of AIP-151.
func (c *caller) named(resp reply, at ref, d *aipDocument) (m *monitor, err error) {
	urlOf := c.OperationURL
	if urlOf == nil {
		urlOf = aipURL
	}
	at.style, at.id = styleAIP, d.Name
	if at.url, err = urlOf(resp.url, d.Name); err == nil {
		err = c.allowed(at.home, at.url)
	}
	if err != nil {
		return nil, doubtful(err, true)
	}
	op := d.operation()
	m = c.watch(at, op)
	m.saidFirst(op, resp)
	return m, nil
}

// saidFirst makes what the start said the first observation, unless the server holds
// requests: then it is asked at once.
func (m *monitor) saidFirst(op antiphon.Operation, resp reply) {
	m.hint(&op, resp)
	m.tag, m.tagged = resp.Header.Get("Etag"), m.at.url
	m.held = m.LongPoll > 0 && resp.Header.Get("Preference-Applied") != ""
	if !m.held {
		m.first = &op
	}
}

// rejected is what an answer means that accepts nothing: that it was done already, and
// ended badly, or an error.
func (c *caller) rejected(resp reply, at ref) (*monitor, error) {
	code := resp.StatusCode
	body, err := read(resp.Response, c.MaxStatus)
	if err != nil {
		body = nil
	}
	e, own := answeredWith(resp.Response, body)
	if (code == http.StatusConflict || code == http.StatusUnprocessableEntity) && own &&
		(at.id != "" || resp.Header.Get("Operation-Location") != "") {
		return c.watch(at, ended(antiphon.Operation{ID: at.id, Kind: c.Kind}, e, code)), nil
	}
	said := *e
	if !own && resp.url != nil { // nothing says who answers, and it may not be who was meant
		said.Message = fmt.Sprintf("poller: %s://%s%s answers %d: %s", resp.url.Scheme, resp.url.Host, resp.url.EscapedPath(), code, said.Message)
	}
	after, hinted := RetryAfter(resp.Header, c.clock.Now())
	switch {
	case own && said.Class != "": // it says so itself
		return nil, advise(&said, after)
	case code < 500, code == http.StatusServiceUnavailable && hinted, code == http.StatusNotImplemented:
		said.Class = antiphon.ClassNotAccepted
	default:
		said.Class = antiphon.ClassUnknown
	}
	if said.Permanent = !passing(code) || code == http.StatusNotImplemented; !said.Permanent && !antiphon.Retryable(&said) {
		said.Code = antiphon.CodeUnavailable // the body says what the code does not
	}
	return nil, advise(&said, after)
}

func advise(e *antiphon.Error, after time.Duration) error {
	e.RetryAfter = max(e.RetryAfter, after)
	return e
}
