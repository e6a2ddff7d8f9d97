package sqlitequeue

import (
	"context"
	"database/sql"
	"encoding/json"
	"strings"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue/driver"
	"github.com/antiphon-go/antiphon/queue/sqlitequeue/internal/headers"
)

// The columns of a record, of a job and of one that has ended.
const (
	liveRecord  = "seq, id, kind, payload, header, key, uniq, grp, priority, created, updated, expires, CASE state WHEN 1 THEN 'running' ELSE 'queued' END, 0, attempt, version, cancel, percent, message, data, NULL, '', err, CASE state WHEN 1 THEN due ELSE expires END FROM antiphon_jobs"
	endedRecord = "seq, id, kind, payload, header, key, uniq, grp, priority, created, ended, expires, state, 1, attempt, version, cancel, percent, message, data, result, content_type, err, 0 FROM antiphon_ended"
)

// scanRecord returns a record, and when it is to become another by itself, or 0.
func scanRecord(rows *sql.Rows) (r driver.Record, until int64, err error) {
	var header []byte
	var key, uniq, grp, text sql.NullString
	var seq, created, updated, expires int64
	var state string
	var ended bool
	if err := rows.Scan(&seq, &r.ID, &r.Kind, &r.Payload, &header, &key, &uniq, &grp, &r.Priority, &created, &updated, &expires,
		&state, &ended, &r.Attempt, &r.Version, &r.CancelRequested, &r.Percent, &r.Message, &r.Data, &r.Result, &r.ContentType, &text, &until); err != nil {
		return r, 0, err
	}
	r.State = antiphon.State(state)
	r.Created, r.Updated = time.UnixMilli(created), time.UnixMilli(updated)
	if ended {
		r.Ended = r.Updated
	}
	if expires > 0 {
		r.Expires = time.UnixMilli(expires)
	}
	r.Key, r.Unique, r.Group = key.String, uniq.String, grp.String
	r.Err = decodeError(text)
	r.Header, _ = headers.Decode(header) // one that cannot be read hides nothing else
	return r, until, nil
}

// read returns the records of a query. If something is due in the queue that concerns
// one of them, the writer does it first.
func (b *Backend) read(ctx context.Context, queue string, payload bool, q string, args ...any) ([]driver.Record, error) {
	all, due, err := b.readOnce(ctx, payload, q, args)
	if err != nil || !due {
		return all, err
	}
	if err := b.do(ctx, queue, func(*tx) error { return nil }); err != nil {
		return nil, err
	}
	all, _, err = b.readOnce(ctx, payload, q, args)
	return all, err
}

func (b *Backend) readOnce(ctx context.Context, payload bool, q string, args []any) (all []driver.Record, due bool, err error) {
	rows, err := b.db.QueryContext(ctx, q, args...)
	if err != nil {
		return nil, false, storeError(err)
	}
	defer rows.Close()
	now := b.now()
	for rows.Next() {
		r, until, err := scanRecord(rows)
		if err != nil {
			return nil, false, storeError(err)
		}
		due = due || until > 0 && until <= now
		if !payload {
			r.Payload = nil
		}
		all = append(all, r)
	}
	if err := rows.Err(); err != nil {
		return nil, false, storeError(err)
	}
	return all, due, nil
}

// list is ids for json_each.
func list(ids []string) string {
	b, _ := json.Marshal(ids)
	return string(b)
}

// Lookup reads beside the writer.
func (b *Backend) Lookup(ctx context.Context, queue string, ids []string, payload bool) ([]driver.Record, error) {
	if b.isClosed() {
		return nil, driver.ErrClosed
	}
	if len(ids) == 0 {
		return nil, nil
	}
	return b.read(ctx, queue, payload, "SELECT "+liveRecord+" WHERE queue = ?1 AND id IN (SELECT value FROM json_each(?2)) UNION ALL SELECT "+
		endedRecord+" WHERE queue = ?1 AND id IN (SELECT value FROM json_each(?2)) AND (expires = 0 OR expires > ?3)", queue, list(ids), b.now())
}

