package sqlitequeue

import (
	"context"
	"database/sql"
	"errors"
	"strings"
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
	do   func(t *tx) error
	err  error
	done chan struct{} // closed when the transaction has ended
}

// tx is what a call works with.
type tx struct {
	ctx context.Context
	on  runner
	now int64
	b   *Backend
	// tell is what to tell who waits, when the transaction is committed.
	tell *news
	// counts is what changes in antiphon_queues.
	counts map[string]*counts
}

// counts are the changes of a row of antiphon_queues.
type counts struct{ waiting, taken, succeeded, failed, canceled, expired int64 }

func (t *tx) count(queue string) *counts {
	n := t.counts[queue]
	if n == nil {
		if t.counts == nil {
			t.counts = map[string]*counts{}
		}
		n = &counts{}
		t.counts[queue] = n
	}
	return n
}

// flush writes the counts down.
func (t *tx) flush() error {
	for q, n := range t.counts {
		if *n == (counts{}) {
			continue
		}
		if _, err := t.exec(`INSERT INTO antiphon_queues (queue, waiting, taken, succeeded, failed, canceled, expired) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
			ON CONFLICT (queue) DO UPDATE SET waiting = waiting + ?2, taken = taken + ?3,
			succeeded = succeeded + ?4, failed = failed + ?5, canceled = canceled + ?6, expired = expired + ?7`,
			q, n.waiting, n.taken, n.succeeded, n.failed, n.canceled, n.expired); err != nil {
			return err
		}
		*n = counts{}
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

// run serves calls, and looks for what others did while somebody waits for it.
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
	for {
		var timer *clock.Timer
		var tick <-chan time.Time
		if b.hub.waited() {
			timer = b.opts.Clock.Timer(b.opts.Look)
			tick = timer.C
		}
		select {
		case c := <-b.writer:
			w.serve(c)
		case <-b.hub.came: // who came may have missed something
			w.look()
			b.hub.foreign()
		case <-tick:
			if w.look() {
				b.hub.foreign()
			}
		case <-b.closing:
			w.refuse()
			return
		}
		if timer != nil {
			timer.Stop()
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
	news, err := w.transact(batch)
	if err != nil && len(batch) > 1 { // one of them may be at fault: each for itself
		for _, c := range batch {
			if news, err = w.transact([]*call{c}); err != nil {
				c.err = w.failed(err)
			}
			w.b.hub.tell(news)
			close(c.done)
		}
		return
	}
	for _, c := range batch {
		if err != nil {
			c.err = w.failed(err)
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

// storeError gives err a code. None of it was done.
func storeError(err error) error {
	var known antiphon.Describer
	if errors.As(err, &known) {
		return err
	}
	code := antiphon.CodeUnavailable
	if isFull(err) {
		code = antiphon.CodeResourceExhausted
	}
	e := antiphon.Errorf(code, "sqlitequeue: %w", err)
	e.Class = antiphon.ClassNotAccepted
	return e
}

// Drivers have error types of their own, but all keep SQLite's texts.
func isBusy(err error) bool {
	return strings.Contains(err.Error(), "database is locked") || strings.Contains(err.Error(), "SQLITE_BUSY")
}

func isFull(err error) bool {
	return strings.Contains(err.Error(), "disk is full") || strings.Contains(err.Error(), "SQLITE_FULL")
}

// transact does all of batch, or nothing: then it returns an error. Errors that a call
// gives are its own.
func (w *writer) transact(batch []*call) (*news, error) {
	ctx := context.Background()
	if _, err := w.exec(ctx, "BEGIN IMMEDIATE"); err != nil {
		return nil, err
	}
	t := &tx{ctx: ctx, on: w, now: w.b.now(), b: w.b, tell: &news{}}
	err := w.do(t, batch)
	if err == nil {
		_, err = w.exec(ctx, "COMMIT")
	}
	if err != nil {
		_, _ = w.exec(ctx, "ROLLBACK") // fails if SQLite has done it already
		return nil, err
	}
	return t.tell, nil
}

func (w *writer) do(t *tx, batch []*call) error {
	var swept map[string]bool
	for _, c := range batch {
		if !swept[c.queue] {
			if swept == nil {
				swept = map[string]bool{}
			}
			swept[c.queue] = true
			if err := t.sweep(c.queue); err != nil {
				return err
			}
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

// do has the writer do something, and waits for the commit, but not for ever.
func (b *Backend) do(ctx context.Context, queue string, do func(t *tx) error) error {
	c := &call{queue: queue, do: do, done: make(chan struct{})}
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
		select {
		case <-c.done:
			return c.err
		default:
			return driver.ErrClosed
		}
	}
}

func gaveUp(ctx context.Context, class antiphon.Class) error {
	e := antiphon.Errorf(antiphon.CodeOf(ctx.Err()), "sqlitequeue: gave up: %w", errors.Join(context.Cause(ctx), ctx.Err()))
	e.Class = class
	return e
}
