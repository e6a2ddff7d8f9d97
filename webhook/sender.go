package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/benbjohnson/clock"
	"golang.org/x/sync/errgroup"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/internal/ident"
	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// SenderOptions are the policy and the limits of a [Sender]. A zero field means its
// default, nil options mean all of them. A negative field is a mistake, which NewSender
// returns.
type SenderOptions struct {
	// Queue keeps the deliveries: a backend of package queue. What it survives is what
	// accepted messages survive. Nil means memory: they end with the sender.
	Queue driver.Backend
	// Name is that of the queue. Senders of one name, in any number of processes, share
	// its deliveries, and should have the same endpoints. Empty means "webhooks".
	Name string
	// Capacity is how many deliveries may wait; Send fails with queue.ErrFull beyond
	// that. 0 means 65536, or no limit but the backend's if that cannot count.
	Capacity int
	// Schedule is when deliveries are attempted.
	Schedule Schedule
	// Concurrency is how many attempts may be under way at once. Those to endpoints that
	// did not answer last, and second and later attempts, get a quarter of it. It should
	// be more than what all endpoints that may begin to hang at once have of their own. 0
	// means 512.
	Concurrency int
	// BreakAfter is after how many failures in a row an endpoint is left alone for a
	// while: half a minute at first, and up to five; then one attempt tells whether it is
	// back. 0 means 5.
	BreakAfter int
	// DisableAfter is after how long without a success, but with failures, an endpoint
	// gets nothing any more. It is measured by this process alone. 0 means 5 days.
	DisableAfter time.Duration
	// Callbacks says how callback URLs are treated, to which [Push] sends: each host as
	// an endpoint of its own. ID, URL, Types and Ordered do not matter, and the Signer may
	// be nil. A 410 ends the one callback, and says nothing about the others of its host.
	// A host that was disabled is attempted once an hour, and gets everything again if it
	// answers; what else comes for it meanwhile is a dead letter.
	Callbacks Endpoint

	// Egress is where may be connected to.
	Egress Egress
	// Log is told of every attempt. Nil means nobody.
	Log Log
	// Observer is told of the events listed in the package comment. Nil means nobody.
	Observer antiphon.Observer
	// Clock is the source of time. Nil means the real one.
	Clock clock.Clock
}

// A Sender delivers messages to endpoints. Each delivery, of one message to one
// endpoint, is a job of a queue: it is attempted by the Schedule until it has arrived,
// and a dead letter if it does not.
//
// Concurrency: all methods may be called by any number of goroutines.
//
// Closing: Shutdown ends it. It closes no backend that was given to it.
//
// Delivery and order: at least once; every attempt has the same ID and body. Endpoints
// delay each other only as far as SenderOptions.Concurrency is used up; the order is
// kept for those that are Ordered.
//
// Zero value: none; use NewSender.
type Sender struct {
	opts   SenderOptions
	own    driver.Backend // ours to close, or nil
	caps   driver.Capabilities
	jobs   *queue.Queue[delivery, struct{}]
	client *http.Client
	links  links // of the client
	clock  clock.Clock
	ids    ident.Source

	hard  context.Context // ends when what is under way is to be given back
	hurry context.CancelFunc

	mu        sync.Mutex
	closed    bool
	running   chan struct{}        // closed when Run has returned; nil before it began
	stop      context.CancelFunc   // has Run begin no more, from then on
	endpoints map[string]*endpoint // those that were added
	callbacks map[string]*endpoint // by origin, as long as there is something to know of them
	troubled  int                  // attempts in the lane of those that may not be answered
	trouble   pacer
}

// A delivery is what is stored: one message on its way to one endpoint.
type delivery struct {
	Endpoint string      `json:"endpoint,omitempty"`
	Callback string      `json:"callback,omitempty"` // a URL, in place of the endpoint
	ID       string      `json:"id"`
	Type     string      `json:"type,omitempty"`
	Header   http.Header `json:"header,omitempty"`
	Body     []byte      `json:"body,omitempty"`
}

// acceptedAt is the field of a job's header that has the time of its Send.
const acceptedAt = "accepted-at"

var (
	// ErrNoEndpoint: there is no endpoint of this name. Of class not accepted.
	ErrNoEndpoint error = &antiphon.Error{Code: antiphon.CodeNotFound, Class: antiphon.ClassNotAccepted,
		Reason: "webhook.no_endpoint", Message: "webhook: no such endpoint", Permanent: true}
	// ErrDisabled: the endpoint gets nothing any more. Of class not accepted.
	ErrDisabled error = &antiphon.Error{Code: antiphon.CodeFailedPrecondition, Class: antiphon.ClassNotAccepted,
		Reason: "webhook.disabled", Message: "webhook: the endpoint is disabled", Permanent: true}
)

