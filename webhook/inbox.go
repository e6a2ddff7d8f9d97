package webhook

import (
	"context"
	"errors"
	"net/http"
	"path"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/internal/trace"
)

// An Inbox is where answers are pushed to. [Expect] gives out a URL for one answer, and
// the future that it settles; serve the Inbox at its base URL and all that begin with
// it:
//
//	inbox := webhook.NewInbox("https://shop.example/answers", nil)
//	http.Handle("POST /answers/", inbox)
//
// A push is checked as by a [Receiver], and answered with
//
//	204   it settled the future, or came too late: it is not asked for again
//	503   the URL is another replica's, or of one that has ended since, and young
//	410   it is, and is not young any more
//	404   it is no URL of an Inbox
//
// The body is the value, as JSON. A push can also be an error, as
// application/problem+json, and whichever of both if it is an antiphon.Operation, as
// [Answer] writes it; one that has not ended is acknowledged, and settles nothing.
//
// Concurrency: all methods may be called by any number of goroutines. What is decoded,
// and whatever hangs on the futures, runs on goroutines of its own, and holds up no
// answer to whoever pushes.
//
// Closing: Close ends what is waited for.
type Inbox struct {
	base     string
	opts     InboxOptions
	wrong    error // what is wrong with the arguments
	mark     [markLen]byte
	expected *callback.Registry[*pushed]
	in       *Receiver
}

// A pushed is an answer as it came.
type pushed struct {
	m  Message
	op *antiphon.Operation // if it is one
}

// NewInbox returns an Inbox that is reached at baseURL, an absolute URL without query.
func NewInbox(baseURL string, o *InboxOptions) *Inbox {
	in := &Inbox{mark: newMark()}
	if o != nil {
		in.opts = *o
	}
	in.wrong = in.opts.configure()
	if base, err := baseOf(baseURL); in.wrong == nil {
		in.base, in.wrong = base, err
	}
	if in.wrong != nil {
		return in
	}
	in.expected = callback.NewRegistry[*pushed](&callback.RegistryOptions{
		MaxPending: in.opts.MaxPending, TTL: in.opts.TTL, Name: in.opts.Name, Clock: in.opts.Clock,
	})
	verifier, forward := in.opts.Verifier, in.opts.Forward
	if verifier == nil {
		verifier = anybody{}
	}
	if forward == nil {
		forward = func(context.Context, Message) error { return errStray }
	}
	in.in = NewReceiver(verifier, forward, &ReceiverOptions{
		Name: in.opts.Name, MaxBody: in.opts.MaxBody, ReadTimeout: in.opts.ReadTimeout,
		Observer: hinting(in.opts.Observer), Clock: in.opts.Clock,
	})
	return in
}

// anybody is genuine.
type anybody struct{}

func (anybody) Verify(_ context.Context, r Request) (Message, error) {
	return Message{Body: r.Body}, nil
}

// errStray: the URL is none of this Inbox's.
var errStray error = &antiphon.Error{
	Code:    antiphon.CodeNotFound,
	Class:   antiphon.ClassNotAccepted,
	Reason:  "webhook.stray",
	Message: "webhook: the answer is for another inbox, or for one that has ended",
}

// Expect expects an answer for ttl, or for the TTL of the Inbox if that is 0. Hand the
// URL to whoever is to answer, and to nobody else. The future settles with the first
// answer that is pushed there, with why it cannot be decoded, or with an error that is
// callback.ErrExpired or callback.ErrClosed, of class unknown.
//
// R is what the body decodes into; []byte is the body as it is, and Message all of the
// push.
//
// It fails with callback.ErrFull or callback.ErrClosed, of class not accepted, and with
// code invalid_argument if ttl is negative or the Inbox was made with a mistake.
func Expect[R any](in *Inbox, ttl time.Duration) (url string, f *future.Future[R], err error) {
	_, url, f, err = expect[R](context.Background(), in, ttl)
	return url, f, err
}

func expect[R any](ctx context.Context, in *Inbox, ttl time.Duration) (id callback.ID, url string, f *future.Future[R], err error) {
	if in.wrong != nil {
		return id, "", nil, in.wrong
	}
	id, arrived, err := in.expected.Expect(ctx, ttl)
	if err != nil {
		return id, "", nil, err
	}
	p := new(future.Promise[R])
	f = p.Future()
	codec := in.opts.Codec
	arrived.OnDone(func(r future.Result[*pushed]) { // on a goroutine of its own
		if r.Err != nil {
			p.Reject(r.Err)
			return
		}
		open(p, codec, r.Value)
	})
	return id, in.base + newToken(id, in.mark, in.opts.Clock.Now()), f, nil
}

// Pending returns how many answers are waited for.
func (in *Inbox) Pending() int {
	if in.wrong != nil {
		return 0
	}
	return in.expected.Pending()
}

// Close fails what is waited for with an error that is callback.ErrClosed and err, which
// may be nil, and refuses to expect more. Calling it again does nothing.
func (in *Inbox) Close(err error) {
	if in.wrong == nil {
		in.expected.Close(err)
	}
}

// ServeHTTP takes one push. The last part of the path of its URL says whose it is.
func (in *Inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if in.wrong != nil {
		in.opts.Observer.Emit(antiphon.Event{Name: "webhook.rejected", Context: r.Context(), Kind: in.opts.Name, Err: in.wrong})
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	name := path.Base(r.URL.Path)
	t, ok := parseToken(name)
	if !ok {
		in.in.hurry(w)
		in.in.refuse(w, r, errNoURL)
		return
	}
	m, ok := in.in.take(w, r, in.base+name)
	if !ok {
		return
	}
	m.ID, m.IDSigned = name, true
	a := in.deliver(trace.In(r.Context(), m.Header), t, m)
	if a.retry > 0 {
		retryAfter(w, a.retry)
	}
	w.WriteHeader(a.status)
}

var errNoURL = &RejectError{Reason: ReasonHeader, Status: http.StatusNotFound}

// deliver settles what the answer m is for.
func (in *Inbox) deliver(ctx context.Context, t token, m Message) answer {
	p := &pushed{m: m}
	tell := func(name string, err error) {
		in.in.observe(ctx, name, &Message{Endpoint: m.Endpoint, ID: t.hint()}, 0, err)
	}
	if contentTypeOf(m.Header) == OperationContentType {
		p.op = new(antiphon.Operation)
		if (antiphon.JSON{MaxSize: len(m.Body)}).Unmarshal(m.Body, p.op) != nil {
			p.op = nil // it is decoded once more, to say what is wrong
		} else if !p.op.State.Terminal() {
			return answer{status: http.StatusNoContent}
		}
	}
	err := errStray
	if t.mark == in.mark {
		err = in.expected.Resolve(t.id, p)
	}
	age := in.opts.Clock.Since(t.at).Abs()
	switch {
	case err == nil:
		tell("webhook.received", nil)
		return answer{status: http.StatusNoContent}
	case !errors.Is(err, errStray): // ours, and it has ended
		tell("webhook.orphan", err)
		return answer{status: http.StatusNoContent}
	case in.opts.Forward != nil:
		return in.in.handle(ctx, m)
	}
	tell("webhook.orphan", err)
	if age < in.opts.Grace {
		return answer{http.StatusServiceUnavailable, busyRetry}
	}
	return answer{status: http.StatusGone}
}
