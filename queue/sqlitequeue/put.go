package sqlitequeue

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue/driver"
	"github.com/antiphon-go/antiphon/queue/sqlitequeue/internal/headers"
)

// Put stores jobs in a transaction that they share with other calls.
func (b *Backend) Put(ctx context.Context, r driver.PutRequest) (placed []driver.Placed, err error) {
	if err := b.checkPayloads(r.Jobs); err != nil {
		return nil, err
	}
	for {
		room := b.hub.wait(r.Queue) // before looking, so that nothing is missed
		err = b.do(ctx, r.Queue, func(t *tx) (err error) {
			placed, err = t.put(&r)
			return err
		})
		if err != errNoRoom {
			b.hub.leave(r.Queue, room)
			return placed, err
		}
		select {
		case <-room:
		case <-ctx.Done():
			b.hub.leave(r.Queue, room)
			return nil, gaveUp(ctx, antiphon.ClassNotAccepted)
		case <-b.closing:
			b.hub.leave(r.Queue, room)
			return nil, driver.ErrClosed
		}
		b.hub.leave(r.Queue, room)
	}
}

// errNoRoom is that of a Put that is to wait.
var errNoRoom error = &antiphon.Error{Code: antiphon.CodeResourceExhausted, Message: "sqlitequeue: no room yet"}

func (b *Backend) checkPayloads(jobs []driver.Envelope) error {
	for i := range jobs {
		if err := b.tooLarge(len(jobs[i].Payload)); err != nil {
			return err
		}
	}
	return nil
}

// PutTx stores jobs in a transaction of the caller's, who commits it. It does not wait
// for room: a full queue is ErrFull also where r.Overflow is Block. Nothing is claimed.
// An error leaves the transaction as it was, unless it is the database's.
//
// It is the database's, with code unavailable, if the transaction has read before,
// without writing, and another has written since: SQLite lets no such transaction
// write. Let it write first, or begin as BEGIN IMMEDIATE, which drivers do by a
// parameter: _txlock=immediate.
func (b *Backend) PutTx(ctx context.Context, dbtx *sql.Tx, r driver.PutRequest) ([]driver.Placed, error) {
	if dbtx == nil {
		return nil, antiphon.Errorf(antiphon.CodeInvalidArgument, "sqlitequeue: PutTx needs a transaction")
	}
	if b.isClosed() {
		return nil, driver.ErrClosed
	}
	if err := b.checkPayloads(r.Jobs); err != nil {
		return nil, err
	}
	r.Claim = 0
	t := &tx{ctx: ctx, on: inTx{dbtx}, now: b.now(), b: b, tell: &news{}}
	if err := t.lock(); err != nil {
		return nil, storeError(err)
	}
	err := t.sweep(r.Queue)
	if err == nil {
		err = t.flush()
	}
	var placed []driver.Placed
	if err == nil {
		placed, err = t.put(&r)
	}
	if err == nil {
		err = t.flush()
	}
	switch {
	case err == errNoRoom:
		return nil, driver.ErrFull
	case err != nil:
		return nil, storeError(err)
	}
	return placed, nil
}

// lock makes a transaction of the caller's one that writes, before anything is read in
// it that another could change. For that it waits, although the caller's connection may
// not be one that does.
func (t *tx) lock() error {
	was := 0
	if _, err := t.row("PRAGMA busy_timeout", nil, &was); err != nil {
		return err
	}
	if busy := int(t.b.opts.Busy.Milliseconds()); was < busy {
		if err := t.busy(busy); err != nil {
			return err
		}
		defer func() { _ = t.busy(was) }()
	}
	_, err := t.exec("UPDATE antiphon_reports_made SET n = n WHERE n < 0")
	return err
}

func (t *tx) busy(ms int) error {
	_, err := t.row(fmt.Sprintf("PRAGMA busy_timeout = %d", ms), nil, new(int))
	return err
}

type inTx struct{ tx *sql.Tx }

func (x inTx) exec(ctx context.Context, q string, args ...any) (sql.Result, error) {
	return x.tx.ExecContext(ctx, q, args...)
}

func (x inTx) query(ctx context.Context, q string, args ...any) (*sql.Rows, error) {
	return x.tx.QueryContext(ctx, q, args...)
}

func (t *tx) put(r *driver.PutRequest) ([]driver.Placed, error) {
	placed, fresh, err := t.duplicates(r)
	if err != nil {
		return nil, err
	}
	waiting, paused, err := t.queue(r.Queue)
	if err != nil {
		return nil, err
	}
	if excess := waiting + int64(fresh) - int64(r.Capacity); r.Capacity > 0 && fresh > 0 && excess > 0 {
		switch {
		case fresh > r.Capacity, r.Overflow == driver.Reject:
			return nil, driver.ErrFull
		case r.Overflow == driver.Block:
			return nil, errNoRoom
		}
		if err := t.dropOldest(r.Queue, excess); err != nil {
			return nil, err
		}
	}
	claim := r.Claim > 0 && !paused
	for i := range r.Jobs {
		if placed != nil && placed[i].Duplicate {
			continue
		}
		l, err := t.insert(r, &r.Jobs[i], claim && i == 0)
		if err != nil {
			return nil, err
		}
		if l != nil {
			if placed == nil {
				placed = fill(r.Jobs)
			}
			placed[i].Leased = l
		}
	}
	return placed, nil
}

func fill(jobs []driver.Envelope) []driver.Placed {
	placed := make([]driver.Placed, len(jobs))
	for i := range jobs {
		placed[i].ID = jobs[i].ID
	}
	return placed
}

