package poller

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/internal/ending"
	"github.com/antiphon-go/antiphon/internal/trace"
)

// Begin makes a request that starts an operation, and follows that until req's context
// ends. It returns when the server has accepted, or answered, or refused.
//
// What the server says decides how the operation is followed: Operation-Location or
// Azure-AsyncOperation name a status monitor; of a 202, Location names where the result
// will be, or else Content-Location a status monitor; an operation of AIP-151 names
// itself. Every other 200, 201 and 204 is the result. All of these URLs may be relative,
// and are followed within the origin of req, unless HTTPOptions.AllowHost says otherwise.
// What was said with the 202 counts as the first observation.
//
// A request that was not answered, or put off (429, 503), is repeated, within the limits
// of HTTPOptions.Poll, if that is safe: it was not accepted, or its method is idempotent, or
// it has an Idempotency-Key; and if its body can be had again (Request.GetBody).
//
// What antiphon.TraceFrom of its context gives goes along with every request, but with req
// itself if that has a traceparent.
//
// An error means that nothing is followed. Its class says whether the operation was
// started: not accepted where that is sure, else unknown. An operation that was done at
// once and ended badly is no such error, but one of the Future.
func Begin[R any](req *http.Request, o *HTTPOptions) (*Remote[R], error) {
	c, err := newCaller(o, typeName[R]())
	if err != nil {
		return nil, err
	}
	if req == nil || req.URL == nil {
		return nil, misused("request", "Begin needs a request with a URL")
	}
	ctx := req.Context()
	m, err := c.begin(ctx, ctx, req, new(seal))
	if err != nil {
		return nil, err
	}
	return followed[R](ctx, m), nil
}

// begin sends req until it is answered, and makes a monitor of the answer. patient is
// the context in which it does so, asker that of whoever wants to know.
func (c *caller) begin(patient, asker context.Context, req *http.Request, s *seal) (*monitor, error) {
	home := originOf(req.URL)
	if err := c.allowed(home, req.URL); err != nil {
		e := antiphon.Errorf(antiphon.CodeInvalidArgument, "poller: the URL cannot be asked: %w", err)
		e.Class = antiphon.ClassNotAccepted
		return nil, closing(req, e)
	}
	if err := asker.Err(); err != nil {
		return nil, closing(req, unsent(asker, nil))
	}
	again := req.Body == nil || req.Body == http.NoBody || req.GetBody != nil
	safe := idempotent(req)
	doubt, late := false, 0
	for n := 1; ; n++ {
		m, err := c.attempt(patient, req, home, s, n > 1)
		if err == nil {
			return m, nil
		}
		if patient.Err() == nil {
			s.failed.Store(&err)
		}
		class := antiphon.ClassOf(err)
		doubt = doubt || class != antiphon.ClassNotAccepted
		left := func(ctx context.Context) error { // before the next attempt
			if !doubt {
				return unsent(ctx, s.last())
			}
			return &PollError{Name: c.pace.Name, Last: cmp.Or(s.last(), err), Cause: ending.Cause(ctx)}
		}
		if patient.Err() != nil {
			return nil, left(patient)
		}
		d, ok := c.next(err, n)
		if !ok || !again || !safe && class != antiphon.ClassNotAccepted {
			return nil, doubtful(err, doubt)
		}
		if asker.Err() != nil {
			if late++; late == lastTries || undialed(err) {
				return nil, left(asker)
			}
		}
		switch rested := c.rest(patient, asker, d); {
		case patient.Err() != nil:
			return nil, left(patient)
		case !rested:
			return nil, doubtful(err, doubt)
		case asker.Err() != nil && !doubt: // who has gone needs to know no more than what to cancel
			return nil, left(asker)
		}
	}
}

// closing is err, and closes the body that is not sent.
func closing(req *http.Request, err error) error {
	if req.Body != nil {
		_ = req.Body.Close()
	}
	return err
}

// unsent is the error of a request that was not sent because ctx has ended. last is that of
// the attempt before, if there was one.
func unsent(ctx context.Context, last error) error {
	why := ending.Cause(ctx)
	e := antiphon.Errorf(antiphon.CodeOf(why), "poller: not sent: %w", why)
	if last != nil {
		e = antiphon.Errorf(e.Code, "poller: not sent: %w (the last attempt failed: %w)", why, last)
	}
	e.Class = antiphon.ClassNotAccepted
	return e
}

// doubtful is err, the last of several attempts, in doubt about an earlier one.
func doubtful(err error, doubt bool) error {
	if !doubt || antiphon.ClassOf(err) == antiphon.ClassUnknown {
		return err
	}
	e := antiphon.Errorf(antiphon.CodeOf(err), "poller: an attempt was not answered, and then: %w", err)
	e.Class = antiphon.ClassUnknown
	return e
}