// NewSender returns a sender without endpoints. It fails with code invalid_argument if
// an option cannot be meant, and as queue.New does.
func NewSender(o *SenderOptions) (*Sender, error) {
	s := &Sender{endpoints: map[string]*endpoint{}, callbacks: map[string]*endpoint{}}
	if o != nil {
		s.opts = *o
	}
	if err := s.configure(); err != nil {
		return nil, err
	}
	backend := s.opts.Queue
	if backend == nil {
		s.own = queue.Memory(&queue.MemoryOptions{Clock: s.clock})
		backend = s.own
	}
	s.caps = backend.Capabilities()
	capacity := s.opts.Capacity
	if capacity == 0 && s.caps.Capacity {
		capacity = 1 << 16
	}
	var err error
	s.jobs, err = queue.New[delivery, struct{}](s.opts.Name, backend, &queue.Options{
		Kind:       "webhook.delivery",
		Attempts:   s.opts.Schedule.Attempts(),
		Backoff:    antiphon.Constant(0), // attempts say themselves when the next comes
		Retryable:  func(err error) bool { return !antiphon.IsPermanent(err) },
		TTL:        2 * s.opts.Schedule.span(),
		Capacity:   capacity,
		MaxPayload: maxStored,
		Poll:       time.Hour, // nobody here waits for results
		Observer:   s.heard,
		Clock:      s.clock,
	})
	if err != nil {
		if s.own != nil {
			_ = s.own.Close()
		}
		return nil, err
	}
	guard := s.opts.Egress.guard()
	s.links.of(guard.transport)
	s.client = guard.client()
	s.hard, s.hurry = context.WithCancel(context.Background())
	return s, nil
}

// Limits of what is sent.
const (
	maxBody   = 1 << 20
	maxStored = 2 << 20 // encoded, with its header
	maxID     = 256
)

func (s *Sender) configure() error {
	o := &s.opts
	switch {
	case o.Capacity < 0:
		return misuse("options", "SenderOptions.Capacity is negative")
	case o.Concurrency < 0:
		return misuse("options", "SenderOptions.Concurrency is negative")
	case o.BreakAfter < 0:
		return misuse("options", "SenderOptions.BreakAfter is negative")
	case o.DisableAfter < 0:
		return misuse("options", "SenderOptions.DisableAfter is negative")
	case slices.ContainsFunc(o.Schedule.Delays, func(d time.Duration) bool { return d < 0 }):
		return misuse("options", "Schedule.Delays has a negative delay")
	}
	if o.Name == "" {
		o.Name = "webhooks"
	}
	if o.Concurrency == 0 {
		o.Concurrency = 512
	}
	if o.BreakAfter == 0 {
		o.BreakAfter = 5
	}
	if o.DisableAfter == 0 {
		o.DisableAfter = 5 * 24 * time.Hour
	}
	if o.Clock == nil {
		o.Clock = clock.New()
	}
	s.clock = o.Clock
	return s.configureCallbacks()
}

// Add adds an endpoint: messages that are sent from now on go to it, and those that
// wait for it. It fails with code invalid_argument, and says what to change, if the
// endpoint cannot be meant, and with already_exists if there is one of the same ID.
func (s *Sender) Add(e Endpoint) error {
	if err := e.configure(&s.opts.Egress); err != nil {
		return err
	}
	if e.Ordered && !s.caps.Groups {
		return e.wrong("is Ordered, and the backend %s keeps no order: %w", s.caps.Name, errors.ErrUnsupported)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.endpoints[e.ID] != nil {
		return &antiphon.Error{Code: antiphon.CodeAlreadyExists, Class: antiphon.ClassNotAccepted, Reason: "webhook.endpoint_exists",
			Message: fmt.Sprintf("webhook: there is an endpoint %q already: Remove it first", e.ID), Permanent: true}
	}
	s.endpoints[e.ID] = newEndpoint(e)
	return nil
}

// Remove takes an endpoint away, and reports whether there was one. What waits for it
// goes on waiting, for one of the same ID to be added, until it is given up; so does what
// is under way to it, if it fails.
func (s *Sender) Remove(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, there := s.endpoints[id]
	delete(s.endpoints, id)
	return there
}

// Endpoints returns the endpoints there are, by ID, with their defaults filled in.
func (s *Sender) Endpoints() []Endpoint {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Endpoint, 0, len(s.endpoints))
	for _, e := range s.endpoints {
		c := e.Endpoint
		c.Types, c.Header = slices.Clone(c.Types), c.Header.Clone()
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b Endpoint) int { return strings.Compare(a.ID, b.ID) })
	return all
}

