package queuetest

import (
	"context"
	"testing"

	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// everything is a backend that can do all there is.
type everything interface {
	driver.Backend
	driver.Results
	driver.Morgue
	driver.Controller
	driver.Watcher
}

// A bent backend is a memory one but for what is not nil.
type bent struct {
	everything
	caps    func(driver.Capabilities) driver.Capabilities
	put     func(context.Context, driver.PutRequest) ([]driver.Placed, error)
	take    func(context.Context, []driver.Leased, driver.TakeRequest) ([]driver.Leased, error)
	extend  func(context.Context, string, []driver.Extension) []error
	settle  func(context.Context, string, []driver.Settlement) []error
	stats   func(driver.Stats) driver.Stats
	record  func(driver.Record) driver.Record
	list    func([]driver.Record) []driver.Record
	forget  func(context.Context, string, []string) (int, error)
	dead    func([]driver.Record) []driver.Record
	redrive func(context.Context, string, []string) (int, error)
	purge   func(context.Context, string, []string) (int, error)
	cancel  func(context.Context, string, string) (driver.Record, error)
	pause   func(context.Context, string, bool) error
	watch   func(driver.Watch) driver.Watch
	close   func() error
}

func (b *bent) Capabilities() driver.Capabilities {
	if b.caps != nil {
		return b.caps(b.everything.Capabilities())
	}
	return b.everything.Capabilities()
}

func (b *bent) Put(ctx context.Context, r driver.PutRequest) ([]driver.Placed, error) {
	if b.put != nil {
		r.Jobs = append([]driver.Envelope(nil), r.Jobs...)
		return b.put(ctx, r)
	}
	return b.everything.Put(ctx, r)
}

func (b *bent) Take(ctx context.Context, into []driver.Leased, r driver.TakeRequest) ([]driver.Leased, error) {
	if b.take != nil {
		return b.take(ctx, into, r)
	}
	return b.everything.Take(ctx, into, r)
}

func (b *bent) Extend(ctx context.Context, q string, x []driver.Extension) []error {
	if b.extend != nil {
		return b.extend(ctx, q, append([]driver.Extension(nil), x...))
	}
	return b.everything.Extend(ctx, q, x)
}

func (b *bent) Settle(ctx context.Context, q string, s []driver.Settlement) []error {
	if b.settle != nil {
		return b.settle(ctx, q, append([]driver.Settlement(nil), s...))
	}
	return b.everything.Settle(ctx, q, s)
}

func (b *bent) Stats(ctx context.Context, q string) (driver.Stats, error) {
	n, err := b.everything.Stats(ctx, q)
	if b.stats != nil {
		n = b.stats(n)
	}
	return n, err
}

func (b *bent) Lookup(ctx context.Context, q string, ids []string, payload bool) ([]driver.Record, error) {
	found, err := b.everything.Lookup(ctx, q, ids, payload)
	for i := range found {
		if b.record != nil {
			found[i] = b.record(found[i])
		}
	}
	return found, err
}

func (b *bent) List(ctx context.Context, q string, r driver.ListRequest) ([]driver.Record, error) {
	found, err := b.everything.List(ctx, q, r)
	if b.list != nil {
		found = b.list(found)
	}
	return found, err
}

func (b *bent) Forget(ctx context.Context, q string, ids []string) (int, error) {
	if b.forget != nil {
		return b.forget(ctx, q, ids)
	}
	return b.everything.Forget(ctx, q, ids)
}

func (b *bent) Dead(ctx context.Context, q, after string, limit int) ([]driver.Record, error) {
	found, err := b.everything.Dead(ctx, q, after, limit)
	if b.dead != nil {
		found = b.dead(found)
	}
	return found, err
}

func (b *bent) Redrive(ctx context.Context, q string, ids []string) (int, error) {
	if b.redrive != nil {
		return b.redrive(ctx, q, ids)
	}
	return b.everything.Redrive(ctx, q, ids)
}

func (b *bent) Purge(ctx context.Context, q string, ids []string) (int, error) {
	if b.purge != nil {
		return b.purge(ctx, q, ids)
	}
	return b.everything.Purge(ctx, q, ids)
}

func (b *bent) Cancel(ctx context.Context, q, id string) (driver.Record, error) {
	if b.cancel != nil {
		return b.cancel(ctx, q, id)
	}
	return b.everything.Cancel(ctx, q, id)
}

func (b *bent) Pause(ctx context.Context, q string, paused bool) error {
	if b.pause != nil {
		return b.pause(ctx, q, paused)
	}
	return b.everything.Pause(ctx, q, paused)
}

func (b *bent) Watch(q string) (driver.Watch, error) {
	w, err := b.everything.Watch(q)
	if b.watch != nil && err == nil {
		w = b.watch(w)
	}
	return w, err
}

func (b *bent) Close() error {
	if b.close != nil {
		return b.close()
	}
	return b.everything.Close()
}

// bentBy opens a memory backend that is bent.
func bentBy(bend func(*bent)) func(testing.TB) driver.Backend {
	return func(testing.TB) driver.Backend {
		b := &bent{everything: queue.Memory(nil).(everything)}
		bend(b)
		return b
	}
}

// A view is a backend on a store that it shares with others: each process has one.
type view struct {
	everything
	ctx    context.Context
	cancel context.CancelFunc
}

func newView(b everything) *view {
	v := &view{everything: b}
	v.ctx, v.cancel = context.WithCancel(context.Background())
	return v
}

// Close ends the view, not what it is of.
func (v *view) Close() error {
	v.cancel()
	return nil
}

func (v *view) closed() error {
	if v.ctx.Err() != nil {
		return driver.ErrClosed
	}
	return nil
}

// within is ctx, no longer than the view is open.
func (v *view) within(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(v.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}

// over is err, or that the view was closed.
func (v *view) over(err error) error {
	if err != nil && v.closed() != nil {
		return v.closed()
	}
	return err
}

func (v *view) Capabilities() driver.Capabilities {
	c := v.everything.Capabilities()
	c.Durability = driver.ProcessKill
	return c
}

func (v *view) Put(ctx context.Context, r driver.PutRequest) ([]driver.Placed, error) {
	if err := v.closed(); err != nil {
		return nil, err
	}
	ctx, cancel := v.within(ctx)
	defer cancel()
	placed, err := v.everything.Put(ctx, r)
	return placed, v.over(err)
}

func (v *view) Take(ctx context.Context, into []driver.Leased, r driver.TakeRequest) ([]driver.Leased, error) {
	ctx, cancel := v.within(ctx)
	defer cancel()
	got, err := v.everything.Take(ctx, into, r)
	return got, v.over(err)
}

func (v *view) errs(n int) []error {
	errs := make([]error, n)
	for i := range errs {
		errs[i] = v.closed()
	}
	return errs
}

func (v *view) Extend(ctx context.Context, q string, x []driver.Extension) []error {
	if v.closed() != nil {
		return v.errs(len(x))
	}
	return v.everything.Extend(ctx, q, x)
}

func (v *view) Settle(ctx context.Context, q string, s []driver.Settlement) []error {
	if v.closed() != nil {
		return v.errs(len(s))
	}
	return v.everything.Settle(ctx, q, s)
}

func (v *view) Stats(ctx context.Context, q string) (n driver.Stats, err error) {
	if err := v.closed(); err != nil {
		return n, err
	}
	return v.everything.Stats(ctx, q)
}

func (v *view) Lookup(ctx context.Context, q string, ids []string, payload bool) ([]driver.Record, error) {
	if err := v.closed(); err != nil {
		return nil, err
	}
	return v.everything.Lookup(ctx, q, ids, payload)
}

func (v *view) List(ctx context.Context, q string, r driver.ListRequest) ([]driver.Record, error) {
	if err := v.closed(); err != nil {
		return nil, err
	}
	return v.everything.List(ctx, q, r)
}

func (v *view) Forget(ctx context.Context, q string, ids []string) (int, error) {
	if err := v.closed(); err != nil {
		return 0, err
	}
	return v.everything.Forget(ctx, q, ids)
}

func (v *view) Dead(ctx context.Context, q, after string, limit int) ([]driver.Record, error) {
	if err := v.closed(); err != nil {
		return nil, err
	}
	return v.everything.Dead(ctx, q, after, limit)
}

func (v *view) Redrive(ctx context.Context, q string, ids []string) (int, error) {
	if err := v.closed(); err != nil {
		return 0, err
	}
	return v.everything.Redrive(ctx, q, ids)
}

func (v *view) Purge(ctx context.Context, q string, ids []string) (int, error) {
	if err := v.closed(); err != nil {
		return 0, err
	}
	return v.everything.Purge(ctx, q, ids)
}

func (v *view) Cancel(ctx context.Context, q, id string) (r driver.Record, err error) {
	if err := v.closed(); err != nil {
		return r, err
	}
	return v.everything.Cancel(ctx, q, id)
}

func (v *view) Pause(ctx context.Context, q string, paused bool) error {
	if err := v.closed(); err != nil {
		return err
	}
	return v.everything.Pause(ctx, q, paused)
}

func (v *view) Watch(q string) (driver.Watch, error) {
	if err := v.closed(); err != nil {
		return nil, err
	}
	w, err := v.everything.Watch(q)
	return &viewWatch{w, v}, err
}

type viewWatch struct {
	driver.Watch
	view *view
}

func (w *viewWatch) Next(ctx context.Context, into []driver.Change) ([]driver.Change, error) {
	ctx, cancel := w.view.within(ctx)
	defer cancel()
	got, err := w.Watch.Next(ctx, into)
	return got, w.view.over(err)
}

// views is a store of memory that several processes share. bend changes what each
// has of it, and may be nil.
func views(bend func(*bent)) Store {
	wrap := func(v *view) driver.Backend {
		b := &bent{everything: v}
		if bend != nil {
			bend(b)
		}
		return b
	}
	return Store{
		Bubble: true,
		Open: func(tb testing.TB) driver.Backend {
			m := queue.Memory(nil).(everything)
			tb.Cleanup(func() { _ = m.Close() })
			return wrap(newView(m))
		},
		Again: func(_ testing.TB, b driver.Backend) driver.Backend {
			return wrap(newView(b.(*bent).everything.(*view).everything))
		},
		Kill: func(_ testing.TB, b driver.Backend) { b.(*bent).everything.(*view).cancel() },
	}
}

// Several processes on one store keep every rule as one does.
func TestViews(t *testing.T) { TestBackend(t, views(nil)) }

// try runs one rule and returns what it found wrong.
func try(t *testing.T, r rule, w Store) []string {
	t.Helper()
	return r.Faults(t, func(tb testing.TB) *trial { return newTrial(tb, w) })
}
