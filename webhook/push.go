package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"

	"github.com/antiphon-go/antiphon"
)

// OperationContentType is the media type of a body that is an antiphon.Operation in its
// JSON form.
const OperationContentType = "application/vnd.antiphon.operation+json"

// PushToHeader is the field of a job's header that has the URL which its outcome is pushed
// to. A poller.Server that has it among its ServerOptions.Headers takes that URL from
// whoever starts an operation by HTTP, who can then wait for the push and poll as well.
const PushToHeader = "webhook-push-to"

// PushTo returns the header of a job (queue.SubmitOptions.Header) whose outcome [Push]
// sends to url: that of an [Inbox], say.
func PushTo(url string) map[string]string { return map[string]string{PushToHeader: url} }

// Push returns a queue.Options.Ending that has s push how a job ended to the URL that
// the job carries; see [PushTo]. Jobs without one end as they would.
//
// The push is accepted by s before the job is settled: it is lost only with what s keeps
// its deliveries in. It comes at least once, under the same ID. Its body is the
// antiphon.Operation, of the type "operation." and the state in lower case.
//
// URLs are chosen by others. One that s.Egress does not permit gets nothing, and an event
// webhook.dead tells of it; so does a message that is too large.
func Push(s *Sender) func(context.Context, antiphon.Operation) error {
	return func(ctx context.Context, op antiphon.Operation) error {
		to := op.Metadata[PushToHeader]
		if to == "" {
			return nil
		}
		d, err := callbackDelivery(&s.opts.Egress, to, op)
		if err == nil {
			if err = s.submit(background(ctx), d); !errors.Is(err, antiphon.ErrTooLarge) {
				return err
			}
		}
		s.observe(antiphon.Event{Name: "webhook.dead", Context: ctx, Kind: origin(to), ID: d.ID, Err: err})
		return nil // doing the work again would not mend it
	}
}

func callbackDelivery(g *Egress, to string, op antiphon.Operation) (delivery, error) {
	d := delivery{
		Callback: to,
		ID:       "op_" + op.ID,
		Type:     "operation." + string(op.State),
		Header:   http.Header{"Content-Type": {OperationContentType}},
	}
	if err := g.CheckURL(to); err != nil {
		return d, err
	}
	others := make(map[string]string, len(op.Metadata))
	for k, v := range op.Metadata {
		if k != PushToHeader { // who has that URL may answer
			others[k] = v
		}
	}
	op.Metadata = others
	var err error
	if d.Body, err = json.Marshal(op); err != nil {
		return d, antiphon.Errorf(antiphon.CodeInvalidArgument, "webhook: an operation that cannot be encoded: %w", err)
	}
	if len(d.Body) > maxBody {
		return d, antiphon.ErrTooLarge
	}
	return d, nil
}

// origin is a URL without all that may be secret.
func origin(u string) string {
	p, err := url.Parse(u)
	if err != nil {
		return ""
	}
	return p.Scheme + "://" + p.Host
}

// configureCallbacks fills in SenderOptions.Callbacks.
func (s *Sender) configureCallbacks() error {
	c := &s.opts.Callbacks
	signer := c.Signer
	c.ID, c.URL, c.Types, c.Ordered = "callbacks", "https://callback.invalid", nil, false
	if signer == nil {
		c.Signer = unsigned{}
	}
	if err := c.configure(&Egress{}); err != nil {
		return err
	}
	c.Signer = signer
	return nil
}

// unsigned passes for a Signer where none is needed.
type unsigned struct{}

func (unsigned) Sign(context.Context, *Request, Message) error { return nil }

// maxCallbacks is how many origins of callbacks something is known of at once.
const maxCallbacks = 4096

// callback returns the endpoint that the callback to u counts as: that of its origin. It
// is known as long as there is room, so that a host which answers well keeps what it may
// have at once also when there is nothing for it for a moment. The caller holds the lock.
func (s *Sender) callback(u string) *endpoint {
	key := origin(u)
	e := s.callbacks[key]
	if e != nil {
		return e
	}
	if len(s.callbacks) >= maxCallbacks {
		s.forget()
	}
	e = newEndpoint(s.opts.Callbacks)
	e.ID, e.key = key, key
	s.callbacks[key] = e
	return e
}

// forget drops an origin that is not in use: of the few that it looks at, one that does
// not fail. The caller holds the lock.
func (s *Sender) forget() {
	looked, one := 0, ""
	for key, e := range s.callbacks {
		if looked++; e.busy == 0 {
			one = key
		}
		if one == key && e.failures == 0 || looked >= 16 && one != "" {
			break
		}
	}
	delete(s.callbacks, one)
}
