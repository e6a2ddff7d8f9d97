package queue

import (
	"slices"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/internal/alarm"
	"github.com/antiphon-go/antiphon/queue/driver"
)

type moment = alarm.Moment

const never = alarm.Never

func span(m moment) time.Duration { return time.Duration(m) }

// A phase is where in a store a record is.
type phase uint8

const (
	free    phase = iota // in no queue: a spare record
	delayed              // in times
	blocked              // behind others of its group
	ready                // in its level, and in times if it expires
	leased               // in times
	kept                 // ended
	dead                 // ended as a dead letter
)

// A record is a job in a store. What few jobs have is in more, so that a million
// that wait weigh little.
type record struct {
	id       string
	lot      *lot
	payload  []byte
	header   map[string]string
	more     *recordMore // nil if there is nothing in it
	next     *record     // in its level, or list
	prev     *record
	chain    *record // in the index of ids
	sooner   *record // in times
	later    *record
	seq      uint64 // counts what was put
	created  moment
	updated  moment
	ready    moment // since when it is, or when it will be; of a leased one, when the lease ends
	expires  moment // or never; of an ended one, when it is forgotten
	version  int64
	place    int32 // in times: of a heap, from 1; of a list, below 0; else 0
	fence    uint32
	priority int32
	attempt  int32
	phase    phase
	final    final
	cancel   bool
	settled  bool // the lease of fence was ended by its holder
	answered bool // payload is the result: of those that ended well most have nothing else
}

func (r *record) name() string   { return r.id }
func (r *record) link() **record { return &r.chain }

// A lot is what many jobs have in common.
type lot struct {
	kind string
	keep time.Duration
}

// lotOf returns the lot of e: mostly that of the job before.
func (s *store) lotOf(e *driver.Envelope) *lot {
	if l := s.lot; l != nil && l.kind == e.Kind && l.keep == e.Keep {
		return l
	}
	s.lot = &lot{e.Kind, e.Keep}
	return s.lot
}

type recordMore struct {
	key, unique, group string
	uniqueUntil        moment
	behind, before     *record // in its group
	checkpoint         []byte
	percent            float64
	message            string
	data               []byte
	result             []byte
	contentType        string
	err                *antiphon.Error
}

// A final is how a record ended, in a byte.
type final uint8

var finals = [...]antiphon.State{
	antiphon.StateFailed, antiphon.StateSucceeded, antiphon.StateCanceled, antiphon.StateExpired,
}

func finalOf(s antiphon.State) final { return final(max(slices.Index(finals[:], s), 0)) }

// extra is r.more to be written to.
func (r *record) extra() *recordMore {
	if r.more == nil {
		r.more = &recordMore{}
	}
	return r.more
}

func (r *record) ended() bool { return r.phase == kept || r.phase == dead }

func (r *record) state() antiphon.State {
	switch r.phase {
	case leased:
		return antiphon.StateRunning
	case kept, dead:
		return finals[r.final]
	}
	return antiphon.StateQueued
}

// handOut is r as its taker gets it.
func (r *record) handOut(now moment) driver.Leased {
	l := driver.Leased{
		Lease:           driver.Lease{ID: r.id, Fence: int64(r.fence)},
		Kind:            r.lot.kind,
		Payload:         r.payload,
		Header:          r.header,
		Priority:        int(r.priority),
		Attempt:         int(r.attempt),
		Age:             span(now - r.created),
		CancelRequested: r.cancel,
	}
	if r.expires != never {
		l.Left = max(span(r.expires-now), 1)
	}
	if m := r.more; m != nil {
		l.Key, l.Group, l.Checkpoint = m.key, m.group, m.checkpoint
	}
	return l
}

// show is what is known of r.
func (s *store) show(r *record, payload bool) driver.Record {
	d := driver.Record{
		Operation: antiphon.Operation{
			ID:              r.id,
			Kind:            s.name,
			State:           r.state(),
			CancelRequested: r.cancel,
			Attempt:         int(r.attempt),
			Version:         r.version,
			Created:         s.alarm.Time(r.created),
			Updated:         s.alarm.Time(r.updated),
		},
		Header:   r.header,
		Priority: int(r.priority),
	}
	if r.lot.kind != "" {
		d.Kind = r.lot.kind
	}
	switch {
	case r.answered:
		d.Result = r.payload
	case payload:
		d.Payload = r.payload
	}
	if r.ended() {
		d.Ended = d.Updated
	}
	if r.expires != never {
		d.Expires = s.alarm.Time(r.expires)
	}
	if m := r.more; m != nil {
		d.Key, d.Unique, d.Group = m.key, m.unique, m.group
		d.Percent, d.Message, d.Data = m.percent, m.message, m.data
		d.Result, d.ContentType, d.Err = m.result, m.contentType, m.err
	}
	return d
}

// changed notes that r has another version now, and tells who watches.
func (s *store) changed(r *record, now moment) {
	r.version++
	r.updated = now
	if len(s.watch) > 0 {
		s.tell(driver.Change{ID: r.id, State: r.state(), CancelRequested: r.cancel})
	}
}

func (s *store) tell(c driver.Change) {
	for _, w := range s.watch {
		w.tell(c)
	}
}

// A list is of records, linked by next and prev.
type list struct {
	head, tail *record
	n          int
}

func (l *list) push(r *record) {
	r.prev, r.next = l.tail, nil
	if l.tail != nil {
		l.tail.next = r
	} else {
		l.head = r
	}
	l.tail = r
	l.n++
}

func (l *list) pushFront(r *record) {
	r.prev, r.next = nil, l.head
	if l.head != nil {
		l.head.prev = r
	} else {
		l.tail = r
	}
	l.head = r
	l.n++
}

func (l *list) remove(r *record) {
	if r.prev != nil {
		r.prev.next = r.next
	} else {
		l.head = r.next
	}
	if r.next != nil {
		r.next.prev = r.prev
	} else {
		l.tail = r.prev
	}
	r.prev, r.next = nil, nil
	l.n--
}

func (l *list) pop() *record {
	r := l.head
	if r != nil {
		l.remove(r)
	}
	return r
}
