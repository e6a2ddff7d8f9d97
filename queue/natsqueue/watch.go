package natsqueue

import (
	"context"
	"slices"
	"time"

	"github.com/antiphon-go/antiphon/queue/driver"
)

func durationSince(now, at int64) time.Duration { return time.Duration(max(now-at, 0)) }

// maxChanges is how many changes a watch keeps for who is slow to ask.
const maxChanges = 4096

// A watch is guarded by the lock of its replica.
type watch struct {
	q       *replica
	wake    chan struct{} // has room for one
	changes []driver.Change
	missed  bool
	closed  bool
}

// Watch tells of what the replica learns. Of changes of a job that follow each other
// faster than the server can send them, only the last is told.
func (b *Backend) Watch(queue string) (driver.Watch, error) {
	ctx, cancel := context.WithTimeout(b.life, b.opts.Timeout)
	defer cancel()
	q, err := b.replica(ctx, queue)
	if err != nil {
		return nil, err
	}
	w := &watch{q: q, wake: make(chan struct{}, 1)}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.watches = append(q.watches, w)
	return w, nil
}

// tell tells all who watch. The caller holds the lock.
func (q *replica) tell(c driver.Change) {
	for _, w := range q.watches {
		if len(w.changes) >= maxChanges {
			w.missed = true
			continue
		}
		w.changes = append(w.changes, c)
		w.signal()
	}
}

func (w *watch) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *watch) Next(ctx context.Context, into []driver.Change) ([]driver.Change, error) {
	n := len(into)
	for {
		w.q.mu.Lock()
		if w.closed || w.q.b.isClosed() {
			w.q.mu.Unlock()
			return into, driver.ErrClosed
		}
		into = append(into, w.changes...)
		if w.missed {
			into = append(into, driver.Change{})
		}
		w.changes, w.missed = nil, false
		w.q.mu.Unlock()
		if len(into) > n {
			return into, nil
		}
		select {
		case <-w.wake:
		case <-ctx.Done():
			return into, ctx.Err()
		case <-w.q.b.life.Done():
			return into, driver.ErrClosed
		}
	}
}

func (w *watch) Close() error {
	w.q.mu.Lock()
	defer w.q.mu.Unlock()
	w.closed = true
	w.q.watches = slices.DeleteFunc(w.q.watches, func(o *watch) bool { return o == w })
	w.signal()
	return nil
}
