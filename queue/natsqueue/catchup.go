package natsqueue

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/antiphon-go/antiphon/queue/driver"
)

// A flight is a question to the server that several calls wait for. All of them came
// before it left.
type flight struct {
	done chan struct{}
	err  error
}

// sync waits until the replica is as new as the store was when sync was called.
func (q *replica) sync(ctx context.Context) error {
	q.mu.Lock()
	f := q.boarding
	if f == nil {
		f = &flight{done: make(chan struct{})}
		q.boarding = f
		if !q.b.begin() {
			q.boarding = nil
			q.mu.Unlock()
			return driver.ErrClosed
		}
		go q.fly(f)
	}
	q.mu.Unlock()
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return q.b.readError(ctx, ctx.Err())
	}
}

func (q *replica) fly(f *flight) {
	defer q.b.ended.Done()
	q.flying <- struct{}{}
	q.mu.Lock()
	q.boarding = nil
	q.mu.Unlock()
	if f.err = q.syncNow(q.b.life); f.err == nil {
		q.goesOn()
	} else if !q.b.isClosed() {
		q.stalls(f.err)
	}
	<-q.flying
	close(f.done)
}

// askAgain is how long to wait for what can be asked again: while servers choose a
// leader, nobody hears what they are asked.
const askAgain = time.Second

func (q *replica) syncNow(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, q.b.opts.Timeout)
	defer cancel()
	for {
		if q.b.isClosed() {
			return driver.ErrClosed
		}
		once, cancel := context.WithTimeout(ctx, askAgain)
		m, err := q.b.stream.GetLastMsgForSubject(once, q.prefix+">")
		cancel()
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil
		}
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			continue
		}
		if err != nil {
			return q.b.readError(ctx, err)
		}
		short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		err = q.reach(short, m.Sequence)
		cancel()
		if err == nil || ctx.Err() != nil {
			return q.b.readError(ctx, err)
		}
		// The last record may have been forgotten by the server meanwhile.
	}
}

// reach waits until the replica has the record of a number, or what came after it.
func (q *replica) reach(ctx context.Context, seq uint64) error {
	for {
		q.mu.Lock()
		done, arrived := q.applied >= seq, q.arrived
		q.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-arrived:
		case <-ctx.Done():
			return ctx.Err()
		case <-q.b.life.Done():
			return driver.ErrClosed
		}
	}
}
