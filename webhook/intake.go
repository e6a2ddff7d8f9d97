package webhook

import (
	"context"
	"errors"
	"math"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
)

// An intake takes pushes in, up to where they are verified. It is what a Receiver and
// an Inbox have in common.
type intake struct {
	name     string
	verifier Verifier
	early    Prechecker // the same, if it is one
	maxBody  int64
	patience time.Duration // with the body
	inline   time.Duration // how long an answer may take after that
	observer antiphon.Observer
	clock    clock.Clock
}

// take returns the message in r, or answers what is refused.
func (in *intake) take(w http.ResponseWriter, r *http.Request, url string) (Message, bool) {
	m, err := in.verified(w, r, url)
	if err != nil {
		in.refuse(w, r, err)
	}
	return m, err == nil
}

// verified checks in the order that the package promises. Until the last step nothing
// but the header and the size of the body is looked at.
func (in *intake) verified(w http.ResponseWriter, r *http.Request, url string) (m Message, err error) {
	deadline, kept := in.hurry(w)
	if r.Method != http.MethodPost {
		return m, &RejectError{Reason: ReasonMethod}
	}
	if r.URL != nil && r.URL.RawQuery != "" && url != "" && !strings.Contains(url, "?") { // some schemes sign it
		url += "?" + r.URL.RawQuery
	}
	push := Request{Method: r.Method, URL: url, Header: r.Header, At: in.clock.Now()}
	if in.early != nil {
		err = safely(func() error { return in.early.Precheck(push) })
	}
	switch {
	case err != nil && isHeader(err):
		return m, err
	case r.ContentLength > in.maxBody:
		return m, errTooLarge
	case err != nil:
		return m, err
	}
	if push.Body, err = in.read(r, kept); err != nil {
		return m, err
	}
	// The server sets another deadline for the next request. Until then this one is in
	// the way of nothing, if there is an answer before it.
	if kept && time.Until(deadline) < in.inline+time.Second {
		_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	}
	err = safely(func() (err error) {
		m, err = in.verifier.Verify(r.Context(), push)
		return err
	})
	if m.Endpoint == "" {
		m.Endpoint = in.name
	}
	if m.Header == nil {
		m.Header = r.Header
	}
	if m.Body == nil {
		m.Body = push.Body
	}
	return m, err
}

func isHeader(err error) bool {
	var why *RejectError
	return errors.As(err, &why) && why.Reason == ReasonHeader
}

// refuse answers with a status, and nothing that tells why.
func (in *intake) refuse(w http.ResponseWriter, r *http.Request, err error) {
	status := http.StatusServiceUnavailable // it could not be told
	var why *RejectError
	if errors.As(err, &why) {
		status = why.status()
	}
	switch status {
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", http.MethodPost)
	case http.StatusRequestEntityTooLarge, http.StatusRequestTimeout:
		w.Header().Set("Connection", "close") // what else is under way is not read
	case http.StatusServiceUnavailable:
		after, _ := antiphon.RetryDelay(err)
		retryAfter(w, after)
	}
	w.WriteHeader(status)
	in.observer.Emit(antiphon.Event{Name: "webhook.rejected", Context: r.Context(), Kind: in.name, Err: err})
}

// status is that of the error, or what its reason suggests.
func (e *RejectError) status() int {
	if e.Status >= 400 && e.Status < 500 {
		return e.Status
	}
	switch e.Reason {
	case ReasonMethod:
		return http.StatusMethodNotAllowed
	case ReasonTooLarge:
		return http.StatusRequestEntityTooLarge
	case ReasonSlow:
		return http.StatusRequestTimeout
	case ReasonTimestamp, ReasonSignature, ReasonKey:
		return http.StatusUnauthorized
	}
	return http.StatusBadRequest
}

// retryAfter asks for another delivery in d, at least a second.
func retryAfter(w http.ResponseWriter, d time.Duration) {
	s := int64(math.Ceil(max(d, time.Second).Seconds()))
	w.Header().Set("Retry-After", strconv.FormatInt(s, 10))
}

// safely calls f, which is the user's; a panic is an error.
func safely(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = caught(v)
		}
	}()
	return f()
}

// caught is what becomes of a panic; nil means runtime.Goexit.
func caught(v any) error {
	if v == nil {
		return future.ErrGoexit
	}
	return &future.PanicError{Value: v, Stack: debug.Stack()}
}

// observe tells of something that happened to m.
func (in *intake) observe(ctx context.Context, name string, m *Message, took time.Duration, err error) {
	if in.observer != nil {
		in.observer.Emit(antiphon.Event{Name: name, Context: ctx, Kind: m.Endpoint, ID: m.ID, Duration: took, Err: err})
	}
}
