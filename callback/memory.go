package callback

import "time"

// memory is what an answerer remembers of requests that may come again: their
// answers, bounded in number and in bytes, until their deadlines; and which were
// cancelled before they came. The oldest are forgotten first.
type memory struct {
	max, maxBytes int
	bytes         int
	kept          map[jobKey]*kept
	order         []jobKey // oldest first, from first on
	first         int
}

type kept struct {
	answer *Message // nil if it is not kept, or nobody wants one
	until  time.Time
	size   int
}

func (y *memory) init(n, bytes int) {
	y.max, y.maxBytes = n, bytes
	y.kept = map[jobKey]*kept{}
}

// keep remembers the answer m to the request of key, or only that there was one.
func (y *memory) keep(key jobKey, m *Message, stream bool) {
	k := &kept{until: m.Deadline, size: 100}
	if n := m.size(); !stream && n <= y.maxBytes/4 {
		k.answer, k.size = m.clone(), n
	} else {
		k.answer = &Message{Kind: Reply, ID: m.ID, To: m.To, Deadline: m.Deadline, Err: errRepeated}
	}
	y.put(key, k)
}

// forget remembers that the request of key, which has not come, is not wanted.
func (y *memory) forget(key jobKey, now time.Time) {
	if y.kept[key] == nil {
		y.put(key, &kept{until: now.Add(time.Minute), size: 100})
	}
}

func (y *memory) put(key jobKey, k *kept) {
	if old := y.kept[key]; old != nil {
		y.bytes -= old.size
	} else {
		y.order = append(y.order, key)
	}
	y.kept[key] = k
	y.bytes += k.size
	for len(y.kept) > y.max || y.bytes > y.maxBytes {
		y.drop()
	}
}

// drop forgets the oldest.
func (y *memory) drop() {
	key := y.order[y.first]
	y.order[y.first] = jobKey{}
	y.first++
	if y.first > 64 && y.first > len(y.order)/2 {
		y.order = append(y.order[:0:0], y.order[y.first:]...)
		y.first = 0
	}
	y.bytes -= y.kept[key].size
	delete(y.kept, key)
}

// find returns what is known of the request of key: an answer to send again, or
// nil if it is not to be answered.
func (y *memory) find(key jobKey, now time.Time) (answer *Message, known bool) {
	for y.first < len(y.order) {
		oldest := y.kept[y.order[y.first]]
		if oldest.until.IsZero() || now.Before(oldest.until) {
			break
		}
		y.drop()
	}
	k := y.kept[key]
	if k == nil || !k.until.IsZero() && !now.Before(k.until) {
		return nil, false
	}
	if k.answer != nil {
		answer = k.answer.clone()
	}
	return answer, true
}
