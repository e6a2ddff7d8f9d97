package callbackbench

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A handmade registry is what everybody writes first: a map, and for each that is
// expected a channel and a timer.
type handmade[T any] struct {
	mu      sync.Mutex
	last    uint64
	waiting map[uint64]waiting[T]
}

type waiting[T any] struct {
	c     chan result[T]
	timer *time.Timer
}

type result[T any] struct {
	v   T
	err error
}

var errLate = errors.New("the time is over")

func newHandmade[T any]() *handmade[T] {
	return &handmade[T]{waiting: map[uint64]waiting[T]{}}
}

func (h *handmade[T]) expect(ttl time.Duration) (uint64, <-chan result[T]) {
	c := make(chan result[T], 1)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last++
	id := h.last
	h.waiting[id] = waiting[T]{c, time.AfterFunc(ttl, func() { h.settle(id, result[T]{err: errLate}) })}
	return id, c
}

func (h *handmade[T]) settle(id uint64, r result[T]) {
	h.mu.Lock()
	w, ok := h.waiting[id]
	delete(h.waiting, id)
	h.mu.Unlock()
	if ok {
		w.timer.Stop()
		w.c <- r
	}
}

func (h *handmade[T]) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, w := range h.waiting {
		w.timer.Stop()
	}
	clear(h.waiting)
}

// A hop is a question on its way, and the channel for the answer.
type hop struct {
	q    echo
	back chan echo
}

// rawHops is the least that a question and its answer cost two goroutines.
func rawHops(t testing.TB) asker {
	c := rawEcho(t)
	return func(_ context.Context, n int) error {
		back := make(chan echo, 1)
		c <- hop{question(n), back}
		return wrong(n, <-back, nil)
	}
}

func rawHopsSelect(t testing.TB) asker {
	c := rawEcho(t)
	return func(ctx context.Context, n int) error {
		back := make(chan echo, 1)
		select {
		case c <- hop{question(n), back}:
		case <-ctx.Done():
			return ctx.Err()
		}
		select {
		case a := <-back:
			return wrong(n, a, nil)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func rawEcho(t testing.TB) chan<- hop {
	c := make(chan hop, 64)
	t.Cleanup(func() { close(c) })
	go func() {
		for h := range c {
			h.back <- h.q
		}
	}()
	return c
}

// rawClient makes no mistakes that a client must not make: questions have numbers
// and time limits, and slow work holds up nobody.
func rawClient(t testing.TB) asker {
	type numbered struct {
		id uint64
		q  echo
	}
	questions, answers := make(chan numbered, 64), make(chan numbered, 64)
	h := newHandmade[echo]()
	go func() {
		var work sync.WaitGroup
		for q := range questions {
			work.Go(func() { answers <- q })
		}
		work.Wait()
		close(answers)
	}()
	done := make(chan struct{})
	go func() {
		for a := range answers {
			h.settle(a.id, result[echo]{v: a.q})
		}
		close(done)
	}()
	t.Cleanup(func() {
		close(questions)
		<-done
	})
	return func(ctx context.Context, n int) error {
		id, c := h.expect(30 * time.Second)
		questions <- numbered{id, question(n)}
		select {
		case r := <-c:
			return wrong(n, r.v, r.err)
		case <-ctx.Done():
			h.settle(id, result[echo]{err: ctx.Err()})
			return ctx.Err()
		}
	}
}

func rawPending(testing.TB) (func([]<-chan result[int]), func()) {
	h := newHandmade[int]()
	return func(held []<-chan result[int]) {
		for i := range held {
			_, held[i] = h.expect(time.Hour)
		}
	}, h.close
}

// rawPendingGoroutines has a goroutine wait for each.
func rawPendingGoroutines(testing.TB) (func([]struct{}), func()) {
	h := newHandmade[echo]()
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	var asked atomic.Int64
	return func(held []struct{}) {
			full := make(chan struct{})
			for range held {
				all.Go(func() {
					id, c := h.expect(time.Hour)
					if asked.Add(1) == int64(len(held)) {
						close(full)
					}
					select {
					case <-c:
					case <-ctx.Done():
						h.settle(id, result[echo]{err: ctx.Err()})
					}
				})
			}
			<-full
		}, func() {
			cancel()
			all.Wait()
		}
}

// rawExpiring expects what nobody brings; await waits until all has expired.
func rawExpiring(_ testing.TB, n int, due time.Time) (await func() error) {
	h := newHandmade[int]()
	held := make([]<-chan result[int], n)
	for i := range held {
		_, held[i] = h.expect(max(time.Until(due), 1))
	}
	return func() error {
		for _, c := range held {
			if r := <-c; r.err != errLate {
				return errors.New("it has been answered")
			}
		}
		return nil
	}
}
