package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/internal/ending"
	"github.com/antiphon-go/antiphon/internal/lifetime"
	"github.com/antiphon-go/antiphon/internal/response"
	"github.com/antiphon-go/antiphon/internal/trace"
)

// Limits of an attempt.
const (
	maxResponse  = 16 << 10
	responseTime = 2 * time.Second // for the rest of a response whose status is known
)

// An Attempt is one try to deliver a message.
type Attempt struct {
	// Message and Endpoint are their IDs; the Endpoint of a callback is its origin.
	Message, Endpoint string
	// Type is the message's.
	Type string
	// Number counts from 1.
	Number int
	// Begun is when it began, and Duration how long it took.
	Begun    time.Time
	Duration time.Duration
	// Status is that of the response, or 0 if there was none.
	Status int
	// Peer is the address that was connected to, if any.
	Peer string
	// Response is the beginning of the response's body, at most 16 KiB: whatever they
	// chose to send.
	Response []byte
	// Err is why it failed; nil if the message has arrived.
	Err error
	// Next is when the next attempt comes; zero if none does.
	Next time.Time
}

var (
	errAttemptTime  = errors.New("the attempt took too long")
	errSignerPanics = antiphon.Errorf(antiphon.CodeInternal, "the Signer panicked")
)

// attempt sends d once, and notes in a what came of it. It returns how long the endpoint
// asks to wait, and whether it was asked at all.
func (s *Sender) attempt(ctx context.Context, e *Endpoint, d *delivery, a *Attempt) (retryAfter time.Duration, asked bool) {
	within, done := lifetime.WithTimeout(ctx, s.opts.Clock, e.Timeout, errAttemptTime)
	defer done()
	r, err := s.request(within, e, d, a)
	if err != nil {
		a.Err = err
		return 0, false
	}
	res, err := s.client.Do(r)
	if err != nil {
		a.Err = unreached(within, err)
		return 0, true
	}
	defer res.Body.Close()
	a.Status = res.StatusCode
	timer := s.clock.AfterFunc(responseTime, func() { res.Body.Close() })
	a.Response, _ = io.ReadAll(io.LimitReader(res.Body, maxResponse)) // a status is enough
	timer.Stop()
	if a.Status/100 == 2 {
		return 0, true
	}
	a.Err = refused(a.Status)
	retryAfter, _ = response.RetryAfter(res.Header, s.clock.Now())
	return retryAfter, true
}

// request makes the request of an attempt, signed for now.
func (s *Sender) request(ctx context.Context, e *Endpoint, d *delivery, a *Attempt) (*http.Request, error) {
	to := e.URL
	if d.Callback != "" {
		to = d.Callback
	}
	h := make(http.Header, len(d.Header)+len(e.Header)+8)
	h.Set("Content-Type", "application/json")
	h.Set("User-Agent", "antiphon-webhook")
	for _, more := range []http.Header{e.Header, d.Header} {
		for name, values := range more {
			h[http.CanonicalHeaderKey(name)] = append([]string(nil), values...)
		}
	}
	if !e.Untraced {
		trace.Put(ctx, h)
	}
	if e.Signer != nil {
		q := &Request{Method: http.MethodPost, URL: to, Header: h, Body: d.Body, At: a.Begun}
		m := Message{ID: d.ID, Type: d.Type, Endpoint: d.Endpoint, Time: a.Begun, Body: d.Body}
		if err := sign(ctx, e.Signer, q, m); err != nil {
			return nil, fmt.Errorf("webhook: signing: %w", err)
		}
		h = q.Header
	}
	seen := &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) {
		if at := c.Conn.RemoteAddr(); at != nil {
			a.Peer = at.String()
		}
	}}
	r, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, seen), http.MethodPost, to, bytes.NewReader(d.Body))
	if err != nil {
		return nil, forbidden("that is no URL")
	}
	r.Header = h
	return r, nil
}

// sign calls the user's Signer.
func sign(ctx context.Context, by Signer, r *Request, m Message) (err error) {
	defer func() {
		if recover() != nil { // with what may be secret
			err = errSignerPanics
		}
	}()
	return by.Sign(ctx, r, m)
}

// unreached is the error of an attempt that got no response. It does not quote the URL.
func unreached(ctx context.Context, err error) error {
	if cause := ending.Cause(ctx); cause != nil {
		return antiphon.Errorf(antiphon.CodeOf(cause), "webhook: no response: %w", cause)
	}
	e := antiphon.Errorf(antiphon.CodeUnavailable, "webhook: no response: %w", withoutURL(err))
	if errors.Is(err, ErrForbidden) {
		e.Code, e.Class = antiphon.CodePermissionDenied, antiphon.ClassNotAccepted
	}
	return e
}

// refused is the error of an attempt that was answered with another status than 2xx.
func refused(status int) error {
	code, what := response.Code(status), "answered with"
	if status/100 == 3 {
		code, what = antiphon.CodeFailedPrecondition, "redirects are not followed:"
	}
	return &antiphon.Error{Code: code, Class: antiphon.ClassFailed, Message: fmt.Sprintf("webhook: %s %d %s", what, status, http.StatusText(status))}
}
