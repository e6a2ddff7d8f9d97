package queue

import (
	"context"
	"math"
	"sync"
	"sync/atomic"

	"github.com/benbjohnson/clock"

	"github.com/antiphon-go/antiphon/internal/alarm"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// MemoryOptions are the limits of [Memory]. A zero field means its default, nil
// options mean all of them; a negative one is as zero.
type MemoryOptions struct {
	// MaxPayload is how many bytes a payload, a result or a checkpoint may have. 0
	// means 4 MiB.
	MaxPayload int
	// MaxKept is how many jobs that have ended a queue remembers at the most, for as
	// long as their Keep says; the oldest are forgotten first. 0 means 65536.
	MaxKept int
	// MaxDead is how many dead letters a queue keeps; the oldest are forgotten
	// first. 0 means 65536.
	MaxDead int
	// MaxOpen is how many jobs that have not ended a queue holds, those that are being
	// done among them: beyond it Put fails with ErrFull, whatever the Overflow. 0 means
	// no limit.
	MaxOpen int
	// Clock measures all times. nil means the real one.
	Clock clock.Clock
}

// Memory returns a backend that keeps its jobs in memory: the reference that the
// others are measured by. All jobs end with the process. It can do everything that a
// driver describes, at any priority of 32 bits; what it holds is bounded by Capacity
// of the queues on it and by its options.
//
// Nothing in it is a goroutine, and it works in a synctest bubble. Close ends its
// timers and frees what it holds.
func Memory(o *MemoryOptions) driver.Backend {
	m := &memory{queues: map[string]*store{}}
	if o != nil {
		m.opts = *o
	}
	if m.opts.MaxPayload <= 0 {
		m.opts.MaxPayload = 4 << 20
	}
	if m.opts.MaxKept <= 0 {
		m.opts.MaxKept = 1 << 16
	}
	if m.opts.MaxDead <= 0 {
		m.opts.MaxDead = 1 << 16
	}
	if m.opts.Clock == nil {
		m.opts.Clock = clock.New()
	}
	return m
}

// memory is a set of stores, one for each queue.
type memory struct {
	opts   MemoryOptions
	latest atomic.Pointer[store] // mostly the only one
	mu     sync.RWMutex
	queues map[string]*store
	closed bool
}

func (m *memory) Capabilities() driver.Capabilities {
	return driver.Capabilities{
		Name: "memory", Durability: driver.None, InProcess: true,
		Delays: true, Groups: true, Keys: true, Uniques: true, Capacity: true,
		MinPriority: math.MinInt32, MaxPriority: math.MaxInt32,
		MaxPayload: m.opts.MaxPayload,
	}
}

// store returns the store of a queue, which it may have to make.
func (m *memory) store(queue string) (*store, error) {
	if s := m.latest.Load(); s != nil && s.name == queue {
		return s, nil // which knows by itself whether it is closed
	}
	m.mu.RLock()
	s, closed := m.queues[queue], m.closed
	m.mu.RUnlock()
	switch {
	case closed:
		return nil, driver.ErrClosed
	case s != nil:
		return s, nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, driver.ErrClosed
	}
	if s = m.queues[queue]; s == nil {
		s = newStore(m, queue)
		m.queues[queue] = s
		m.latest.Store(s)
	}
	return s, nil
}

func (m *memory) Close() error {
	m.mu.Lock()
	m.closed = true
	m.latest.Store(nil)
	all := m.queues
	m.queues = nil
	m.mu.Unlock()
	for _, s := range all {
		s.close()
	}
	return nil
}

func (m *memory) Stats(_ context.Context, queue string) (driver.Stats, error) {
	s, err := m.store(queue)
	if err != nil {
		return driver.Stats{}, err
	}
	return s.statistics(), nil
}

// A store is the jobs of one queue under one lock, under which nobody waits.
type store struct {
	name  string
	opts  *MemoryOptions
	alarm *alarm.Alarm

	mu     sync.Mutex
	closed bool
	paused bool
	seq    uint64
	jobs   index[record, *record] // all that are known
	lot    *lot                   // of the last that was put
	keys   map[string]*record
	unique map[string]*record
	groups map[string]*group
	levels []level  // the ready ones by priority, highest first
	times  timeline // what is due when
	due    moment   // when something of that is, or of kept and dead
	takers waiters
	wake   int           // how many of them are to be woken
	room   chan struct{} // closed when there is room; nil if nobody waits
	oldest []reference   // what waits, in the order of its coming; see dropOldest
	drops  bool          // oldest is kept
	kept   list          // ended ones, the first that ended first
	dead   list          // dead letters, likewise
	spare  list          // records to be used again
	watch  []*memoryWatch
	counts driver.Stats // Ready, Delayed, Running, and the totals
}

func newStore(m *memory, queue string) *store {
	s := &store{
		name: queue, opts: &m.opts, due: never,
		keys: map[string]*record{}, unique: map[string]*record{}, groups: map[string]*group{},
	}
	s.alarm = alarm.New(m.opts.Clock, s.ring)
	return s
}

// waiting counts what takes room.
func (s *store) waiting() int { return s.counts.Ready + s.counts.Delayed }

func (s *store) statistics() driver.Stats {
	now := s.lock()
	defer s.unlock(now)
	n := s.counts
	n.Dead, n.Kept, n.Paused = s.dead.n, s.kept.n+s.dead.n, s.paused
	for i := range s.levels {
		if r := s.levels[i].head; r != nil {
			n.Oldest = max(n.Oldest, span(now-r.ready))
		}
	}
	return n
}

func (s *store) close() {
	s.alarm.Stop()
	s.mu.Lock()
	s.closed = true
	s.takers.all()
	s.leaveRoom()
	for _, w := range s.watch {
		w.signal()
	}
	s.jobs, s.times = index[record, *record]{}, timeline{}
	s.keys, s.unique, s.groups, s.levels, s.oldest = nil, nil, nil, nil, nil
	s.kept, s.dead, s.spare = list{}, list{}, list{}
	s.mu.Unlock()
}

// lock enters the store at the moment it returns: what was due by then is done.
func (s *store) lock() (now moment) {
	now = s.alarm.Now()
	s.mu.Lock()
	if s.due <= now {
		s.advance(now)
	}
	return now
}

// unlock leaves it, and sets the alarm for what is due next.
func (s *store) unlock(moment) {
	next := s.next()
	s.due = next
	for s.wake = min(s.wake, s.counts.Ready); s.wake > 0 && !s.paused; s.wake-- {
		s.takers.one()
	}
	s.wake = 0
	s.mu.Unlock()
	s.alarm.Set(next)
}

// ring: something may be due.
func (s *store) ring() { s.unlock(s.lock()) }

// leaveRoom tells those who wait for room that there is some.
func (s *store) leaveRoom() {
	if s.room != nil {
		close(s.room)
		s.room = nil
	}
}
