package webhook

import (
	"context"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/semaphore"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/internal/ident"
)

// A Handler does what a message asks for. It has a message once for all its deliveries
// that come while it is remembered, and again if it failed.
//
//	nil                     204, and the message is done
//	[Discard], Permanent       204, and the message is done: trying again is of no use
//	[Gone]                  410: no more messages, please
//	RetryAfter              503, with Retry-After
//	any other, a panic      500
//
// (Permanent and RetryAfter are those of package antiphon.) All but the first two ask
// for another delivery, and the handler gets the message again.
//
// ctx ends when the time for the answer is over (ReceiverOptions.Inline) because of
// [ErrOverrun], and when Shutdown has waited long enough because of [ErrClosed], but not
// because whoever pushed has gone: work that is done need not be done again. It carries
// antiphon.InfoFrom, where Key is Message.Key, and Header is what antiphon.TraceFrom looks
// for: what the handler asks and sends belongs to the trace that the push is of.
//
// Ownership: the message is the handler's, but its Header is shared.
type Handler func(ctx context.Context, m Message) error

var (
	// ErrOverrun: the handler took longer than ReceiverOptions.Inline. Whoever pushed
	// was told to do it again later, and what the handler returns decides whether the
	// message is handled again. It is observed then, and once more when the handler has
	// returned.
	ErrOverrun error = &antiphon.Error{
		Code:    antiphon.CodeDeadlineExceeded,
		Class:   antiphon.ClassUnknown,
		Reason:  "webhook.overrun",
		Message: "webhook: the handler took too long",
	}
	// ErrClosed: it has been shut down.
	ErrClosed error = &antiphon.Error{
		Code:    antiphon.CodeUnavailable,
		Class:   antiphon.ClassNotAccepted,
		Reason:  "webhook.closed",
		Message: "webhook: shut down",
	}
)

// A Receiver is an http.Handler for what is pushed to one endpoint. It checks in this
// order, and the first check that fails is the answer, with an empty body:
//
//	method              405
//	header              400
//	declared length     413
//	timestamp           401
//	body                413 if it is too long, 408 if it is too slow
//	signature           401, or 503 if that cannot be told
//	whether it is seen  204 if it is done, 409 while it is being handled
//	the handler         see [Handler]; 503 while too many run
//
// Header and timestamp are looked at before the body if the Verifier is a
// [Prechecker], else with the signature. Whatever the status means, its cause is told
// to the observer alone.
//
// Concurrency: requests are served in any number at once. Handlers run on goroutines of
// their own; of one message never two at a time, also if the first does not return when
// its time is over.
//
// Closing: Shutdown. A Receiver that nobody shuts down leaves nothing behind when its
// handlers have returned.
type Receiver struct {
	intake
	opts    ReceiverOptions
	handler Handler
	wrong   error // what is wrong with the arguments
	owners  ident.Source
	room    *semaphore.Weighted
	closing sync.Mutex
	closed  atomic.Bool
	quit    chan struct{} // closed when handlers are waited for no longer
}

// NewReceiver returns a Receiver that gives what v verifies to h: [Mux.Handle], [Enqueue]
// of a queue, or any function. Neither may be nil: that is a mistake as one in the
// options, and so is what Err says of a v that is a [Scheme].
func NewReceiver(v Verifier, h Handler, o *ReceiverOptions) *Receiver {
	r := &Receiver{handler: h, quit: make(chan struct{})}
	if o != nil {
		r.opts = *o
	}
	r.wrong = r.opts.configure()
	switch {
	case r.wrong != nil:
	case v == nil:
		r.wrong = misuse("nil_verifier", "NewReceiver needs a Verifier")
	case h == nil:
		r.wrong = misuse("nil_handler", "NewReceiver needs a Handler")
	default:
		r.wrong = schemeWrong(v)
	}
	if r.wrong != nil {
		r.intake = intake{name: r.opts.Name, observer: r.opts.Observer}
		return r
	}
	r.opts.Origins = slices.Clone(r.opts.Origins)
	r.intake = intake{
		name: r.opts.Name, verifier: v, maxBody: r.opts.MaxBody, patience: r.opts.ReadTimeout,
		inline: r.opts.Inline, observer: r.opts.Observer, clock: r.opts.Clock,
	}
	r.early, _ = v.(Prechecker)
	r.room = semaphore.NewWeighted(int64(r.opts.MaxRunning))
	return r
}

// ServeHTTP answers one request.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if r.wrong != nil {
		r.observer.Emit(antiphon.Event{Name: "webhook.rejected", Context: req.Context(), Kind: r.name, Err: r.wrong})
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	if req.Method == http.MethodOptions && r.shakeHands(w, req) {
		return
	}
	m, ok := r.take(w, req, r.opts.URL)
	if !ok || r.challenged(req.Context(), w, &m) {
		return
	}
	a := r.handle(req.Context(), m)
	if a.retry > 0 {
		retryAfter(w, a.retry)
	}
	w.WriteHeader(a.status)
}

// challenged answers m if it is a challenge.
func (r *Receiver) challenged(ctx context.Context, w http.ResponseWriter, m *Message) (yes bool) {
	if r.opts.Challenge == nil {
		return false
	}
	var text string
	err := safely(func() error {
		text, yes = r.opts.Challenge(*m)
		return nil
	})
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		r.observe(ctx, "webhook.received", m, 0, err)
		return true
	}
	if yes {
		h := w.Header()
		h.Set("Content-Type", "text/plain; charset=utf-8")
		h.Set("X-Content-Type-Options", "nosniff")
		_, _ = io.WriteString(w, text)
	}
	return yes
}

// Shutdown refuses further messages, with 503, and waits until all handlers have
// returned. When ctx ends it ends their contexts, and returns the cause. It returns the
// mistake if the receiver was made with one.
func (r *Receiver) Shutdown(ctx context.Context) error {
	if r.wrong != nil {
		return r.wrong
	}
	ctx = background(ctx)
	r.closed.Store(true)
	err := r.room.Acquire(ctx, int64(r.opts.MaxRunning)) // when nobody has any
	if err == nil {
		r.room.Release(int64(r.opts.MaxRunning))
		return nil
	}
	r.closing.Lock()
	defer r.closing.Unlock()
	select {
	case <-r.quit:
	default:
		close(r.quit)
	}
	return context.Cause(ctx)
}
