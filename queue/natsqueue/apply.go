package natsqueue

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/antiphon-go/antiphon"
)

// receive applies a message.
func (q *replica) receive(m jetstream.Msg) {
	meta, err := m.Metadata()
	if err != nil {
		return
	}
	seq, at := meta.Sequence.Stream, meta.Timestamp.UnixNano()
	q.b.hears(at)
	subject := m.Subject()
	kind, name, _ := strings.Cut(strings.TrimPrefix(subject, q.prefix), ".")
	var r *record
	var h hold
	var why error
	switch kind {
	case "j":
		if id := untoken(name); id == "" {
			why = unreadError(antiphon.CodeDataLoss, "%s names no job", subject)
		} else {
			r, why = read(id, m.Data(), seq, at)
		}
	case "u":
		if len(m.Data()) > 0 && json.Unmarshal(m.Data(), &h) != nil {
			why = unreadError(antiphon.CodeDataLoss, "%s is no unique name", subject)
		}
	case "c", "k", "g":
	default:
		why = unreadError(antiphon.CodeDataLoss, "%s is of a kind that there is not", subject)
	}
	q.goesOn()
	if !q.take(subject, kind, seq, at, r, m.Data(), h) || why == nil {
		return
	}
	id := ""
	if r != nil {
		id = r.ID
	}
	q.observe(antiphon.Event{Name: "nats.unread", ID: id, Err: why})
}

// take takes in what was received, unless it is known.
func (q *replica) take(subject, kind string, seq uint64, at int64, r *record, data []byte, h hold) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.b.now()
	switch {
	case seq <= q.applied:
		return false
	case r != nil:
		q.apply(r, now)
	case kind == "c":
		q.paused = string(data) == "paused"
		q.gates[subject] = gate{seq, 1<<63 - 1}
	default:
		until := after(at, int64(gateTTL))
		if h.ID != "" {
			h.until = after(at, h.For)
			q.holds[string(h.Name)] = h
			until = max(until, h.until)
		}
		q.gates[subject] = gate{seq, after(until, int64(time.Minute))}
	}
	q.applied = seq
	close(q.arrived)
	q.arrived = make(chan struct{})
	q.tellNews()
	return true
}

// tellNews wakes all who wait for anything. The caller holds the lock, as of all that
// follows.
func (q *replica) tellNews() {
	close(q.news)
	q.news = make(chan struct{})
}

// small is how many bytes of a job that has ended are kept in memory.
const small = 1 << 10

// apply takes r in as what its job is now.
func (q *replica) apply(r *record, now int64) {
	if (r.Phase == ended || r.Phase == dead) && len(r.Payload)+len(r.Result)+len(r.Data) > small {
		r.Payload, r.Result, r.Data, r.bare = nil, nil, nil, true
		r.Sum, r.Checkpoint = bytes.Clone(r.Sum), nil // what is left of the message would keep all of it
	}
	delete(q.gates, q.b.subject(q.name, "j", r.ID))
	j := q.jobs[r.ID]
	switch {
	case j == nil && r.Phase == gone:
		q.gates[q.b.subject(q.name, "j", r.ID)] = gate{r.rev, after(now, int64(2*gateTTL))}
		return
	case j == nil:
		j = &job{}
		q.jobs[r.ID] = j
	}
	var g *group
	if j.record != nil { // its names, and its place in a group, may be others
		q.lift(j)
		q.unname(j)
		g = q.leaveGroup(j)
	}
	j.record = r
	q.place(j, now)
	if g != j.group || g != nil && g.jobs[0] != j {
		q.goOn(g, now)
	}
	if r.Phase != gone {
		q.tell(r.change())
	} else {
		q.gates[q.b.subject(q.name, "j", r.ID)] = gate{r.rev, after(now, int64(2*gateTTL))}
	}
}
