package poller

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/internal/response"
)

// hold waits until an operation has a version greater than after, or has ended, but for
// d at the most, and no longer than the client stays and the server accepts. It reports
// false, and does not wait, if too many are held.
func (x *exchange) hold(op *antiphon.Operation, after int64, d time.Duration) bool {
	s := x.s
	defer s.held.Add(-1)
	if s.held.Add(1) > int64(s.opts.MaxHeld) || s.life.Err() != nil {
		return false
	}
	x.patient(d)
	now, err := s.await(x.r.Context(), op.ID, after, d)
	if err == nil {
		*op = now
	}
	return true // of an error the next look tells
}

// await is Operations.Wait, for d at the most, or until Shutdown.
func (s *Server) await(ctx context.Context, id string, after int64, d time.Duration) (antiphon.Operation, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	timer := s.clock.AfterFunc(d, cancel)
	defer timer.Stop()
	defer context.AfterFunc(s.life, cancel)()
	return s.ops.Wait(ctx, id, after)
}

// patient lets the answer come as late as d from now, and be read in as long as
// http.Server.WriteTimeout says from then on.
func (x *exchange) patient(d time.Duration) {
	read := writeTime
	if server, ok := x.r.Context().Value(http.ServerContextKey).(*http.Server); ok {
		if server.WriteTimeout <= 0 {
			return // there is no limit, and it is not for us to set one
		}
		read = max(read, server.WriteTimeout)
	}
	x.writeWithin(min(d, response.Longest) + min(read, response.Longest))
}

// writeWithin lets what is written fail that is not read by d from now.
func (x *exchange) writeWithin(d time.Duration) {
	_ = http.NewResponseController(x.w).SetWriteDeadline(time.Now().Add(d)) // where that can be done
}

// writeTime is how long a client may take at least to read what it has asked for.
const writeTime = 30 * time.Second

// pace is how long to wait before looking at op again: less than what remains until it
// expires, for that is when who asks has no more time either.
func (s *Server) pace(op *antiphon.Operation) time.Duration {
	d := s.wish(op)
	if op.State.Terminal() || op.Expires.IsZero() {
		return d
	}
	return min(d, max(op.Expires.Sub(s.clock.Now())/2, 100*time.Millisecond))
}

func (s *Server) wish(op *antiphon.Operation) time.Duration {
	if op.PollAfter > 0 {
		return op.PollAfter
	}
	age := time.Duration(0)
	if !op.Created.IsZero() {
		age = max(0, s.clock.Now().Sub(op.Created))
	}
	if s.opts.PollAfter != nil {
		return max(0, s.opts.PollAfter(age))
	}
	return min(max(age/2, 500*time.Millisecond), 30*time.Second)
}

// advise says when to come again: Retry-After has whole seconds, rounded up.
func (x *exchange) advise(d time.Duration) {
	h := x.w.Header()
	h["Retry-After"] = []string{strconv.FormatInt(roundedUp(d, time.Second), 10)}
	h["Retry-After-Ms"] = []string{strconv.FormatInt(roundedUp(d, time.Millisecond), 10)}
}

func roundedUp(d, unit time.Duration) int64 {
	n := int64(d / unit)
	if d%unit > 0 {
		n++
	}
	return n
}