// Send accepts a message for m.Endpoint or, if that is empty, for all endpoints that
// want its Type and are not disabled. When it has returned nil, each will get it, or a
// dead letter tells that it did not; it is attempted as soon as Run runs. Nobody who
// wants it is no error.
//
// If Send fails for some of many endpoints it has been accepted for the others. With an
// ID of its own a message can be sent again: for a day, and longer while it is on its
// way, endpoints for which it was accepted do not get it twice, and the same ID with
// another body fails with queue.ErrKeyReused. Without an ID it gets one.
//
// What antiphon.TraceFrom gives goes along as traceparent and tracestate, unless m.Header
// or the endpoint's has a traceparent, or the endpoint is Untraced.
//
// Of m.Header, fields that are the sender's or the transport's are left out. ID, Type,
// Endpoint, Header and Body of m matter, and are not to be changed any more.
//
// It fails with [ErrNoEndpoint], [ErrDisabled], queue.ErrFull, queue.ErrClosed, with
// antiphon.ErrTooLarge over 1 MiB of body, with code invalid_argument, or as the
// backend does.
func (s *Sender) Send(ctx context.Context, m Message) error {
	d, err := s.toSend(m)
	if err != nil {
		return err
	}
	to, err := s.recipients(m.Endpoint, m.Type)
	if err != nil {
		return err
	}
	return s.each(ctx, to, func(ctx context.Context, e Endpoint) error {
		d := d
		d.Endpoint = e.ID
		return s.submit(ctx, d)
	})
}

// toSend is m as it is stored, but for where it goes.
func (s *Sender) toSend(m Message) (delivery, error) {
	switch {
	case len(m.Body) > maxBody:
		return delivery{}, antiphon.Errorf(antiphon.CodeResourceExhausted, "webhook: a body of %d bytes, of at most %d: %w", len(m.Body), maxBody, antiphon.ErrTooLarge)
	case len(m.ID) > maxID || len(m.Type) > maxID:
		return delivery{}, misuse("message", "a message's ID and Type have at most 256 bytes")
	}
	if strings.ContainsFunc(m.ID+m.Type, unicode.IsControl) { // they may become fields of the header
		return delivery{}, misuse("message", "a message's ID or Type has control characters")
	}
	d := delivery{ID: m.ID, Type: m.Type, Body: m.Body}
	for name, values := range m.Header {
		if !reserved(name) {
			if d.Header == nil {
				d.Header = make(http.Header, len(m.Header))
			}
			d.Header[http.CanonicalHeaderKey(name)] = values
		}
	}
	if d.ID == "" {
		d.ID = "msg_" + s.ids.Next()
	}
	return d, checkHeader(d.Header)
}

// recipients are those who get a message.
func (s *Sender) recipients(id, typ string) ([]Endpoint, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, queue.ErrClosed
	}
	if id != "" {
		e := s.endpoints[id]
		switch {
		case e == nil:
			return nil, ErrNoEndpoint
		case e.disabled != nil:
			return nil, ErrDisabled
		}
		return []Endpoint{e.Endpoint}, nil
	}
	var to []Endpoint
	for _, e := range s.endpoints {
		if e.disabled == nil && e.wants(typ) {
			to = append(to, e.Endpoint)
		}
	}
	return to, nil
}

// each calls f for each of to: some at once where a store takes its time.
func (s *Sender) each(ctx context.Context, to []Endpoint, f func(context.Context, Endpoint) error) error {
	ctx = background(ctx)
	if s.own != nil || len(to) < 2 {
		var errs []error
		for _, e := range to {
			errs = append(errs, f(ctx, e))
		}
		return errors.Join(errs...)
	}
	var g errgroup.Group
	g.SetLimit(32)
	errs := make([]error, len(to))
	for i, e := range to {
		g.Go(func() error { errs[i] = f(ctx, e); return nil })
	}
	_ = g.Wait()
	return errors.Join(errs...)
}

// submit makes d a job.
func (s *Sender) submit(ctx context.Context, d delivery) error {
	o := s.jobOptions(d)
	_, err := s.jobs.Submit(ctx, d, &o)
	return err
}

// jobOptions are those of a delivery that is accepted now.
func (s *Sender) jobOptions(d delivery) queue.SubmitOptions {
	o := queue.SubmitOptions{Header: map[string]string{acceptedAt: strconv.FormatInt(s.clock.Now().UnixNano(), 10)}}
	o.Delay, _ = s.opts.Schedule.Next(0, 0)
	if s.caps.Keys {
		o.Key = strconv.Itoa(len(d.Endpoint)) + " " + d.Endpoint + " " + d.ID // both may have blanks
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.endpoints[d.Endpoint]; e != nil && e.Ordered {
		o.Group = e.ID
	}
	return o
}

// heard turns what the queue tells into events of ours.
func (s *Sender) heard(e antiphon.Event) {
	switch e.Name {
	case "queue.take_failed", "queue.extend_failed", "queue.settle_failed", "queue.unsettled", "queue.late", "queue.lease_lost":
		s.observe(antiphon.Event{Name: "webhook.store_failed", Context: e.Context, Attempt: e.Attempt, Err: e.Err})
	case "queue.dead":
		if errors.Is(e.Err, queue.ErrLost) { // nobody here has seen it
			s.observe(antiphon.Event{Name: "webhook.dead", Context: e.Context, ID: e.ID, Attempt: e.Attempt, Err: e.Err})
		}
	}
}

func (s *Sender) observe(e antiphon.Event) { s.opts.Observer.Emit(e) }
