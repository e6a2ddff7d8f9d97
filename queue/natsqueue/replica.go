package natsqueue

import (
	"context"
	"crypto/sha256"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/antiphon-go/antiphon/queue/driver"
)

// A job is a record as this process knows it.
type job struct {
	*record
	class class
	group *group
	ready spot   // among those that can be handed out
	due   spot   // among those whose time will come
	busy  uint64 // the revision of which a call of this process is about to lease it
}

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
	end    context.CancelFunc // of the feeds
	fed    chan struct{}      // closed when the last has ended
	kick   chan struct{}      // has room for one: something is due earlier than was known
	turn   chan struct{}      // has room for the Put whose turn it is to look for room

	stalled atomic.Int64 // since when, in nanoseconds after the backend began; 0 is that it is not

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
	news     chan struct{} // closed when there is any, and then another
	arrived  chan struct{} // likewise when a record was applied
	watches  []*watch
	swept    int64
}

func (b *Backend) newReplica(name string) *replica {
	return &replica{
		b: b, name: name, prefix: b.prefix + token(name) + ".",
		loaded: make(chan struct{}), kick: make(chan struct{}, 1), turn: make(chan struct{}, 1), flying: make(chan struct{}, 1),
		jobs: map[string]*job{}, keys: map[string]*job{}, uniques: map[string]*job{}, holds: map[string]hold{},
		groups: map[string]*group{}, gates: map[string]gate{},
		ready: heap{less: first, spot: readySpot}, times: heap{less: earlier, spot: dueSpot},
		news: make(chan struct{}), arrived: make(chan struct{}),
	}
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
		q = b.newReplica(name)
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
			wait = min(wait, max(time.Duration(q.times.all[0].due.at-now), 100*time.Microsecond))
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
	f, err := q.open(ctx)
	if err != nil {
		return q.b.readError(ctx, err)
	}
	life, end := context.WithCancel(q.b.life)
	q.mu.Lock()
	q.end, q.fed = end, make(chan struct{})
	q.mu.Unlock()
	go q.follow(life, f)
	return q.syncNow(ctx)
}

// close ends the feed, and waits for it.
func (q *replica) close() {
	select {
	case <-q.loaded:
	default:
		<-q.loaded
	}
	q.mu.Lock()
	end, fed := q.end, q.fed
	for _, w := range q.watches {
		w.signal()
	}
	q.mu.Unlock()
	if fed != nil {
		end()
		<-fed
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
		if j := q.jobs[untoken(name)]; j != nil {
			if found == 0 && j.rev == rev && rev > 0 {
				q.lift(j)
				g := q.leaveGroup(j)
				q.drop(j)
				q.goOn(g, q.b.now())
			}
			return
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
	m, err := q.b.last(ctx, q.b.subject(q.name, "j", r.ID), r.rev)
	if err != nil || m == nil {
		return nil, q.b.readError(ctx, err)
	}
	now, _ := read(r.ID, m.Data, m.Sequence, m.Time.UnixNano())
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
