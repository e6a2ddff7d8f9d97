package webhook

import (
	"context"
	"slices"
	"sync"

	"github.com/antiphon-go/antiphon"
)

// A Log keeps what became of attempts.
//
// Concurrency: Record is called by any number of goroutines, each of which holds up an
// attempt's end.
//
// Errors: one that is returned is told to the observer, and changes nothing else.
type Log interface {
	Record(ctx context.Context, a Attempt) error
}

// log tells the log of an attempt.
func (s *Sender) log(ctx context.Context, a *Attempt) {
	if s.opts.Log == nil {
		return
	}
	defer func() { _ = recover() }() // a log must not break what it is about
	if err := s.opts.Log.Record(ctx, *a); err != nil {
		s.observe(antiphon.Event{Name: "webhook.store_failed", Context: ctx, Kind: a.Endpoint, ID: a.Message, Attempt: a.Number, Err: err})
	}
}

// A MemoryLog is a Log that keeps the latest attempts in memory.
//
// Concurrency: all methods may be called by any number of goroutines.
//
// Zero value: ready; it keeps 1024 attempts, of up to 16 KiB of response each.
type MemoryLog struct {
	// Max is how many attempts are kept. 0 means 1024. It is not to be changed once the
	// log is in use.
	Max int

	mu       sync.Mutex
	attempts []Attempt // a ring, once it is full
	first    int
}

// Record keeps a, and forgets the oldest if there are too many.
func (l *MemoryLog) Record(_ context.Context, a Attempt) error {
	limit := l.Max
	if limit <= 0 {
		limit = 1024
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.attempts) < limit {
		l.attempts = append(l.attempts, a)
		return nil
	}
	l.attempts[l.first] = a
	l.first = (l.first + 1) % limit
	return nil
}

// Attempts returns the attempts to deliver a message, to an endpoint, each by its ID, the
// oldest first. An empty ID stands for all.
func (l *MemoryLog) Attempts(message, endpoint string) []Attempt {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := slices.Concat(l.attempts[l.first:], l.attempts[:l.first])
	return slices.DeleteFunc(all, func(a Attempt) bool {
		return message != "" && a.Message != message || endpoint != "" && a.Endpoint != endpoint
	})
}
