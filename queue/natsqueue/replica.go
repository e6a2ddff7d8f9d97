package natsqueue

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// A class is what a job counts as.
type class uint8

const (
	none class = iota
	isReady
	isDelayed
	isBlocked // behind others of its group
	isLeased
	isEnded
	isDead
	classes
)

// A job is a record as this process knows it.
type job struct {
	*record
	class class
	group *group
	gen   uint64 // tells what is in the heaps and still true
	busy  bool   // a call of this process is about to lease it
}

// A group is its jobs that have not ended, in the order in which they were put.
type group struct{ jobs []*job }

// A gate is a record that only those write who put jobs of one name, so that one of
// them goes first.
type gate struct {
	rev   uint64
	until int64 // it may be forgotten
}

// A hold is a unique name that is taken for a time.
type hold struct {
	Name []byte `json:"name,omitempty"`
	ID   string `json:"id,omitempty"`
	For  int64  `json:"for,omitempty"`

	until int64
}

// A replica is what this process knows of a queue: all its records, as they were stored
// up to one of them.
type replica struct {
	b      *Backend
	name   string
	prefix string

	loaded chan struct{} // closed when it has all that there was, or could not be loaded
	failed error
	feed   jetstream.ConsumeContext
	kick   chan struct{} // has room for one: something is due earlier than was known
	turn   chan struct{} // has room for the Put whose turn it is to look for room

	flying chan struct{} // has room for the flight that is under way

	mu       sync.Mutex
	boarding *flight // that has not left
	applied  uint64
	jobs     map[string]*job
	keys     map[string]*job
	uniques  map[string]*job
	holds    map[string]hold
	groups   map[string]*group
	gates    map[string]gate
	paused   bool
	count    [classes]int
	ready    heap
	times    heap
	gen      uint64
	news     chan struct{} // closed when there is any, and then another
	arrived  chan struct{} // likewise when a record was applied
	watches  []*watch
	swept    int64
}

// replica returns that of a queue, when it is loaded.
func (b *Backend) replica(ctx context.Context, name string) (*replica, error) {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil, driver.ErrClosed
	}
	q := b.queues[name]
	if q == nil {
		q = &replica{
			b: b, name: name, prefix: b.prefix + token(name) + ".",
			loaded: make(chan struct{}), kick: make(chan struct{}, 1), turn: make(chan struct{}, 1), flying: make(chan struct{}, 1),
			jobs: map[string]*job{}, keys: map[string]*job{}, uniques: map[string]*job{}, holds: map[string]hold{},
			groups: map[string]*group{}, gates: map[string]gate{},
			ready: heap{less: first}, times: heap{less: earlier},
			news: make(chan struct{}), arrived: make(chan struct{}),
		}
		b.queues[name] = q
		b.ended.Add(1)
		go q.run()
	}
	b.mu.Unlock()
	select {
	case <-q.loaded:
		return q, q.failed
	case <-ctx.Done():
		return nil, b.readError(ctx, ctx.Err())
	}
}

// run loads the replica, and then sees to what becomes due.
func (q *replica) run() {
	defer q.b.ended.Done()
	if err := q.load(); err != nil {
		q.b.mu.Lock()
		delete(q.b.queues, q.name) // another call may have more luck
		q.b.mu.Unlock()
		q.failed = err
		close(q.loaded)
		q.close()
		return
	}
	close(q.loaded)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		q.mu.Lock()
		now := q.b.now()
		q.promote(now)
		wait := time.Minute
		if len(q.times.all) > 0 {
			wait = min(wait, max(time.Duration(q.times.all[0].at-now), 100*time.Microsecond))
		}
		q.mu.Unlock()
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-q.kick:
		case <-q.b.life.Done():
			return
		}
	}
}

func (q *replica) load() error {
	ctx, cancel := context.WithTimeout(q.b.life, q.b.opts.Timeout)
	defer cancel()
	consumer, err := q.b.stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{q.prefix + ">"}, DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy,
	})
	if err != nil {
		return q.b.readError(ctx, err)
	}
	feed, err := consumer.Consume(q.receive)
	if err != nil {
		return q.b.readError(ctx, err)
	}
	q.mu.Lock()
	q.feed = feed
	q.mu.Unlock()
	return q.syncNow(ctx)
}

// close ends the consumer, and waits for it.
func (q *replica) close() {
	select {
	case <-q.loaded:
	default:
		<-q.loaded
	}
	q.mu.Lock()
	feed := q.feed
	for _, w := range q.watches {
		w.signal()
	}
	q.mu.Unlock()
	if feed != nil {
		feed.Stop()
		<-feed.Closed()
	}
}

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
	if kind == "j" {
		if r, err = decode(m.Data(), seq, at); err != nil {
			r = nil // written by somebody else: it is left alone
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.b.now()
	switch {
	case seq <= q.applied:
		return
	case kind == "j":
		if r != nil && token(r.ID) == name {
			q.apply(r, now)
		}
	case kind == "c":
		q.paused = string(m.Data()) == "paused"
		q.gates[subject] = gate{seq, 1<<63 - 1}
	default:
		until := after(at, int64(gateTTL))
		if kind == "u" {
			var h hold
			if json.Unmarshal(m.Data(), &h) == nil {
				h.until = after(at, h.For)
				q.holds[string(h.Name)] = h
				until = max(until, h.until)
			}
		}
		q.gates[subject] = gate{seq, after(until, int64(time.Minute))}
	}
	q.applied = seq
	close(q.arrived)
	q.arrived = make(chan struct{})
	q.tellNews()
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
	g := q.leaveGroup(j) // its place there may be another
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

// find returns what has become of a job by now, or nil.
func (q *replica) find(id string, now int64) *record {
	j := q.jobs[id]
	if j == nil {
		return nil
	}
	v := j.view(now)
	if v.Phase == gone {
		return nil
	}
	return &v
}

// forgotten: the server has no record of a subject any more, or one of another number.
func (q *replica) forgotten(subject string, rev, found uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if kind, name, _ := strings.Cut(strings.TrimPrefix(subject, q.prefix), "."); kind == "j" {
		raw, _ := base64.RawURLEncoding.DecodeString(name)
		if len(raw) > 0 {
			if j := q.jobs[string(raw[1:])]; j != nil {
				if found == 0 && j.rev == rev && rev > 0 {
					q.count[j.class]--
					g := q.leaveGroup(j)
					q.drop(j)
					q.goOn(g, q.b.now())
				}
				return
			}
		}
	}
	if found == 0 {
		delete(q.gates, subject)
	} else if q.gates[subject].rev < found {
		q.gates[subject] = gate{found, after(q.b.now(), int64(2*gateTTL))}
	}
}

// full is r with what is in the store only.
func (q *replica) full(ctx context.Context, r *record) (*record, error) {
	if !r.bare {
		return r, nil
	}
	ctx, cancel := context.WithTimeout(ctx, q.b.opts.Timeout)
	defer cancel()
	m, err := q.b.stream.GetLastMsgForSubject(ctx, q.b.subject(q.name, "j", r.ID))
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return nil, nil
	case err != nil:
		return nil, q.b.readError(ctx, err)
	}
	now, err := decode(m.Data, m.Sequence, m.Time.UnixNano())
	if err != nil {
		return nil, antiphon.Errorf(antiphon.CodeDataLoss, "natsqueue: job %s: %w", r.ID, err)
	}
	v := now.view(q.b.now())
	if v.Phase == gone {
		return nil, nil
	}
	return &v, nil
}

func sum(b []byte) []byte {
	s := sha256.Sum256(b)
	return s[:]
}
