package future

import (
	"context"
	"iter"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/antiphon-go/antiphon/internal/ending"
)

// Parallel calls f for each of qs with n goroutines in total, and returns the
// answers in the order of qs. The first error ends it: the context of the calls
// under way is cancelled with that error as the cause, no further call is made,
// and the error is returned. A panic in f is such an error. Parallel returns
// after all its goroutines have ended.
//
// n below 1 means runtime.GOMAXPROCS(0). If ctx ends before all calls have been
// made, and none of those made has failed, the error Is [ErrNotStarted]. A nil
// ctx counts as context.Background().
func Parallel[Q, R any](ctx context.Context, n int, qs []Q, f Func[Q, R]) ([]R, error) {
	if f == nil {
		return nil, errNilFunc
	}
	if ctx == nil {
		ctx = context.Background()
	}
	if n < 1 {
		n = runtime.GOMAXPROCS(0)
	}
	n = min(n, len(qs))
	inner, cancel := context.WithCancelCause(outsider{ctx})
	defer cancel(nil)
	p := &parallel[Q, R]{ctx: inner, cancel: cancel, qs: qs, rs: make([]R, len(qs)), f: f}
	p.workers.Add(n)
	for range n {
		go p.work()
	}
	lent := lend(ctx)
	p.workers.Wait()
	lent.reclaim()
	switch {
	case p.err != nil:
		return nil, p.err
	case p.made.Load() < int64(len(qs)):
		return nil, because(ErrNotStarted, ending.Cause(ctx))
	}
	return p.rs, nil
}

type parallel[Q, R any] struct {
	ctx     context.Context
	cancel  context.CancelCauseFunc
	qs      []Q
	rs      []R
	f       Func[Q, R]
	next    atomic.Int64
	made    atomic.Int64
	workers sync.WaitGroup
	once    sync.Mutex
	err     error
}

func (p *parallel[Q, R]) work() {
	defer p.workers.Done()
	var returned bool
	defer func() {
		if !returned {
			p.fail(caught(recover()))
		}
	}()
	for p.ctx.Err() == nil {
		i := p.next.Add(1) - 1
		if i >= int64(len(p.qs)) {
			break
		}
		r, err := p.f(p.ctx, p.qs[i])
		p.made.Add(1)
		if err != nil {
			p.fail(err)
			break
		}
		p.rs[i] = r
	}
	returned = true
}

func (p *parallel[Q, R]) fail(err error) {
	p.once.Lock()
	first := p.err == nil
	if first {
		p.err = err
	}
	p.once.Unlock()
	if first {
		p.cancel(err)
	}
}

// ParallelSeq is Parallel for a sequence: it yields the answers in the order of
// qs as they come, with at most n calls made and not yet yielded. The first
// error, in order, is yielded and ends the sequence. Ending it, also by leaving
// the loop, cancels the context of the calls under way and waits for them.
//
// If ctx ends before qs does, or with it, no further call is made, and after the answers of
// those made comes an error that Is [ErrNotStarted].
//
// qs is ranged over on a goroutine of its own, and no further than n ahead of
// the loop. A panic in qs is an error that comes after the answers. A qs that
// blocks should heed ctx too: when the loop is left, that goroutine ends with
// the next value of qs.
func ParallelSeq[Q, R any](ctx context.Context, n int, qs iter.Seq[Q], f Func[Q, R]) iter.Seq2[R, error] {
	if ctx == nil {
		ctx = context.Background()
	}
	if n < 1 {
		n = runtime.GOMAXPROCS(0)
	}
	return func(yield func(R, error) bool) {
		var zero R
		if qs == nil || f == nil {
			yield(zero, errNilFunc)
			return
		}
		inner, cancel := context.WithCancelCause(outsider{ctx})
		p := &pipeline[Q, R]{ctx: inner, qs: qs, f: f, room: make(chan struct{}, n), out: make(chan *Future[R], n+1)}
		go p.feed()
		defer func() {
			cancel(nil)
			lent := lend(ctx)
			p.close()
			lent.reclaim()
		}()
		for {
			r, ok := p.next(ctx)
			if !ok || !yield(r.Get()) || r.Err != nil {
				return
			}
		}
	}
}

type pipeline[Q, R any] struct {
	ctx  context.Context
	qs   iter.Seq[Q]
	f    Func[Q, R]
	room chan struct{}   // a place for each call made and not yet yielded, and for the next
	out  chan *Future[R] // in order; closed at the end
	cut  bool            // ctx ended before qs did; valid once out is closed

	mu     sync.Mutex
	closed bool
}

// feed makes the calls. It takes the place for a call before it asks qs what to
// call it with.
func (p *pipeline[Q, R]) feed() {
	defer close(p.out)
	var returned bool
	defer func() {
		if !returned { // qs panicked
			p.out <- Failed[R](caught(recover())) // there is room for one more
		}
	}()
	if p.place() {
		for q := range p.qs {
			if !p.call(q) || !p.place() {
				break
			}
		}
	}
	p.cut = p.ctx.Err() != nil // also where qs heeds ctx, and has ended with it
	returned = true
}

// place takes a place, or reports false if the context has ended.
func (p *pipeline[Q, R]) place() bool {
	select {
	case p.room <- struct{}{}:
		return p.ctx.Err() == nil
	case <-p.ctx.Done():
		return false
	}
}

// call makes a call unless the pipeline is closed.
func (p *pipeline[Q, R]) call(q Q) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.ctx.Err() != nil {
		return false
	}
	t := &task[R]{ctx: p.ctx, fn: func(ctx context.Context) (R, error) { return p.f(ctx, q) }}
	go t.run()
	p.out <- &t.f // never blocks: a place was taken for it
	return true
}

// next returns the next answer in order, or false at the end.
func (p *pipeline[Q, R]) next(ctx context.Context) (r Result[R], ok bool) {
	lent := lend(ctx)
	defer lent.reclaim()
	f, cut := p.receive(ctx)
	switch {
	case f != nil:
		<-f.Done() // its context ends with ctx; here we wait for it to return
		r, _ = f.Peek()
		select {
		case <-p.room:
		default: // a failure of qs, which may have taken no place
		}
		return r, true
	case cut:
		return Result[R]{Err: because(ErrNotStarted, ending.Cause(ctx))}, true
	}
	return r, false
}

// receive returns the next call in order, or nil at the end. A call that has
// been made comes also when ctx has ended.
func (p *pipeline[Q, R]) receive(ctx context.Context) (f *Future[R], cut bool) {
	var ok bool
	select {
	case f, ok = <-p.out:
	default:
		select {
		case f, ok = <-p.out:
		case <-ctx.Done():
			return nil, true
		}
	}
	return f, !ok && p.cut
}

// close waits for the calls under way; no more are made.
func (p *pipeline[Q, R]) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	for {
		select {
		case f, ok := <-p.out:
			if !ok {
				return
			}
			<-f.Done()
		default:
			return
		}
	}
}

// outsider hides from helpers of a member that the member holds a slot: it is
// the member that lends it while it waits for them.
type outsider struct{ context.Context }

func (o outsider) Value(key any) any {
	if key == (memberKey{}) {
		return nil
	}
	return o.Context.Value(key)
}