// List reads beside the writer.
func (b *Backend) List(ctx context.Context, queue string, l driver.ListRequest) ([]driver.Record, error) {
	if b.isClosed() {
		return nil, driver.ErrClosed
	}
	before := int64(1<<63 - 1)
	if l.After != "" {
		err := b.db.QueryRowContext(ctx, "SELECT seq FROM antiphon_jobs WHERE id = ?1 UNION ALL SELECT seq FROM antiphon_ended WHERE id = ?1", l.After).Scan(&before)
		if err == sql.ErrNoRows {
			return nil, driver.ErrUnknownJob
		}
		if err != nil {
			return nil, storeError(err)
		}
	}
	where, args := " WHERE queue = ? AND seq < ?", []any{queue, before}
	if l.Kind != "" {
		where += " AND kind = ?"
		args = append(args, l.Kind)
	}
	live, ended := where, where+" AND (expires = 0 OR expires > ?)"
	liveArgs, endedArgs := args, append(append([]any(nil), args...), b.now())
	switch l.State {
	case "":
	case antiphon.StateQueued:
		live += " AND state <> 1"
	case antiphon.StateRunning:
		live += " AND state = 1"
	default:
		ended += " AND state = ?"
		endedArgs = append(endedArgs, string(l.State))
	}
	var parts []string
	var all []any
	isLive := l.State == antiphon.StateQueued || l.State == antiphon.StateRunning
	if l.State == "" || isLive {
		parts = append(parts, "SELECT * FROM (SELECT "+liveRecord+live+" ORDER BY seq DESC LIMIT ?)")
		all = append(append(all, liveArgs...), max(l.Limit, 1))
	}
	if !isLive { // or a word that no job's state is
		parts = append(parts, "SELECT * FROM (SELECT "+endedRecord+ended+" ORDER BY seq DESC LIMIT ?)")
		all = append(append(all, endedArgs...), max(l.Limit, 1))
	}
	return b.read(ctx, queue, false, strings.Join(parts, " UNION ALL ")+" ORDER BY 1 DESC LIMIT ?", append(all, max(l.Limit, 1))...)
}

// Forget makes jobs that have ended unknown.
func (b *Backend) Forget(ctx context.Context, queue string, ids []string) (n int, err error) {
	err = b.do(ctx, queue, func(t *tx) error {
		gone, err := t.exec("DELETE FROM antiphon_ended WHERE queue = ? AND id IN (SELECT value FROM json_each(?))", queue, list(ids))
		n = int(gone)
		return err
	})
	return n, err
}

// Dead reads beside the writer.
func (b *Backend) Dead(ctx context.Context, queue, after string, limit int) ([]driver.Record, error) {
	if b.isClosed() {
		return nil, driver.ErrClosed
	}
	last := int64(0)
	if after != "" {
		err := b.db.QueryRowContext(ctx, "SELECT nth FROM antiphon_ended WHERE queue = ? AND id = ? AND dead = 1", queue, after).Scan(&last)
		if err == sql.ErrNoRows {
			return nil, driver.ErrUnknownJob
		}
		if err != nil {
			return nil, storeError(err)
		}
	}
	return b.read(ctx, queue, true, "SELECT "+endedRecord+" WHERE queue = ? AND dead = 1 AND nth > ? ORDER BY nth LIMIT ?", queue, last, max(limit, 1))
}

// dead returns the condition, and its arguments, for dead letters of ids, or all.
func dead(queue string, ids []string) (string, []any) {
	if ids == nil {
		return " WHERE queue = ? AND dead = 1", []any{queue}
	}
	return " WHERE queue = ? AND dead = 1 AND id IN (SELECT value FROM json_each(?))", []any{queue, list(ids)}
}

// atOnce is how many dead letters are dealt with in one transaction, so that others
// get their turn.
const atOnce = 256

// deadly does something with dead letters, some in each transaction, until there are no
// more of those that were there when it began. What was done before an error stays.
func (b *Backend) deadly(ctx context.Context, queue string, ids []string, do func(t *tx, nth int64) error) (n int, err error) {
	last, until := int64(0), int64(0)
	for {
		var some []int64
		err := b.do(ctx, queue, func(t *tx) (err error) {
			if until == 0 {
				if _, err := t.row("SELECT coalesce(max(nth), 0) FROM antiphon_ended WHERE queue = ? AND dead = 1", []any{queue}, &until); err != nil {
					return err
				}
			}
			where, args := dead(queue, ids)
			some, err = t.numbers("SELECT nth FROM antiphon_ended"+where+" AND nth > ? AND nth <= ? ORDER BY nth LIMIT ?", append(args, last, until, atOnce)...)
			for _, nth := range some {
				if err == nil {
					err = do(t, nth)
				}
			}
			return err
		})
		if err != nil {
			return n, err
		}
		if n += len(some); len(some) < atOnce {
			return n, nil
		}
		last = some[len(some)-1]
	}
}

// numbers returns the only column of a query.
func (t *tx) numbers(q string, args ...any) (all []int64, err error) {
	rows, err := t.on.query(t.ctx, q, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		n := int64(0)
		if err := rows.Scan(&n); err != nil {
			return nil, err
		}
		all = append(all, n)
	}
	return all, rows.Err()
}

// Redrive makes dead letters jobs again, some hundreds in a transaction.
func (b *Backend) Redrive(ctx context.Context, queue string, ids []string) (int, error) {
	return b.deadly(ctx, queue, ids, func(t *tx, nth int64) error { return t.redrive(queue, nth) })
}

