package poller

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"reflect"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
)

// A Remote is an operation somewhere, which is followed: by an entry in the table of a
// Scheduler, and a goroutine only while it is asked.
//
// Concurrency: all methods may be called by any number of goroutines.
//
// Cancellation: when the context that it was begun or resumed with ends, it is not
// followed any more. The operation goes on; see Cancel.
//
// Errors: the Future fails with an *antiphon.Error if the operation ended badly, and with
// a [PollError] that has a Token if nobody looks any more. Where the operation is not
// known any more that is ErrGone; where its status led elsewhere, ErrOrigin.
//
// Zero value: none; use Begin or Resume.
type Remote[R any] struct {
	m *monitor
	f *future.Future[R]
}

// ID is what the server calls the operation; empty if it does not say.
func (r *Remote[R]) ID() string {
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	return r.m.now.id
}

// URL is where the operation is followed; empty if it was done at once.
func (r *Remote[R]) URL() string {
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	if r.m.now.url == nil {
		return ""
	}
	return r.m.now.url.String()
}

// Token is what Resume follows the operation with; empty if it was done at once, or if
// the server's URLs are so long that it would have more than 32 KiB. It is a secret: who
// has it may ask for the operation, and see URLs that may be capabilities.
func (r *Remote[R]) Token() string {
	if r.URL() == "" {
		return ""
	}
	return r.m.token()
}

// Future settles with the result of the operation.
func (r *Remote[R]) Future() *future.Future[R] { return r.f }

// typeName is the default of HTTPOptions.Kind.
func typeName[R any]() string { return reflect.TypeFor[R]().String() }

// followed is the Remote of what m follows until ctx ends.
func followed[R any](ctx context.Context, m *monitor) *Remote[R] {
	r := &Remote[R]{m: m}
	if m.ended() {
		r.f = future.Map(future.Of(m.op), func(op antiphon.Operation) (R, error) { return outcome[R](m.caller, op) })
		return r
	}
	pace := m.pace
	if pace.First == 0 && (m.first != nil || m.held) {
		pace.First = -1
	} else {
		m.first = nil
	}
	pace.PerPoll = -1 // of each request instead
	f := Submit(ctx, m.Scheduler, func(ctx context.Context) (Status[R], error) {
		op, err := m.poll(ctx)
		if err != nil {
			return Status[R]{After: op.PollAfter}, err
		}
		return statusFrom[R](m.caller, &op)
	}, &pace)
	r.f = future.Recover(f, func(err error) (v R, _ error) {
		var gaveUp *PollError
		switch {
		case errors.As(err, &gaveUp):
			e := *gaveUp
			e.Token = m.token()
			err = &e
		case !m.known().State.Terminal(): // the Scheduler did not take it
			err = &PollError{Name: pace.Name, Cause: err, Token: m.token()}
		}
		m.feed.close(err)
		return v, err
	})
	return r
}

// outcome is how op has ended.
func outcome[R any](c *caller, op antiphon.Operation) (v R, err error) {
	st, err := statusFrom[R](c, &op)
	if err == nil {
		err = failure(c.pace.Name, st.State, st.Err, st.Message)
	}
	if err != nil {
		return v, err
	}
	return st.Value, nil
}

// statusFrom is op with its result decoded. What cannot be will not pass.
func statusFrom[R any](c *caller, op *antiphon.Operation) (st Status[R], err error) {
	st = Status[R]{State: op.State, Err: op.Err, Percent: op.Percent, Message: op.Message, After: op.PollAfter, Version: op.Version}
	if op.Err != nil && op.Err.Class == "" {
		e := *op.Err
		e.Class = antiphon.ClassOf(&e)
		st.Err = &e
	}
	if op.State != antiphon.StateSucceeded || op.Result == nil {
		return st, nil
	}
	if err := c.Codec.Unmarshal(op.Result, &st.Value); err != nil {
		e := antiphon.Errorf(antiphon.CodeOf(err), "poller: the result cannot be read: %w", err)
		e.Class, e.Permanent = antiphon.ClassUnknown, true
		return st, e
	}
	return st, nil
}

