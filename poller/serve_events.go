package poller

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/antiphon-go/antiphon"
)

// events streams the statuses of an operation as server-sent events, until it has ended:
// GET operations/{id}/events, and where the status is asked for as text/event-stream.
// Each event is the latest status there is by then: one that nobody reads in time is
// overtaken.
func (x *exchange) events() {
	op, ok := x.look()
	if !ok {
		return
	}
	x.w.Header()["Vary"] = append(x.w.Header()["Vary"], "Accept")
	seen := x.lastEvent(&op)
	if op.State.Terminal() && op.Version <= seen {
		x.w.Header()["Cache-Control"] = noStore
		x.write(http.StatusNoContent, nil, nil) // with which an EventSource is content
		return
	}
	defer x.s.held.Add(-1)
	if x.s.held.Add(1) > int64(x.s.opts.MaxHeld) || x.r.Method == http.MethodHead || !flushes(x.w) {
		x.status(http.StatusOK, &op)
		return
	}
	x.stream(&op, seen)
}

// stream sends what is newer than seen.
func (x *exchange) stream(op *antiphon.Operation, seen int64) {
	h, out := x.w.Header(), http.NewResponseController(x.w)
	h["Content-Type"] = []string{"text/event-stream"}
	h["Cache-Control"] = noStore
	h["X-Accel-Buffering"] = []string{"no"} // of nginx
	x.began = true
	x.w.WriteHeader(http.StatusOK)
	buf := append(make([]byte, 0, 1024), "retry: "...)
	buf = append(strconv.AppendInt(buf, roundedUp(x.s.pace(op), time.Millisecond), 10), "\n\n"...)
	for {
		if op.Version > seen {
			seen = op.Version
			var err error
			if buf, err = x.s.appendEvent(buf, op); err != nil {
				return
			}
		} else if len(buf) == 0 {
			buf = append(buf, ":\n\n"...)
		}
		x.writeWithin(writeTime)
		if _, err := x.w.Write(buf); err != nil || out.Flush() != nil {
			return
		}
		buf = buf[:0]
		if op.State.Terminal() || x.s.life.Err() != nil || x.r.Context().Err() != nil {
			return
		}
		now, err := x.s.await(x.r.Context(), op.ID, seen, x.s.opts.Heartbeat)
		if err != nil {
			return // what it is, the client learns when it comes again
		}
		*op = now
	}
}

func (s *Server) appendEvent(buf []byte, op *antiphon.Operation) ([]byte, error) {
	document, err := s.document(op)
	if err != nil {
		return buf, err
	}
	buf = append(buf, "event: status\nid: "...)
	buf = strconv.AppendInt(buf, op.Version, 10)
	buf = append(append(buf, "\ndata: "...), document...) // which has no line breaks
	return append(buf, "\n\n"...), nil
}

// lastEvent is the version that the client has seen, or 0. One that is still to come is
// none.
func (x *exchange) lastEvent(op *antiphon.Operation) int64 {
	seen, err := strconv.ParseInt(x.r.Header.Get("Last-Event-Id"), 10, 64)
	if err != nil || seen < 0 || seen > op.Version {
		return 0
	}
	return seen
}

// wantsEvents reports whether the client prefers events to JSON, and names them.
func (x *exchange) wantsEvents() bool {
	events, plain := -1.0, 0.0
	for _, line := range x.r.Header["Accept"] {
		for len(line) > 0 {
			var one string
			one, line = cutListed(line)
			media, params, _ := strings.Cut(one, ";")
			switch media = strings.Trim(media, " \t"); {
			case strings.EqualFold(media, "text/event-stream"):
				events = quality(params)
			case strings.EqualFold(media, "application/json"):
				plain = quality(params)
			}
		}
	}
	return events > 0 && events >= plain
}

// quality is the q among parameters: 1 if there is none, and 0 if it cannot be meant.
func quality(params string) float64 {
	for one := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(one, "=")
		if strings.EqualFold(strings.Trim(name, " \t"), "q") {
			q, err := strconv.ParseFloat(strings.Trim(value, " \t"), 64)
			if err != nil || !(q >= 0 && q <= 1) {
				return 0
			}
			return q
		}
	}
	return 1
}

// flushes reports whether what is written to w can be sent at once.
func flushes(w http.ResponseWriter) bool {
	for {
		switch v := w.(type) {
		case interface{ FlushError() error }, http.Flusher:
			return true
		case interface{ Unwrap() http.ResponseWriter }:
			w = v.Unwrap()
		default:
			return false
		}
	}
}
