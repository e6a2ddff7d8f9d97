package queue_test

import (
	"context"
	"sync"
	"testing"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// able is a backend that can do everything.
type able interface {
	driver.Backend
	driver.Results
	driver.Morgue
	driver.Controller
	driver.Watcher
}

// A meddler stands between a queue and its backend. A nil function does nothing to
// the calls it is named after.
type meddler struct {
	able
	remote bool // it says that it is outside of the process
	put    func(context.Context, driver.PutRequest, func() ([]driver.Placed, error)) ([]driver.Placed, error)
	take   func(func() ([]driver.Leased, error)) ([]driver.Leased, error)
	extend func(context.Context, []driver.Extension, func() []error) []error
	settle func(context.Context, []driver.Settlement, func() []error) []error
	lookup func(func() ([]driver.Record, error)) ([]driver.Record, error)
	cancel func(func() (driver.Record, error)) (driver.Record, error)
	watch  func(func() (driver.Watch, error)) (driver.Watch, error)
}

func (m *meddler) Capabilities() driver.Capabilities {
	c := m.able.Capabilities()
	c.InProcess = !m.remote
	return c
}

func (m *meddler) Put(ctx context.Context, r driver.PutRequest) ([]driver.Placed, error) {
	do := func() ([]driver.Placed, error) { return m.able.Put(ctx, r) }
	if m.put == nil {
		return do()
	}
	return m.put(ctx, r, do)
}

func (m *meddler) Take(ctx context.Context, into []driver.Leased, r driver.TakeRequest) ([]driver.Leased, error) {
	do := func() ([]driver.Leased, error) { return m.able.Take(ctx, into, r) }
	if m.take == nil {
		return do()
	}
	return m.take(do)
}

func (m *meddler) Extend(ctx context.Context, q string, x []driver.Extension) []error {
	do := func() []error { return m.able.Extend(ctx, q, x) }
	if m.extend == nil {
		return do()
	}
	return m.extend(ctx, x, do)
}

func (m *meddler) Settle(ctx context.Context, q string, s []driver.Settlement) []error {
	do := func() []error { return m.able.Settle(ctx, q, s) }
	if m.settle == nil {
		return do()
	}
	return m.settle(ctx, s, do)
}

func (m *meddler) Lookup(ctx context.Context, q string, ids []string, payload bool) ([]driver.Record, error) {
	do := func() ([]driver.Record, error) { return m.able.Lookup(ctx, q, ids, payload) }
	if m.lookup == nil {
		return do()
	}
	return m.lookup(do)
}

func (m *meddler) Cancel(ctx context.Context, q, id string) (driver.Record, error) {
	do := func() (driver.Record, error) { return m.able.Cancel(ctx, q, id) }
	if m.cancel == nil {
		return do()
	}
	return m.cancel(do)
}

func (m *meddler) Watch(q string) (driver.Watch, error) {
	do := func() (driver.Watch, error) { return m.able.Watch(q) }
	if m.watch == nil {
		return do()
	}
	return m.watch(do)
}

// meddled returns a meddler around a memory backend that is closed with the test.
func meddled(t testing.TB) *meddler {
	t.Helper()
	m := &meddler{able: queue.Memory(nil).(able)}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

// on makes a queue of numbers on b that is closed with the test.
func on(t testing.TB, b driver.Backend, o *queue.Options) *queue.Queue[int, int] {
	t.Helper()
	q, err := queue.New[int, int]("test", b, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	return q
}

// all is n times err.
func all(n int, err error) []error {
	errs := make([]error, n)
	for i := range errs {
		errs[i] = err
	}
	return errs
}

var errAway = antiphon.Errorf(antiphon.CodeUnavailable, "the store is away")

// counts are how often events were told of.
type counts struct {
	mu sync.Mutex
	n  map[string]int
}

func (c *counts) observe(e antiphon.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[string]int{}
	}
	c.n[e.Name]++
}

func (c *counts) of(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n[name]
}
