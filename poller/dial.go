package poller

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"runtime/debug"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/internal/ending"
	"github.com/antiphon-go/antiphon/internal/ident"
)

// lastWords is how long after its asker has gone an ask tries to end what it has started.
const lastWords = 10 * time.Second

// lastTries is how often it tries.
const lastTries = 3

// Dial returns an Asker of the operations that a POST to a URL starts, as [Begin] does. The
// body is the encoded value, and the header has an Idempotency-Key, the same however
// often it is sent; what remains of the asker's time; and what antiphon.TraceFrom gives.
// Reports reach antiphon.WithProgress, the latest of those that come
// between two polls.
//
// An ask that is accepted is an entry in the table of a Scheduler until it has ended.
// Errors of the work keep code, class and details, and errors.Is works for sentinels that
// are an antiphon.Error with a Reason and for those of the standard library.
//
// When the asker's context ends, the future settles at once: with an error of class not
// accepted if the request was not sent, else with a [PollError]. It does so sooner, with
// ErrHint, if the server wishes not to be asked again before the context's deadline, and
// when another limit of HTTPOptions.Poll is reached. What was accepted is cancelled then,
// or as soon as the answer to the start has come; for 10 seconds that is tried, in the
// background.
//
// The value is encoded before the Asker returns. Its errors are of class not accepted.
func Dial[Q, R any](to string, o *HTTPOptions) future.Asker[Q, R] {
	c, wrong := newCaller(o, typeName[R]())
	start, err := url.Parse(to)
	if wrong == nil && (err != nil || start.Host == "") {
		wrong = misused("url", "Dial needs an absolute URL")
	}
	keys := new(ident.Source)
	return func(ctx context.Context, q Q) *future.Future[R] {
		if wrong != nil {
			return future.Failed[R](wrong)
		}
		body, err := c.Codec.Marshal(q)
		if err != nil {
			e := antiphon.Errorf(antiphon.CodeOf(err), "poller: the request cannot be encoded: %w", err)
			e.Class = antiphon.ClassNotAccepted
			return future.Failed[R](e)
		}
		a := &dialed[R]{caller: c, ctx: background(ctx)}
		a.seal.until, _ = a.ctx.Deadline()
		go a.run(post(start, c.Codec.ContentType(), keys.Next(), body))
		return a.promise.Future()
	}
}

// post is the request that starts an operation.
func post(start *url.URL, contentType, key string, body []byte) *http.Request {
	header := http.Header{"Content-Type": {contentType}, "Idempotency-Key": {`"` + key + `"`}}
	r := &http.Request{Method: http.MethodPost, URL: start, Host: start.Host, Header: header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(len(body))}
	if len(body) == 0 {
		return r
	}
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	r.Body, _ = r.GetBody()
	return r
}

// A dialed is one ask.
type dialed[R any] struct {
	*caller
	ctx     context.Context // the asker's
	seal    seal
	promise future.Promise[R]
	cancel  context.CancelCauseFunc // of the start
}

// run starts the operation and leaves it to the Scheduler.
func (a *dialed[R]) run(req *http.Request) {
	returned := false
	defer func() {
		if returned {
			return
		}
		var err error = future.ErrGoexit
		if v := recover(); v != nil {
			err = &future.PanicError{Value: v, Stack: debug.Stack()}
		}
		a.promise.Reject(err)
	}()
	a.start(req)
	returned = true
}

func (a *dialed[R]) start(req *http.Request) {
	var patient context.Context
	patient, a.cancel = context.WithCancelCause(context.WithoutCancel(a.ctx))
	defer a.cancel(nil)
	stop := context.AfterFunc(a.ctx, a.leave)
	m, err := a.begin(patient, a.ctx, req, &a.seal)
	if stop() {
		a.begun(m, err)
		return
	}
	if m != nil && !m.ended() {
		a.undo(m)
	}
}

// leave settles the future because its asker has gone. The start goes on if it may have
// been sent: its answer says what to cancel.
func (a *dialed[R]) leave() {
	if a.seal.keep() {
		a.promise.Reject(unsent(a.ctx, a.seal.last()))
		a.cancel(context.Cause(a.ctx))
		return
	}
	a.promise.Reject(&PollError{Name: a.pace.Name, Last: a.seal.last(), Cause: ending.Cause(a.ctx)})
	a.clock.AfterFunc(lastWords, func() { a.cancel(context.Cause(a.ctx)) })
}

// begun goes on from the answer to the start.
func (a *dialed[R]) begun(m *monitor, err error) {
	if err != nil {
		a.promise.Reject(err)
		return
	}
	if m.ended() {
		a.promise.Settle(outcome[R](m.caller, m.op))
		return
	}
	var told antiphon.Operation
	m.feed.hear = func(op antiphon.Operation) {
		switch {
		case op.State.Terminal() && op.Message == "" && op.Data == nil: // says only that it has ended
			return
		case op.Percent == told.Percent && op.Message == told.Message && bytes.Equal(op.Data, told.Data):
			return
		}
		told = op
		var data any
		if op.Data != nil {
			data = op.Data
		}
		antiphon.Report(a.ctx, op.Percent, op.Message, data)
	}
	m.feed.hear(m.op)
	r := followed[R](a.ctx, m)
	end := func(v future.Result[R]) {
		a.promise.Settle(v.Get())
		var gaveUp *PollError
		if errors.As(v.Err, &gaveUp) && !errors.Is(v.Err, ErrGone) && !m.known().State.Terminal() {
			go a.undo(m) // for lastWords at the most
		}
	}
	if v, done := r.f.Peek(); done {
		end(v)
		return
	}
	r.f.OnDone(end)
}

// undo cancels what nobody waits for any more. What was not answered is sent again at
// once, or never.
func (a *dialed[R]) undo(m *monitor) {
	p := a.patient(context.WithoutCancel(a.ctx), lastWords)
	err := error(future.ErrGoexit)
	defer func() {
		if v := recover(); v != nil { // HTTPOptions.Authorize is the user's, and so is the Client
			err = &future.PanicError{Value: v, Stack: debug.Stack()}
		}
		p.end()
		if err != nil {
			a.pace.Observer.Emit(antiphon.Event{Name: "poller.unsent", Context: a.ctx, Kind: a.pace.Name, ID: m.place().id, Err: err})
		}
	}()
	err = m.cancel(p)
	for n := 1; n < lastTries && err != nil && antiphon.Retryable(err) && !undialed(err) && p.Err() == nil; n++ {
		err = m.cancel(p)
	}
}
