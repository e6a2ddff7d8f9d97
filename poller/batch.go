package poller

import (
	"context"
	"runtime/debug"
	"sync"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/internal/ending"
)

// Batch asks about many with one call. Of the checks that it makes, those that come
// within window of the first are one call of fetch, which gets at most limit ids, each
// once. A window of 0 takes what comes at the same time; a limit of 0 is 200. What does
// not fit is another call, at once.
//
// For a [Scheduler] each check is a poll in flight while it waits: its Concurrency
// bounds how many come together. Batch uses its Clock; s may be nil for the real one.
//
// fetch returns what it knows; neither side modifies the map. An id that is not in it is
// an error of code not_found, which ends the asking about this id unless
// Options.Retryable says otherwise, as if it had been asked for alone. An error of fetch
// is one of each poll of that call, and so is a panic, as a *future.PanicError; other
// calls do not know of it.
//
// The context of fetch has no values, and ends when all who asked have gone. Who goes
// before does not wait for the others.
func Batch[T any](s *Scheduler, window time.Duration, limit int, fetch func(ctx context.Context, ids []string) (map[string]Status[T], error)) func(id string) Check[T] {
	b := &batcher[T]{clock: clock.New(), window: window, limit: limit, fetch: fetch}
	if s != nil && s.Clock != nil {
		b.clock = s.Clock
	}
	if limit <= 0 {
		b.limit = 200
	}
	return func(id string) Check[T] {
		return func(ctx context.Context) (Status[T], error) { return b.ask(ctx, id) }
	}
}

var errNilFetch error = &antiphon.Error{Code: antiphon.CodeInvalidArgument, Class: antiphon.ClassNotAccepted,
	Reason: "poller.nil_fetch", Message: "poller: nil fetch", Permanent: true}

type batcher[T any] struct {
	clock  clock.Clock
	window time.Duration
	limit  int
	fetch  func(context.Context, []string) (map[string]Status[T], error)

	mu   sync.Mutex
	open *batch[T] // takes more ids; may be nil
}

// A batch is one call of fetch. The batcher's lock guards what is above done.
type batch[T any] struct {
	ids    []string
	known  map[string]bool
	askers int
	timer  *clock.Timer // until it is full or runs; nil before it is set

	done   chan struct{}
	ctx    context.Context
	cancel context.CancelFunc
	found  map[string]Status[T]
	err    error
}

func (b *batcher[T]) ask(ctx context.Context, id string) (st Status[T], err error) {
	if b.fetch == nil {
		return st, errNilFetch
	}
	x := b.join(id)
	select {
	case <-x.done:
	case <-ctx.Done():
		b.leave(x)
		return st, ending.Cause(ctx)
	}
	if x.err != nil {
		return st, x.err
	}
	st, ok := x.found[id]
	if !ok {
		return st, antiphon.Errorf(antiphon.CodeNotFound, "poller: %q is not among what was found", id)
	}
	return st, nil
}

// join enters id in the batch that is open, or in another. The one that opens a batch
// sets its timer, and the one that fills it runs it.
func (b *batcher[T]) join(id string) *batch[T] {
	b.mu.Lock()
	x := b.open
	first := x == nil
	if first {
		x = &batch[T]{known: map[string]bool{}, done: make(chan struct{})}
		x.ctx, x.cancel = context.WithCancel(context.Background())
		b.open = x
	}
	x.askers++
	if !x.known[id] {
		x.known[id] = true
		x.ids = append(x.ids, id)
	}
	full := len(x.ids) == b.limit
	var timer *clock.Timer
	if full {
		b.open, timer = nil, x.timer
	}
	b.mu.Unlock()
	switch {
	case full:
		if timer != nil {
			timer.Stop()
		}
		go b.run(x)
	case first && b.window <= 0:
		go b.close(x)
	case first:
		b.arm(x)
	}
	return x
}

// arm sets the timer of x, which may be full by then.
func (b *batcher[T]) arm(x *batch[T]) {
	timer := b.clock.AfterFunc(b.window, func() { b.close(x) })
	b.mu.Lock()
	x.timer = timer
	open := b.open == x
	b.mu.Unlock()
	if !open {
		timer.Stop()
	}
}

// close runs x if it is open.
func (b *batcher[T]) close(x *batch[T]) {
	b.mu.Lock()
	open := b.open == x
	if open {
		b.open = nil
	}
	b.mu.Unlock()
	if open {
		b.run(x)
	}
}

// leave is called by an asker of x that waits no longer.
func (b *batcher[T]) leave(x *batch[T]) {
	b.mu.Lock()
	x.askers--
	var timer *clock.Timer
	last := x.askers == 0
	if last && b.open == x {
		b.open, timer = nil, x.timer
	}
	b.mu.Unlock()
	if last {
		x.cancel()
	}
	if timer != nil {
		timer.Stop()
	}
}

func (b *batcher[T]) run(x *batch[T]) {
	x.err = future.ErrGoexit
	defer func() {
		if v := recover(); v != nil {
			x.err = &future.PanicError{Value: v, Stack: debug.Stack()}
		}
		x.cancel()
		close(x.done)
	}()
	x.found, x.err = b.fetch(x.ctx, x.ids)
}
