package callback

import (
	"bytes"
	"time"

	"github.com/antiphon-go/antiphon"
)

// memory is what an answerer remembers of requests that may come again: their
// answers, or that nobody wants one, until their deadlines. It is a ring that grows
// as needed, bounded in number and in bytes; the oldest are forgotten first.
type memory struct {
	max, maxBytes int
	bytes         int
	number        map[jobKey]uint64 // of an entry, counted from the first ever
	ring          []kept            // entry k is at k modulo its length
	first, next   uint64            // the numbers of the oldest and of the next
}

// kept is what became of one request.
type kept struct {
	key   jobKey
	until time.Time // zero for as long as there is room
	seq   uint32
	err   *antiphon.Error
	body  []byte
}

func (y *memory) init(n, bytes int) {
	y.max, y.maxBytes = n, bytes
	y.number = map[jobKey]uint64{}
}

// weight is about what an entry weighs.
func (k *kept) weight() int {
	n := 200 + 2*len(k.key.replyTo) + len(k.body)
	if k.err != nil {
		n += len(k.err.Message) + 100
	}
	return n
}

// keep remembers the answer m to the request of key, or only that there was one.
func (y *memory) keep(key jobKey, m *Message, stream bool) {
	k := kept{key: key, until: m.Deadline, err: errRepeated}
	if !stream && len(m.Body) <= y.maxBytes/4 {
		k.seq, k.err, k.body = m.Seq, m.Err, bytes.Clone(m.Body)
	}
	y.put(k)
}

func (y *memory) put(k kept) {
	if n, ok := y.number[k.key]; ok {
		old := y.at(n)
		y.bytes += k.weight() - old.weight()
		*old = k
	} else {
		if y.next-y.first == uint64(len(y.ring)) {
			y.grow()
		}
		y.number[k.key] = y.next
		*y.at(y.next) = k
		y.next++
		y.bytes += k.weight()
	}
	for y.next-y.first > uint64(y.max) || y.bytes > y.maxBytes {
		y.drop()
	}
}

func (y *memory) at(n uint64) *kept { return &y.ring[n%uint64(len(y.ring))] }

// grow doubles the ring, but for the room of one more than there may be.
func (y *memory) grow() {
	old := *y
	y.ring = make([]kept, min(max(8, 2*len(old.ring)), y.max+1))
	for n := y.first; n < y.next; n++ {
		*y.at(n) = *old.at(n)
	}
}

// drop forgets the oldest.
func (y *memory) drop() {
	k := y.at(y.first)
	y.bytes -= k.weight()
	delete(y.number, k.key)
	*k = kept{}
	y.first++
	if y.first == y.next && len(y.ring) > 64 {
		y.ring = nil
	}
}

// expire forgets the oldest as long as their time is over.
func (y *memory) expire(now time.Time) {
	for y.first < y.next {
		if k := y.at(y.first); k.until.IsZero() || now.Before(k.until) {
			return
		}
		y.drop()
	}
}

// find returns the answer to the request of key, to be sent again, if there is one
// and its time is not over.
func (y *memory) find(key jobKey, now time.Time) (*Message, bool) {
	y.expire(now)
	n, ok := y.number[key]
	if !ok {
		return nil, false
	}
	k := y.at(n)
	if !k.until.IsZero() && !now.Before(k.until) {
		return nil, false
	}
	return &Message{Kind: Reply, ID: key.id, To: key.replyTo, Seq: k.seq, Deadline: k.until, Err: k.err, Body: bytes.Clone(k.body)}, true
}
