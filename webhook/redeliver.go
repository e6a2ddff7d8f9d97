package webhook

import (
	"context"
	"iter"
	"slices"
	"strconv"
	"time"

	"github.com/antiphon-go/antiphon"
)

// A DeadLetter is a delivery that was given up. It is kept until it is redelivered or
// purged, as the store of the sender keeps such.
type DeadLetter struct {
	// Message is what was to be delivered; its Endpoint is where to, or empty for a
	// callback.
	Message Message
	// Accepted is when Send accepted it, and Ended when it was given up.
	Accepted, Ended time.Time
	// Attempts is how often it was attempted.
	Attempts int
	// Err is why it was given up.
	Err error

	job   string
	sent  delivery
	trace map[string]string
}

// Dead yields the dead letters there are, the oldest first. An error is the last: what
// ended ctx, that of the store, or errors.ErrUnsupported.
func (s *Sender) Dead(ctx context.Context) iter.Seq2[DeadLetter, error] {
	return func(yield func(DeadLetter, error) bool) {
		for l, err := range s.jobs.Dead(background(ctx)) {
			if err == nil && l.Unreadable != nil {
				continue // not ours to judge
			}
			d := DeadLetter{job: l.ID, sent: l.Request, trace: l.Header, Ended: l.Ended, Attempts: l.Attempt}
			d.Message = Message{ID: l.Request.ID, Type: l.Request.Type, Endpoint: l.Request.Endpoint, Header: l.Request.Header, Body: l.Request.Body}
			if n, err := strconv.ParseInt(l.Header[acceptedAt], 10, 64); err == nil {
				d.Accepted = time.Unix(0, n)
			}
			if l.Err != nil {
				d.Err = l.Err
			}
			if !yield(d, err) {
				return
			}
		}
	}
}

// Redeliver makes dead letters deliveries again, with all attempts before them, and
// returns how many: those of the message of this ID, to these endpoints, or to all if
// none are named. Those to endpoints that are not there, or disabled, stay what they are.
// What has arrived is not kept, and not delivered again. A delivery stays one of the trace
// that its message was sent in.
func (s *Sender) Redeliver(ctx context.Context, id string, endpoints ...string) (int, error) {
	return s.redeliver(ctx, endpoints, func(d *DeadLetter) bool { return d.Message.ID == id })
}

// Recover is as Redeliver, for all messages that were accepted at or after since.
func (s *Sender) Recover(ctx context.Context, since time.Time, endpoints ...string) (int, error) {
	return s.redeliver(ctx, endpoints, func(d *DeadLetter) bool { return !d.Accepted.Before(since) })
}

func (s *Sender) redeliver(ctx context.Context, endpoints []string, wanted func(*DeadLetter) bool) (n int, err error) {
	var again []DeadLetter
	for d, err := range s.Dead(ctx) {
		if err != nil {
			return 0, err
		}
		if wanted(&d) && s.takes(&d.sent) && (len(endpoints) == 0 || slices.Contains(endpoints, d.Message.Endpoint)) {
			again = append(again, d)
		}
	}
	for _, d := range again {
		if err := s.again(ctx, &d); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// again submits d anew and then forgets the dead letter: the other way round, it might
// be lost. If that is done twice at once, or is interrupted in between, it is still one.
func (s *Sender) again(ctx context.Context, d *DeadLetter) error {
	ctx = antiphon.WithTrace(background(ctx), d.trace)
	o := s.jobOptions(d.sent)
	o.Key = "" // that of the dead letter
	if s.caps.Uniques {
		o.Unique = "again " + d.job
	}
	if _, err := s.jobs.Submit(ctx, d.sent, &o); err != nil {
		return err
	}
	_, err := s.jobs.Purge(ctx, d.job)
	return err
}

// takes reports whether the endpoint of d is there and gets something.
func (s *Sender) takes(d *delivery) bool {
	if d.Callback != "" {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.endpoints[d.Endpoint]
	return e != nil && e.disabled == nil
}