// Cancel wishes the operation to end, and returns when the server knows. Future tells
// whether it has. Servers that cannot are errors.ErrUnsupported.
//
// How depends on the style: an operation of AIP-151 is sent :cancel, a status monitor too
// or, where that is not known, DELETE, and where only the result has a URL that is sent
// DELETE.
func (r *Remote[R]) Cancel(ctx context.Context) error { return r.m.cancel(background(ctx)) }

// Delete makes the server forget the operation, once it has ended: before that, or as
// far as nobody has seen it, it fails with code failed_precondition.
func (r *Remote[R]) Delete(ctx context.Context) error { return r.m.forget(background(ctx)) }

func background(ctx context.Context) context.Context {
	if ctx == nil {
		return context.Background()
	}
	return ctx
}

// known is what was told last.
func (m *monitor) known() antiphon.Operation {
	op, _, _, _, _ := m.feed.after(-1)
	return op
}

func (m *monitor) place() ref {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

func (m *monitor) cancel(ctx context.Context) error {
	at := m.place()
	if at.url == nil {
		return nil // it was done at once
	}
	verb := *at.url
	verb.Path += ":cancel"
	if verb.RawPath != "" {
		verb.RawPath += ":cancel"
	}
	code, err := 0, error(nil)
	if at.style != styleLocation {
		code, err = m.order(ctx, at, http.MethodPost, &verb)
	}
	switch {
	case err != nil:
		return err
	case at.style == styleAIP:
	case code == 0, unknownVerb(code):
		code, err = m.order(ctx, at, http.MethodDelete, at.url)
	}
	if err == nil && unknownVerb(code) {
		err = antiphon.Errorf(antiphon.CodeUnimplemented, "poller: the server cannot cancel: %w", errors.ErrUnsupported)
	}
	return err
}

func unknownVerb(code int) bool {
	return code == http.StatusNotFound || code == http.StatusMethodNotAllowed || code == http.StatusNotImplemented
}

var errNotOver = &antiphon.Error{
	Code:      antiphon.CodeFailedPrecondition,
	Class:     antiphon.ClassNotAccepted,
	Reason:    "poller.not_over",
	Message:   "poller: the operation has not ended, as far as is known",
	Permanent: true,
}

func (m *monitor) forget(ctx context.Context) error {
	at := m.place()
	if !m.known().State.Terminal() {
		return errNotOver
	}
	if at.url == nil {
		return nil
	}
	code, err := m.order(ctx, at, http.MethodDelete, at.url)
	switch {
	case err != nil:
		return err
	case code == http.StatusMethodNotAllowed, code == http.StatusNotImplemented:
		return antiphon.Errorf(antiphon.CodeUnimplemented, "poller: the server cannot delete: %w", errors.ErrUnsupported)
	}
	return nil
}

// order makes a request that changes something, and returns its code if that is one of
// success, or says that there is nothing, or that it cannot be done.
func (m *monitor) order(ctx context.Context, at ref, method string, u *url.URL) (code int, err error) {
	p := m.patient(ctx, m.pace.PerPoll)
	defer p.end()
	header := http.Header{"Accept": acceptJSON}
	if method == http.MethodPost {
		header["Content-Length"] = []string{"0"}
	}
	resp, err := m.ask(p, at.home, method, u, header)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	code = resp.StatusCode
	if code < 300 || unknownVerb(code) || code == http.StatusGone {
		_, _ = io.CopyN(io.Discard, resp.Body, 4<<10)
		return code, nil
	}
	body, _ := read(resp.Response, m.MaxStatus)
	e, own := answeredWith(resp.Response, body)
	if !own {
		e.Class = antiphon.ClassNotAccepted
		if passing(code) {
			e.Class = antiphon.ClassUnknown
		}
	}
	return code, m.advised(e, resp)
}