// next is how long to wait after the nth attempt, or false if it is the last.
func (c *caller) next(err error, n int) (time.Duration, bool) {
	retryable, most := c.pace.Retryable, c.pace.MaxErrors
	if retryable == nil {
		retryable = antiphon.Retryable
	}
	if most == 0 {
		most = 10
	}
	if !retryable(err) || most > 0 && n >= most {
		return 0, false
	}
	d := c.pace.trouble(n)
	if wish, ok := antiphon.RetryDelay(err); ok {
		d = max(d, c.pace.hinted(c.pace.clamp(wish)))
	}
	return d, true
}

// rest waits for d, or until the asker has gone. It reports false, at once, if ctx ends
// before.
func (c *caller) rest(ctx, asker context.Context, d time.Duration) bool {
	if at, ok := ctx.Deadline(); ok && c.left(at) < d {
		return false
	}
	rang := make(chan struct{})
	defer c.clock.AfterFunc(d, func() { close(rang) }).Stop()
	select {
	case <-rang:
	case <-asker.Done():
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// idempotent reports whether to send a request twice does no more than to send it once.
func idempotent(r *http.Request) bool {
	switch r.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodTrace:
		return true
	}
	return r.Header.Get("Idempotency-Key") != ""
}

// attempt sends req once, and again where a redirect says so.
func (c *caller) attempt(ctx context.Context, req *http.Request, home string, s *seal, again bool) (*monitor, error) {
	p := c.patient(ctx, c.pace.PerPoll)
	defer p.end()
	var sent atomic.Bool
	r := req.WithContext(p)
	r.Header = r.Header.Clone()
	if r.Header == nil {
		r.Header = make(http.Header)
	}
	trace.Put(p, r.Header)
	if !s.until.IsZero() {
		if left := c.left(s.until); left < forever {
			r.Header["Antiphon-Timeout-Ms"] = []string{timeoutOf(left)}
		}
	}
	seals := func(body io.ReadCloser) io.ReadCloser { return letter{body, s, &sent} }
	bodyless := req.Body == nil || req.Body == http.NoBody
	if !bodyless {
		if req.GetBody != nil {
			r.GetBody = func() (io.ReadCloser, error) {
				body, err := req.GetBody()
				if err != nil {
					return nil, err
				}
				return seals(body), nil
			}
		}
		r.Body = seals(req.Body)
		if again {
			var err error
			if r.Body, err = r.GetBody(); err != nil {
				return nil, err
			}
		}
	} else if !s.open() {
		return nil, errSealed
	}
	resp, err := c.start(r, home)
	if err != nil {
		return nil, c.unanswered(err, sent.Load() || bodyless && !undialed(err))
	}
	defer resp.Body.Close()
	return c.accepted(resp, req, home)
}

// unanswered is the error of a request that was not answered.
func (c *caller) unanswered(err error, sent bool) error {
	e := antiphon.Errorf(antiphon.CodeOf(err), "poller: the start was not answered: %w", err)
	if e.Class = antiphon.ClassNotAccepted; sent {
		e.Class = antiphon.ClassUnknown
	}
	return e
}

// undialed reports whether there was no connection.
func undialed(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// carried is what of a start goes along to another origin.
var carried = []string{"Accept", "Antiphon-Timeout-Ms", "Content-Encoding", "Content-Type", "Idempotency-Key", "Prefer", "Traceparent", "Tracestate"}

// start sends the request that starts an operation, and follows redirects that keep its
// method.
func (c *caller) start(r *http.Request, home string) (reply, error) {
	for hops := 0; ; hops++ {
		resp, err := c.send(r, home)
		if err != nil {
			return reply{}, err
		}
		look := r.Method == "" || r.Method == http.MethodGet || r.Method == http.MethodHead
		switch code := resp.StatusCode; {
		case code == http.StatusTemporaryRedirect, code == http.StatusPermanentRedirect:
		case look && (code == http.StatusMovedPermanently || code == http.StatusFound):
		default:
			return reply{resp, r.URL, false}, nil
		}
		to := resp.Header.Get("Location")
		if to == "" || r.Body != nil && r.GetBody == nil || hops == maxHops {
			return reply{resp, r.URL, false}, nil
		}
		drop(resp)
		next, err := c.pointed(home, r.URL, to)
		if err != nil {
			return reply{}, err
		}
		hop := *r
		hop.URL, hop.Host = next, next.Host
		if originOf(next) != home {
			hop.Header = make(http.Header, len(carried))
			for _, name := range carried {
				if v, ok := r.Header[name]; ok {
					hop.Header[name] = slices.Clone(v)
				}
			}
		}
		if r.Body != nil {
			if hop.Body, err = r.GetBody(); err != nil {
				return reply{}, err
			}
		}
		r = &hop
	}
}
