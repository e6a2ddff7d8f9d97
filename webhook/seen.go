package webhook

import (
	"context"
	"sync"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/antiphon-go/antiphon"
)

// A Seen remembers which messages came. Of each it knows one of three states: never
// seen or forgotten, claimed by somebody who handles it, or done.
//
// A claim ends when it is released or done, or with its lease: whoever crashes claims
// no longer than that. Once done, a message is done for the window of the store,
// whatever happens to the claim.
//
// Package webhooktest tells whether an implementation is right.
//
// Concurrency: all methods are called by any number of goroutines, and by several
// processes if they share the store. Of concurrent claims one gets the message.
//
// Errors: any of them may fail. Then the message is not handled, and asked for again.
type Seen interface {
	// Claim claims the message of key for owner, who keeps it until the lease is over,
	// and returns SeenNew; a claim of owner's own begins anew. It changes nothing if
	// somebody else has claimed it (SeenBusy) or if it is done (SeenDone).
	Claim(ctx context.Context, key, owner string, lease time.Duration) (SeenState, error)
	// Done notes that the message is handled, whoever holds the claim by now.
	Done(ctx context.Context, key string) error
	// Release gives up the claim of owner, if it is still owner's: the message may be
	// claimed again. It never undoes Done.
	Release(ctx context.Context, key, owner string) error
}

// A SeenState is what a [Seen] knows of a message.
type SeenState int

// The states.
const (
	SeenNew  SeenState = iota // nobody has claimed it: it is the caller's now
	SeenBusy                  // somebody handles it
	SeenDone                  // it has been handled
)

// MemorySeenOptions are the limits of a [MemorySeen]. A zero field means its default.
type MemorySeenOptions struct {
	// Max is how many messages are remembered at most. 0 means 131072; it bounds the
	// memory, about 250 bytes each.
	Max int
	// Window is for how long. 0 means 72 hours: whoever pushes tries for days.
	Window time.Duration
	// Clock is the source of time. Nil means the real one.
	Clock clock.Clock
}

// A MemorySeen is a [Seen] in this process. It forgets when its process ends.
//
// When it is full, the message that was done longest ago is forgotten for a new one; a
// claim never is before its lease is over. If there are nothing but claims, a new one
// fails with code resource_exhausted. So what is remembered at least, under a flood of
// genuine messages, are the last Max of them. What comes again later than that and was
// signed with a timestamp is refused for it.
//
// Concurrency: all methods may be called by any number of goroutines. It has no
// goroutine and no timer.
//
// Zero value: ready, with the defaults. It must not be copied.
type MemorySeen struct {
	opts MemorySeenOptions
	once sync.Once

	mu     sync.Mutex
	known  map[string]*sighting
	done   sightings // in the order in which they are forgotten
	claims sightings // in the order in which they end
}

// A sighting is what is known of one message, an element of one of two rings.
type sighting struct {
	key, owner string
	until      time.Time // the end of the lease, or of the window
	done       bool
	prev, next *sighting
}

// NewMemorySeen returns an empty store. Fields that are negative count as 0.
func NewMemorySeen(o *MemorySeenOptions) *MemorySeen {
	s := &MemorySeen{}
	if o != nil {
		s.opts = *o
	}
	s.ready()
	return s
}

func (s *MemorySeen) ready() {
	s.once.Do(func() {
		o := &s.opts
		if o.Max <= 0 {
			o.Max = 1 << 17
		}
		if o.Window <= 0 {
			o.Window = 72 * time.Hour
		}
		if o.Clock == nil {
			o.Clock = clock.New()
		}
		s.known = make(map[string]*sighting)
		s.done.init()
		s.claims.init()
	})
}

var errSeenFull = &antiphon.Error{
	Code:    antiphon.CodeResourceExhausted,
	Class:   antiphon.ClassNotAccepted,
	Reason:  "webhook.seen_full",
	Message: "webhook: too many messages are being handled at once",
}

// Claim claims; see [Seen].
func (s *MemorySeen) Claim(_ context.Context, key, owner string, lease time.Duration) (SeenState, error) {
	s.ready()
	now := s.opts.Clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(now)
	e := s.known[key]
	switch {
	case e == nil:
		if !s.room() {
			return SeenBusy, errSeenFull
		}
		e = &sighting{key: key}
		s.known[key] = e
	case e.done && now.Before(e.until):
		return SeenDone, nil
	case e.owner != owner && now.Before(e.until):
		return SeenBusy, nil
	default:
		e.leave()
	}
	e.owner, e.done, e.until = owner, false, now.Add(lease)
	s.claims.insert(e)
	return SeenNew, nil
}

// Done notes that a message is handled; see [Seen].
func (s *MemorySeen) Done(_ context.Context, key string) error {
	s.ready()
	now := s.opts.Clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.known[key]
	if e == nil {
		if s.forget(now); !s.room() {
			return errSeenFull
		}
		e = &sighting{key: key}
		s.known[key] = e
	} else {
		e.leave()
	}
	e.owner, e.done, e.until = "", true, now.Add(s.opts.Window)
	s.done.push(e)
	return nil
}

// Release gives a claim up; see [Seen].
func (s *MemorySeen) Release(_ context.Context, key, owner string) error {
	s.ready()
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.known[key]; e != nil && !e.done && e.owner == owner {
		s.drop(e)
	}
	return nil
}

// Len returns how many messages are remembered, those that are claimed among them.
func (s *MemorySeen) Len() int {
	s.ready()
	now := s.opts.Clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(now)
	return len(s.known)
}

// forget drops what is over.
func (s *MemorySeen) forget(now time.Time) {
	for e := s.done.first(); e != nil && !now.Before(e.until); e = s.done.first() {
		s.drop(e)
	}
	for e := s.claims.first(); e != nil && !now.Before(e.until); e = s.claims.first() {
		s.drop(e)
	}
}

// room makes room for one, and reports whether there is.
func (s *MemorySeen) room() bool {
	if len(s.known) < s.opts.Max {
		return true
	}
	if e := s.done.first(); e != nil {
		s.drop(e)
		return true
	}
	return false
}

func (s *MemorySeen) drop(e *sighting) {
	e.leave()
	delete(s.known, e.key)
}

// sightings are a ring, whose root is no sighting.
type sightings struct{ root sighting }

func (l *sightings) init() { l.root.prev, l.root.next = &l.root, &l.root }

func (l *sightings) first() *sighting {
	if l.root.next == &l.root {
		return nil
	}
	return l.root.next
}

func (l *sightings) push(e *sighting) { l.after(l.root.prev, e) }

// insert adds e where its end belongs: last, unless leases differ.
func (l *sightings) insert(e *sighting) {
	at := l.root.prev
	for at != &l.root && at.until.After(e.until) {
		at = at.prev
	}
	l.after(at, e)
}

func (*sightings) after(at, e *sighting) {
	e.prev, e.next = at, at.next
	at.next, e.next.prev = e, e
}

func (e *sighting) leave() {
	e.prev.next, e.next.prev = e.next, e.prev
	e.prev, e.next = nil, nil
}
