package poller

import (
	"bytes"
	"context"
	"iter"
	"sync"

	"github.com/antiphon-go/antiphon"
)

// A feed is where an operation is told of, and listened to. It keeps what was told last,
// and nothing else.
type feed struct {
	hear func(antiphon.Operation) // is told of each, in order; may be nil

	mu        sync.Mutex
	op        antiphon.Operation
	n         int // how often something was told
	over      bool
	err       error
	listeners int
	changed   chan struct{} // nil, or closed with the next that is told
}

// tell tells of op, unless that is not news.
func (f *feed) tell(op antiphon.Operation) {
	f.mu.Lock()
	stale := !op.State.Terminal() && (op.Version != 0 && op.Version <= f.op.Version || op.Version == 0 && alike(&op, &f.op))
	if f.over || f.n > 0 && (stale || f.op.State.Terminal()) || op.State == "" {
		f.mu.Unlock()
		return
	}
	f.op = op
	f.n++
	f.ring()
	f.mu.Unlock()
	if f.hear != nil {
		f.hear(op)
	}
}

// close ends it, because of err or because all is told.
func (f *feed) close(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.over {
		f.over, f.err = true, err
		f.ring()
	}
}

func (f *feed) ring() {
	if f.changed != nil {
		close(f.changed)
		f.changed = nil
	}
}

func alike(a, b *antiphon.Operation) bool {
	return a.State == b.State && a.Percent == b.Percent && a.Message == b.Message &&
		a.CancelRequested == b.CancelRequested && bytes.Equal(a.Data, b.Data)
}

func (f *feed) listened() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.listeners > 0
}

func (f *feed) listen(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.listeners += n
}

// after returns what was told last, if it was told after the nth, or else, unless it is
// over, what will be closed when there is more.
func (f *feed) after(n int) (op antiphon.Operation, at int, more <-chan struct{}, over bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.n > n || f.over {
		return f.op, f.n, nil, f.over, f.err
	}
	if f.changed == nil {
		f.changed = make(chan struct{})
	}
	return f.op, f.n, f.changed, false, nil
}

// Updates tells how far the operation is: what is known now, and then every change that
// is seen, each version once, to the end. Who is slow misses what was overtaken. It ends
// with an error if nobody looks any more, or ctx has ended; leaving it, or ending ctx,
// changes nothing for the operation nor for Future.
//
// While somebody listens the server is asked for events, and else held polls, or polled,
// whatever it can do. There is one follower for the Future and all who listen.
func (r *Remote[R]) Updates(ctx context.Context) iter.Seq2[antiphon.Operation, error] {
	if ctx == nil {
		ctx = context.Background()
	}
	return func(yield func(antiphon.Operation, error) bool) {
		f := &r.m.feed
		f.listen(1)
		defer f.listen(-1)
		for seen := 0; ; {
			op, n, more, over, err := f.after(seen)
			switch {
			case n > seen:
				if seen = n; !yield(op, nil) || op.State.Terminal() {
					return
				}
			case over:
				if err != nil {
					yield(antiphon.Operation{}, err)
				}
				return
			default:
				select {
				case <-more:
				case <-ctx.Done():
					yield(antiphon.Operation{}, context.Cause(ctx))
					return
				}
			}
		}
	}
}
