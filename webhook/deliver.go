package webhook

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue"
)

// unknownWait is how long a delivery waits for its endpoint to be added.
const unknownWait = 15 * time.Second

// deliver is the work of the queue: it attempts a delivery, or puts it off. The error
// says when the next attempt comes.
func (s *Sender) deliver(ctx context.Context, d delivery) (struct{}, error) {
	info := antiphon.InfoFrom(ctx)
	now := s.clock.Now()
	accepted := now
	if n, err := strconv.ParseInt(info.Header[acceptedAt], 10, 64); err == nil {
		accepted = time.Unix(0, n)
	}
	a := Attempt{Message: d.ID, Endpoint: d.Endpoint, Type: d.Type, Number: info.Attempt, Begun: now}
	e, in, err := s.enter(&d, &a)
	switch {
	case err != nil:
		s.tellDead(ctx, &a, err)
		return struct{}{}, queue.Bury(err)
	case in.wait > 0 && now.Sub(accepted) > s.opts.Schedule.span():
		err = &antiphon.Error{Code: antiphon.CodeUnavailable, Class: antiphon.ClassNotAccepted, Reason: "webhook.left_alone",
			Message: "webhook: its time is over, and the endpoint is not there or was left alone", Permanent: true}
		s.tellDead(ctx, &a, err)
		return struct{}{}, queue.Bury(err)
	case in.wait > 0:
		return struct{}{}, queue.Snooze(in.wait)
	}
	return struct{}{}, s.try(ctx, e, in, &d, &a, accepted)
}

// enter finds the endpoint of d and has it admitted. It is nil if there is none. An
// error is why d is given up.
func (s *Sender) enter(d *delivery, a *Attempt) (*endpoint, admission, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.endpoints[d.Endpoint]
	if d.Callback != "" {
		e = s.callback(d.Callback)
		a.Endpoint = e.key
	}
	switch {
	case e == nil:
		return nil, admission{wait: unknownWait}, nil
	case e.disabled != nil && e.key != "" && !a.Begun.Before(e.until):
		e.disabled = nil // until the one attempt that comes fails, as nobody can add it anew
	case e.disabled != nil:
		return nil, admission{}, antiphon.Errorf(antiphon.CodeFailedPrecondition, "%w: %w", ErrDisabled, e.disabled)
	}
	in := s.admit(e, a.Number, a.Begun)
	return e, in, nil
}

// try makes the attempt, and says what becomes of the delivery.
func (s *Sender) try(ctx context.Context, e *endpoint, in admission, d *delivery, a *Attempt, accepted time.Time) error {
	within, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.hard, cancel)()
	returned := false
	defer func() {
		if !returned { // a Signer called runtime.Goexit
			s.leave(e, in)
		}
	}()
	retryAfter, asked := s.attempt(within, &e.Endpoint, d, a)
	returned = true
	now := s.clock.Now()
	a.Duration = now.Sub(a.Begun)
	if a.Err != nil && within.Err() != nil && a.Status == 0 { // we were stopped, or lost the job
		s.leave(e, in)
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		return queue.Snooze(0)
	}
	s.mu.Lock()
	gone := a.Status == http.StatusGone && !s.removed(e)
	delay, more := s.opts.Schedule.Next(a.Number, retryAfter)
	if a.Err != nil && more && !gone && !antiphon.IsPermanent(a.Err) {
		a.Next = now.Add(delay)
	}
	hold := time.Duration(0)
	if retryAfter > 0 && (a.Status == http.StatusTooManyRequests || a.Status == http.StatusServiceUnavailable) {
		hold = s.opts.Schedule.heeded(retryAfter)
	}
	var tell []antiphon.Event
	if asked {
		tell = s.settle(e, in, a.Err, gone, a.Duration, hold, now)
	} else {
		s.release(e, in)
	}
	s.mu.Unlock()

	s.log(ctx, a)
	s.observe(antiphon.Event{Name: "webhook.attempt", Context: ctx, Kind: a.Endpoint, ID: a.Message, Attempt: a.Number, Duration: a.Duration, Err: a.Err})
	for _, event := range tell {
		event.Context = ctx
		s.observe(event)
	}
	switch {
	case a.Err == nil:
		s.observe(antiphon.Event{Name: "webhook.delivered", Context: ctx, Kind: a.Endpoint, ID: a.Message, Attempt: a.Number, Duration: now.Sub(accepted)})
		return nil
	case a.Next.IsZero():
		s.tellDead(ctx, a, a.Err)
		return queue.Bury(a.Err)
	}
	return antiphon.RetryAfter(a.Err, delay)
}

// leave takes back an admission.
func (s *Sender) leave(e *endpoint, in admission) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.release(e, in)
}

func (s *Sender) tellDead(ctx context.Context, a *Attempt, err error) {
	s.observe(antiphon.Event{Name: "webhook.dead", Context: ctx, Kind: a.Endpoint, ID: a.Message, Attempt: a.Number, Err: err})
}
