package sqlitequeue

import (
	"context"
	"database/sql"
	"errors"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// maxBatch is how many calls share a transaction.
const maxBatch = 256

// A call is what is to be done in a transaction.
type call struct {
	queue string
	// do does it. An error that is the caller's fault, or says that it cannot be done
	// now, comes before anything is written.
	do    func(t *tx) error
	err   error
	done  chan struct{} // closed when the transaction has ended
	state atomic.Int32
}

// The states of a call.
const (
	asked   = 0 // it may be given up
	begun   = 1 // how it ends has to be waited for
	givenUp = 2 // and is not done
)

// begin reports whether the call is to be done.
func (c *call) begin() bool { return c.state.CompareAndSwap(asked, begun) || c.state.Load() == begun }

// giveUp reports whether the call will not be done.
func (c *call) giveUp() bool { return c.state.CompareAndSwap(asked, givenUp) }

// tx is what a call works with.
type tx struct {
	ctx context.Context
	on  runner
	now int64
	b   *Backend
	// tell is what to tell who waits, when the transaction is committed.
	tell *news
	// queues are those that it is about, few.
	queues []*queueState
}

// A queueState is a queue within a transaction.
type queueState struct {
	name   string
	swept  bool
	read   bool // was is what antiphon_queues says
	was    int64
	paused bool
	counts
}

// counts are the changes of a row of antiphon_queues.
type counts struct{ waiting, taken, succeeded, failed, canceled, expired int64 }

func (t *tx) count(queue string) *queueState {
	for _, q := range t.queues {
		if q.name == queue {
			return q
		}
	}
	q := &queueState{name: queue}
	t.queues = append(t.queues, q)
	return q
}

// queue returns how many jobs of a queue wait, and whether it is paused.
func (t *tx) queue(name string) (waiting int64, paused bool, err error) {
	q := t.count(name)
	if !q.read {
		if _, err := t.row("SELECT waiting, paused FROM antiphon_queues WHERE queue = ?", []any{name}, &q.was, &q.paused); err != nil {
			return 0, false, err
		}
		q.read = true
	}
	return q.was + q.waiting, q.paused, nil
}

// flush writes the counts down.
func (t *tx) flush() error {
	for _, q := range t.queues {
		n := q.counts
		if n == (counts{}) {
			continue
		}
		if _, err := t.exec(`INSERT INTO antiphon_queues (queue, waiting, taken, succeeded, failed, canceled, expired) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
			ON CONFLICT (queue) DO UPDATE SET waiting = waiting + ?2, taken = taken + ?3,
			succeeded = succeeded + ?4, failed = failed + ?5, canceled = canceled + ?6, expired = expired + ?7`,
			q.name, n.waiting, n.taken, n.succeeded, n.failed, n.canceled, n.expired); err != nil {
			return err
		}
		q.counts, q.was = counts{}, q.was+n.waiting
	}
	return nil
}

// A runner runs statements by their text.
type runner interface {
	exec(ctx context.Context, q string, args ...any) (sql.Result, error)
	query(ctx context.Context, q string, args ...any) (*sql.Rows, error)
}

func (t *tx) exec(q string, args ...any) (int64, error) {
	r, err := t.on.exec(t.ctx, q, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// row scans the first row, and reports whether there is one.
func (t *tx) row(q string, args []any, into ...any) (bool, error) {
	rows, err := t.on.query(t.ctx, q, args...)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	if !rows.Next() {
		return false, rows.Err()
	}
	if err := rows.Scan(into...); err != nil {
		return false, err
	}
	return true, rows.Err()
}

// A writer owns the connection that writes.
type writer struct {
	b     *Backend
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
	seen  int64 // data_version
}

func (w *writer) stmt(ctx context.Context, q string) (*sql.Stmt, error) {
	s := w.stmts[q]
	if s == nil {
		var err error
		if s, err = w.conn.PrepareContext(ctx, q); err != nil {
			return nil, err
		}
		w.stmts[q] = s
	}
	return s, nil
}

func (w *writer) exec(ctx context.Context, q string, args ...any) (sql.Result, error) {
	s, err := w.stmt(ctx, q)
	if err != nil {
		return nil, err
	}
	return s.ExecContext(ctx, args...)
}

func (w *writer) query(ctx context.Context, q string, args ...any) (*sql.Rows, error) {
	s, err := w.stmt(ctx, q)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

// run serves calls, and looks for what others did while somebody waits for it, however
// busy it is.
func (w *writer) run() {
	b := w.b
	defer close(b.ended)
	defer w.conn.Close()
	defer func() {
		for _, s := range w.stmts {
			_ = s.Close()
		}
	}()
	w.look()
	var timer *clock.Timer
	var tick <-chan time.Time
	defer func() {
		if timer != nil {
			timer.Stop()
		}
	}()
	for {
		if timer == nil && b.hub.waited() {
			timer = b.opts.Clock.Timer(b.opts.Poll)
			tick = timer.C
		}
		select {
		case c := <-b.writer:
			w.serve(c)
		case <-b.hub.came:
		case <-tick:
			timer, tick = nil, nil
			if w.look() {
				b.hub.foreign()
			}
		case <-b.closing:
			w.refuse()
			return
		}
	}
}

// look reports whether others have written.
func (w *writer) look() bool {
	rows, err := w.query(context.Background(), "PRAGMA data_version")
	if err != nil {
		return true
	}
	defer rows.Close()
	v := int64(0)
	if !rows.Next() || rows.Scan(&v) != nil {
		return true
	}
	changed := v != w.seen
	w.seen = v
	return changed
}

// refuse answers those who came too late.
func (w *writer) refuse() {
	for {
		select {
		case c := <-w.b.writer:
			c.err = driver.ErrClosed
			close(c.done)
		default:
			return
		}
	}
}

// serve makes a transaction of c and all who wait.
func (w *writer) serve(c *call) {
	runtime.Gosched() // those whom the last transaction answered may have more to ask
	batch := []*call{c}
	for len(batch) < maxBatch {
		select {
		case c := <-w.b.writer:
			batch = append(batch, c)
			continue
		default:
		}
		break
	}
	news, begun, err := w.transact(batch)
	if err == nil || !begun || len(batch) == 1 {
		w.answer(batch, news, err)
		return
	}
	for _, c := range batch { // one of them may be at fault: each for itself
		news, _, err = w.transact([]*call{c})
		w.answer([]*call{c}, news, err)
	}
}

// answer tells how a transaction went.
func (w *writer) answer(batch []*call, news *news, err error) {
	if err != nil {
		err = w.failed(err)
		for _, c := range batch {
			c.err = err
		}
	}
	w.b.hub.tell(news)
	for _, c := range batch {
		close(c.done)
	}
}

// failed is the error of a transaction that was not made, for who called.
func (w *writer) failed(err error) error {
	name := "sqlite.failed"
	if isBusy(err) {
		name = "sqlite.busy"
	}
	w.b.observe(name, err)
	return storeError(err)
}

// transact does all of batch, or nothing: then it returns an error, and whether it
// had begun. Errors that a call gives are its own.
func (w *writer) transact(batch []*call) (_ *news, begun bool, err error) {
	ctx := context.Background()
	if _, err := w.exec(ctx, "BEGIN IMMEDIATE"); err != nil {
		_, _ = w.exec(ctx, "ROLLBACK") // of one that could not be ended, if there is one
		return nil, false, err
	}
	t := &tx{ctx: ctx, on: w, now: w.b.now(), b: w.b, tell: &news{}}
	if err = w.do(t, batch); err == nil {
		_, err = w.exec(ctx, "COMMIT")
	}
	if err != nil {
		_, _ = w.exec(ctx, "ROLLBACK") // fails if SQLite has done it already
		return nil, true, err
	}
	return t.tell, true, nil
}

func (w *writer) do(t *tx, batch []*call) error {
	for _, c := range batch {
		if !c.begin() {
			continue
		}
		if err := t.sweep(c.queue); err != nil {
			return err
		}
		c.err = nil
		if err := c.do(t); err != nil {
			var d antiphon.Describer
			if !errors.As(err, &d) {
				return err // the store's
			}
			c.err = err
		}
	}
	return t.flush()
}

// do has the writer do something, and waits for the commit. When ctx ends before that
// has been begun, it is not done.
func (b *Backend) do(ctx context.Context, queue string, do func(t *tx) error) error {
	c := &call{queue: queue, do: do, done: make(chan struct{})}
	if b.isClosed() {
		return driver.ErrClosed
	}
	select {
	case b.writer <- c:
	case <-b.closing:
		return driver.ErrClosed
	case <-ctx.Done():
		return gaveUp(ctx, antiphon.ClassNotAccepted)
	}
	select {
	case <-c.done:
		return c.err
	case <-b.ended:
	case <-ctx.Done():
		if c.giveUp() {
			return gaveUp(ctx, antiphon.ClassNotAccepted)
		}
		select {
		case <-c.done:
			return c.err
		case <-b.ended:
		}
	}
	select {
	case <-c.done:
		return c.err
	default:
		return driver.ErrClosed // it came when the last had been answered
	}
}

func gaveUp(ctx context.Context, class antiphon.Class) error {
	e := antiphon.Errorf(antiphon.CodeOf(ctx.Err()), "sqlitequeue: gave up: %w", errors.Join(context.Cause(ctx), ctx.Err()))
	e.Class = class
	return e
}
