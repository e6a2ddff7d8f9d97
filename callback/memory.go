package callback

import (
	"bytes"
	"time"

	"github.com/antiphon-go/antiphon"
)

// A record is what an answerer knows of a request under its key: the work for it,
// or what became of it, or that nobody wants it.
type record struct {
	key   jobKey
	job   *job // while it is at work
	until time.Time
	seq   uint32
	err   *antiphon.Error
	body  []byte
	// answered: the others are the answer, to be sent again until then, or for as
	// long as there is room if that is zero. Otherwise, and without a job, the
	// request was cancelled before it came.
	answered bool
}

// keep makes r remember the answer m, or only that there was one.
func (r *record) keep(m *Message, whole bool) {
	r.job, r.answered, r.until = nil, true, m.Deadline
	if !whole {
		r.err = errRepeated
		return
	}
	r.seq, r.err = m.Seq, m.Err
	r.body = append(r.body, m.Body...)
}

// answer returns the answer, to be sent again.
func (r *record) answer() *Message {
	return &Message{Kind: Reply, ID: r.key.id, To: r.key.replyTo, Seq: r.seq, Deadline: r.until, Err: r.err, Body: bytes.Clone(r.body)}
}

func (r *record) over(now time.Time) bool { return !r.until.IsZero() && !now.Before(r.until) }

// weight is about what a record weighs.
func (r *record) weight() int {
	n := 200 + 2*len(r.key.replyTo) + len(r.body)
	if r.err != nil {
		n += len(r.err.Message) + 100
	}
	return n
}

// memory are the records that nobody is at work on, in the order in which they were
// made. It is a ring that grows as needed, bounded in number and in bytes; the
// oldest are forgotten first.
type memory struct {
	in            *known
	max, maxBytes int
	bytes         int
	ring          []*record // number k is at k modulo its length
	first, next   uint64    // the numbers of the oldest and of the next
}

func (y *memory) init(in *known, n, bytes int) { y.in, y.max, y.maxBytes = in, n, bytes }

func (y *memory) put(r *record) {
	if y.next-y.first == uint64(len(y.ring)) {
		y.grow()
	}
	*y.at(y.next) = r
	y.next++
	y.bytes += r.weight()
	for y.next-y.first > uint64(y.max) || y.bytes > y.maxBytes {
		y.drop()
	}
}

func (y *memory) at(n uint64) **record { return &y.ring[n%uint64(len(y.ring))] }

// grow doubles the ring, but for the room of one more than there may be.
func (y *memory) grow() {
	old := *y
	y.ring = make([]*record, min(max(8, 2*len(old.ring)), y.max+1))
	for n := y.first; n < y.next; n++ {
		*y.at(n) = *old.at(n)
	}
}

// drop forgets the oldest.
func (y *memory) drop() {
	place := y.at(y.first)
	r := *place
	*place = nil
	y.first++
	y.bytes -= r.weight()
	y.in.forget(r)
	if y.first == y.next && len(y.ring) > 64 {
		y.ring = nil
	}
}

// expire forgets the oldest as long as their time is over.
func (y *memory) expire(now time.Time) {
	for y.first < y.next && (*y.at(y.first)).over(now) {
		y.drop()
	}
}

// known are all records by their keys.
type known struct {
	by    map[jobKey]*record
	spare []*record // to be used again
}

// find returns the record of key, unless its time is over.
func (k *known) find(key jobKey, now time.Time) *record {
	if r := k.by[key]; r != nil && (r.job != nil || !r.over(now)) {
		return r
	}
	return nil
}

// add makes a record for key, and forgets one that there may be.
func (k *known) add(key jobKey) *record {
	var r *record
	if n := len(k.spare); n > 0 {
		r, k.spare = k.spare[n-1], k.spare[:n-1]
	} else {
		r = new(record)
	}
	r.key = key
	k.by[key] = r
	return r
}

const (
	maxSpare     = 64
	maxSpareBody = 256
)

// forget takes r out, which nobody uses any more.
func (k *known) forget(r *record) {
	if k.by[r.key] == r {
		delete(k.by, r.key)
	}
	body := r.body[:0]
	if cap(body) > maxSpareBody {
		body = nil
	}
	*r = record{body: body}
	if len(k.spare) < maxSpare {
		k.spare = append(k.spare, r)
	}
}