func (t *tx) redrive(queue string, nth int64) error {
	if _, err := t.exec(`INSERT INTO antiphon_jobs
		(queue, id, kind, payload, header, key, uniq, uniq_until, grp, priority, created, updated, since, due, expires, keep, state, version, fence)
		SELECT queue, id, kind, payload, header, key, uniq, uniq_until, grp, priority, created, ?2, ?3, ?2, 0, keep,
		CASE WHEN EXISTS (SELECT 1 FROM antiphon_jobs j WHERE j.queue = e.queue AND j.grp = e.grp) THEN 3 ELSE 0 END,
		version + 1, fence FROM antiphon_ended e WHERE nth = ?1`, nth, t.now, t.b.stamp()); err != nil {
		return err
	}
	id := ""
	if _, err := t.row("DELETE FROM antiphon_ended WHERE nth = ? RETURNING id", []any{nth}, &id); err != nil {
		return err
	}
	t.count(queue).waiting++
	t.tell.ready(queue, true, t.now)
	t.tell.change(queue, driver.Change{ID: id, State: antiphon.StateQueued})
	return nil
}

// Purge forgets dead letters, some hundreds in a transaction.
func (b *Backend) Purge(ctx context.Context, queue string, ids []string) (int, error) {
	return b.deadly(ctx, queue, ids, func(t *tx, nth int64) error {
		_, err := t.exec("DELETE FROM antiphon_ended WHERE nth = ?", nth)
		return err
	})
}

// Cancel ends a job that waits, and marks one that is leased.
func (b *Backend) Cancel(ctx context.Context, queue, id string) (r driver.Record, err error) {
	err = b.do(ctx, queue, func(t *tx) error {
		found, err := t.rows("WHERE id = ? AND queue = ?", id, queue)
		if err != nil {
			return err
		}
		for _, j := range found {
			if j.state == leased {
				if j.cancel {
					continue
				}
				if _, err := t.exec("UPDATE antiphon_jobs SET cancel = 1, version = version + 1, updated = ? WHERE seq = ?", t.now, j.seq); err != nil {
					return err
				}
				t.tell.change(queue, driver.Change{ID: id, State: antiphon.StateRunning, CancelRequested: true})
				continue
			}
			j.cancel, j.keep = true, max(j.keep, 1000) // so that it can be shown
			if _, err := t.exec("UPDATE antiphon_jobs SET cancel = 1, keep = ? WHERE seq = ?", j.keep, j.seq); err != nil {
				return err
			}
			if err := t.end(j, ending{state: antiphon.StateCanceled, err: antiphon.FromError(driver.ErrCanceled)}); err != nil {
				return err
			}
		}
		rows, err := t.on.query(t.ctx, "SELECT "+liveRecord+" WHERE queue = ?1 AND id = ?2 UNION ALL SELECT "+endedRecord+" WHERE queue = ?1 AND id = ?2", queue, id)
		if err != nil {
			return err
		}
		defer rows.Close()
		if !rows.Next() {
			if err := rows.Err(); err != nil {
				return err
			}
			return driver.ErrUnknownJob
		}
		r, _, err = scanRecord(rows)
		r.Payload = nil
		return err
	})
	return r, err
}

// Pause stops or resumes handing out.
func (b *Backend) Pause(ctx context.Context, queue string, paused bool) error {
	return b.do(ctx, queue, func(t *tx) error {
		t.tell.ready(queue, true, t.now)
		t.count(queue).paused = paused
		_, err := t.exec("INSERT INTO antiphon_queues (queue, paused) VALUES (?1, ?2) ON CONFLICT (queue) DO UPDATE SET paused = ?2", queue, paused)
		return err
	})
}

// Stats counts in the writer, where all that is due has been done.
func (b *Backend) Stats(ctx context.Context, queue string) (s driver.Stats, err error) {
	err = b.do(ctx, queue, func(t *tx) error {
		s = driver.Stats{}
		if err := t.flush(); err != nil {
			return err
		}
		waiting := 0
		if _, err := t.row("SELECT paused, waiting, taken, succeeded, failed, canceled, expired FROM antiphon_queues WHERE queue = ?", []any{queue},
			&s.Paused, &waiting, &s.Taken, &s.Succeeded, &s.Failed, &s.Canceled, &s.Expired); err != nil {
			return err
		}
		var oldest sql.NullInt64
		if _, err := t.row("SELECT count(*), min(since) FROM antiphon_jobs WHERE queue = ? AND state = 0", []any{queue}, &s.Ready, &oldest); err != nil {
			return err
		}
		if oldest.Valid && oldest.Int64 > 0 {
			s.Oldest = span(max(t.now-oldest.Int64/1000, 0))
		}
		s.Delayed = waiting - s.Ready
		if _, err := t.row("SELECT count(*) FROM antiphon_jobs WHERE queue = ? AND state = 1", []any{queue}, &s.Running); err != nil {
			return err
		}
		_, err := t.row("SELECT count(*), coalesce(sum(dead), 0) FROM antiphon_ended WHERE queue = ?", []any{queue}, &s.Kept, &s.Dead)
		return err
	})
	return s, err
}