// duplicates finds the jobs that are there already.
func (t *tx) duplicates(r *driver.PutRequest) (placed []driver.Placed, fresh int, err error) {
	type first struct {
		id      string
		payload []byte
	}
	within := map[string]first{}
	for i := range r.Jobs {
		e := &r.Jobs[i]
		id, err := t.known(r.Queue, e)
		if err != nil {
			return nil, 0, err
		}
		if id == "" && len(r.Jobs) > 1 {
			names := [...]string{"i" + e.ID, "k" + e.Key, "u" + e.Unique}
			for j, n := range names {
				f, ok := within[n]
				if !ok || len(n) == 1 {
					continue
				}
				if j == 1 && !bytes.Equal(f.payload, e.Payload) {
					return nil, 0, driver.ErrKeyReused
				}
				id = f.id
				break
			}
			if id == "" {
				for _, n := range names {
					within[n] = first{e.ID, e.Payload}
				}
			}
		}
		if id == "" {
			fresh++
			continue
		}
		if placed == nil {
			placed = fill(r.Jobs)
		}
		placed[i] = driver.Placed{ID: id, Duplicate: true}
	}
	return placed, fresh, nil
}

// known returns the id of the job of which e is a duplicate, or nothing.
func (t *tx) known(queue string, e *driver.Envelope) (id string, err error) {
	if there, err := t.row(`SELECT id FROM antiphon_jobs WHERE id = ?1 UNION ALL
		SELECT id FROM antiphon_ended WHERE id = ?1`, []any{e.ID}, &id); there || err != nil {
		return id, err
	}
	if e.Key != "" {
		var payload []byte
		there, err := t.row(`SELECT id, payload FROM antiphon_jobs WHERE queue = ?1 AND key = ?2 UNION ALL
			SELECT id, payload FROM antiphon_ended WHERE queue = ?1 AND key = ?2 AND (expires = 0 OR expires > ?3)`,
			[]any{queue, e.Key, t.now}, &id, &payload)
		switch {
		case err != nil:
			return "", err
		case there && !bytes.Equal(payload, e.Payload):
			return "", driver.ErrKeyReused
		case there:
			return id, nil
		}
	}
	if e.Unique != "" {
		_, err := t.row(`SELECT id FROM antiphon_jobs WHERE queue = ?1 AND uniq = ?2 UNION ALL
			SELECT id FROM antiphon_ended WHERE queue = ?1 AND uniq = ?2 AND uniq_until > ?3`,
			[]any{queue, e.Unique, t.now}, &id)
		return id, err
	}
	return "", nil
}

// insert stores a job, and leases it to who puts it if it would be handed out next
// anyway.
func (t *tx) insert(r *driver.PutRequest, e *driver.Envelope, claim bool) (*driver.Leased, error) {
	due, state, expires, until := later(t.now, millis(e.Delay)), ready, int64(0), int64(0)
	if due > t.now {
		state = delayed
	}
	if e.TTL > 0 {
		expires = later(t.now, millis(e.TTL))
	}
	if e.UniqueFor > 0 {
		until = later(t.now, millis(e.UniqueFor))
	}
	if e.Group != "" {
		one := 0
		behind, err := t.row("SELECT 1 FROM antiphon_jobs WHERE queue = ? AND grp = ? LIMIT 1", []any{r.Queue, e.Group}, &one)
		if err != nil {
			return nil, err
		}
		if behind {
			state = blocked
		}
	}
	if claim = claim && state == ready; claim {
		one := 0
		others, err := t.row("SELECT 1 FROM antiphon_jobs WHERE queue = ? AND state = 0 AND priority >= ? LIMIT 1", []any{r.Queue, e.Priority}, &one)
		if err != nil {
			return nil, err
		}
		claim = !others
	}
	fence, since := 0, due*1000
	if due <= t.now {
		since = t.b.stamp()
	}
	if claim {
		state, due, fence = leased, later(t.now, millis(r.Lease)), 1
		t.count(r.Queue).taken++
	} else {
		t.count(r.Queue).waiting++
		t.tell.ready(r.Queue, state == ready, due)
	}
	if _, err := t.exec(`INSERT INTO antiphon_jobs
		(queue, id, kind, payload, header, key, uniq, uniq_until, grp, priority, created, updated, since, due, expires, keep, state, attempt, fence)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?11, ?17, ?12, ?13, ?14, ?15, ?16, ?16)`,
		r.Queue, e.ID, e.Kind, e.Payload, headers.Encode(e.Header), orNull(e.Key), orNull(e.Unique), until, orNull(e.Group), e.Priority,
		t.now, due, expires, millis(e.Keep), state, fence, since); err != nil {
		return nil, err
	}
	if !claim {
		return nil, nil
	}
	return &driver.Leased{
		Lease: driver.Lease{ID: e.ID, Fence: 1}, Kind: e.Kind, Payload: e.Payload, Header: e.Header,
		Key: e.Key, Group: e.Group, Priority: e.Priority, Attempt: 1, Left: left(expires, t.now),
	}, nil
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// dropOldest ends the n jobs that have waited longest.
func (t *tx) dropOldest(queue string, n int64) error {
	jobs, err := t.rows("WHERE queue = ? AND state <> 1 ORDER BY seq LIMIT ?", queue, n)
	if err != nil {
		return err
	}
	for _, j := range jobs {
		if err := t.end(j, ending{state: antiphon.StateFailed, err: antiphon.FromError(driver.ErrDropped)}); err != nil {
			return err
		}
	}
	return nil
}
