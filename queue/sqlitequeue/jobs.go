package sqlitequeue

import (
	"database/sql"
	"encoding/json"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// A row is what has to be known of a job to move it.
type row struct {
	seq       int64
	queue, id string
	key, uniq sql.NullString
	until     int64
	grp       sql.NullString
	due       int64
	expires   int64
	keep      int64
	state     int
	fence     int64
	settled   int64
	cancel    bool
	err       sql.NullString
}

const rowColumns = "SELECT seq, queue, id, key, uniq, uniq_until, grp, due, expires, keep, state, fence, settled, cancel, err FROM antiphon_jobs "

// rows returns the jobs that a condition is true for.
func (t *tx) rows(where string, args ...any) (all []row, err error) {
	rows, err := t.on.query(t.ctx, rowColumns+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var j row
		if err := rows.Scan(&j.seq, &j.queue, &j.id, &j.key, &j.uniq, &j.until, &j.grp, &j.due, &j.expires, &j.keep,
			&j.state, &j.fence, &j.settled, &j.cancel, &j.err); err != nil {
			return nil, err
		}
		all = append(all, j)
	}
	return all, rows.Err()
}

// sweep does what is due in a queue, once in a transaction.
func (t *tx) sweep(queue string) error {
	q := t.count(queue)
	if q.swept {
		return nil
	}
	q.swept = true
	var forget, expire, due bool
	if _, err := t.row(`SELECT EXISTS (SELECT 1 FROM antiphon_ended WHERE queue = ?1 AND expires > 0 AND expires <= ?2),
		EXISTS (SELECT 1 FROM antiphon_jobs WHERE queue = ?1 AND expires > 0 AND expires <= ?2 AND state <> 1),
		EXISTS (SELECT 1 FROM antiphon_jobs WHERE queue = ?1 AND state IN (1, 2) AND due <= ?2)`, []any{queue, t.now}, &forget, &expire, &due); err != nil {
		return err
	}
	if forget {
		if _, err := t.exec("DELETE FROM antiphon_ended WHERE queue = ? AND expires > 0 AND expires <= ?", queue, t.now); err != nil {
			return err
		}
	}
	if expire {
		if err := t.sweepExpired(queue); err != nil {
			return err
		}
	}
	if due || expire { // what has ended may have let another of its group come forward
		return t.sweepDue(queue)
	}
	return nil
}

func (t *tx) sweepExpired(queue string) error {
	expiring, err := t.rows("WHERE queue = ? AND expires > 0 AND expires <= ? AND state <> 1", queue, t.now)
	if err != nil {
		return err
	}
	for _, j := range expiring {
		if err := t.expire(j); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) sweepDue(queue string) error {
	timed, err := t.rows("WHERE queue = ? AND state IN (1, 2) AND due <= ? ORDER BY due, seq", queue, t.now)
	if err != nil {
		return err
	}
	for _, j := range timed {
		if j.state == leased {
			if over, err := t.over(j); over || err != nil {
				if err != nil {
					return err
				}
				continue
			}
			t.count(queue).waiting++
		}
		if err := t.move(j, ready, t.now, j.due*1000); err != nil {
			return err
		}
	}
	return nil
}

// over ends a job whose lease has ended and that is not to be handed out again. It
// reports false for any other.
func (t *tx) over(j row) (bool, error) {
	switch {
	case j.expires > 0 && j.expires <= t.now:
		return true, t.expire(j)
	case j.cancel:
		return true, t.end(j, ending{state: antiphon.StateCanceled, err: antiphon.FromError(driver.ErrCanceled)})
	}
	return false, nil
}

// move gives a job another state, and a place among the ready ones, now or later.
func (t *tx) move(j row, state int, due, since int64) error {
	if _, err := t.exec("UPDATE antiphon_jobs SET state = ?, due = ?, since = ?, version = version + 1, updated = ? WHERE seq = ?", state, due, since, t.now, j.seq); err != nil {
		return err
	}
	t.tell.ready(j.queue, state == ready, due)
	t.tell.change(j.queue, driver.Change{ID: j.id, State: antiphon.StateQueued, CancelRequested: j.cancel})
	return nil
}

// An ending is how a job ends.
type ending struct {
	state       antiphon.State
	result      []byte
	contentType string
	err         *antiphon.Error
	bury        bool
	fence       int64 // of the lease whose holder ended it or had given it back, or 0
}

// insertEnded begins the statement that makes a job one that has ended: ?2 is whether
// it is buried, ?3 is now.
const insertEnded = `INSERT INTO antiphon_ended
	(seq, queue, id, kind, payload, header, key, uniq, uniq_until, grp, priority, created, ended, expires, keep,
	state, dead, attempt, fence, version, cancel, percent, message, data, result, content_type, err)
	SELECT seq, queue, id, kind, CASE WHEN ?2 OR key IS NOT NULL THEN payload END, header, key, uniq, uniq_until, grp, priority, created, ?3,
	CASE WHEN ?2 THEN 0 ELSE max(?3 + keep, CASE WHEN uniq IS NULL THEN 0 ELSE uniq_until END) END, keep,`

// end moves a job to those that have ended.
func (t *tx) end(j row, how ending) error {
	keep := later(t.now, j.keep) > t.now || j.uniq.Valid && j.until > t.now
	if how.fence == 0 && j.settled == j.fence {
		how.fence = j.settled // its last holder had given it back, and may say so again
	}
	if how.bury || keep {
		text, err := encodeError(how.err)
		if err != nil {
			return err
		}
		if _, err := t.exec(insertEnded+`
			?4, ?2, attempt, ?5, version + 1, cancel, percent, message, data, ?6, ?7, ?8 FROM antiphon_jobs WHERE seq = ?1`,
			j.seq, how.bury, t.now, string(how.state), how.fence, how.result, how.contentType, text); err != nil {
			return err
		}
	}
	return t.gone(j, how.state)
}

// gone is what remains to be done of a job that has ended.
func (t *tx) gone(j row, state antiphon.State) error {
	n := t.count(j.queue)
	if j.state != leased {
		n.waiting--
		t.tell.room(j.queue)
	}
	switch state {
	case antiphon.StateSucceeded:
		n.succeeded++
	case antiphon.StateCanceled:
		n.canceled++
	case antiphon.StateExpired:
		n.expired++
	default:
		n.failed++
	}
	if _, err := t.exec("DELETE FROM antiphon_jobs WHERE seq = ?", j.seq); err != nil {
		return err
	}
	t.tell.change(j.queue, driver.Change{ID: j.id, State: state, CancelRequested: j.cancel})
	return t.advanceGroup(j)
}

// advanceGroup lets the next of a group come forward after j has gone.
func (t *tx) advanceGroup(j row) error {
	if !j.grp.Valid || j.state == blocked {
		return nil
	}
	next, err := t.rows("WHERE queue = ? AND grp = ? ORDER BY seq LIMIT 1", j.queue, j.grp.String)
	if err != nil || len(next) == 0 || next[0].state != blocked {
		return err
	}
	if due := next[0].due; due > t.now {
		return t.move(next[0], delayed, due, due*1000)
	}
	return t.move(next[0], ready, t.now, t.b.stamp())
}

// expire ends a job because its time is over.
func (t *tx) expire(j row) error {
	why := driver.ErrExpired
	if last := decodeError(j.err); last != nil {
		why = antiphon.Errorf(antiphon.CodeDeadlineExceeded, "%w: %w", why, last)
	}
	return t.end(j, ending{state: antiphon.StateExpired, err: antiphon.FromError(why)})
}

func encodeError(e *antiphon.Error) (any, error) {
	if e == nil {
		return nil, nil
	}
	b, err := json.Marshal(e)
	return string(b), err
}

func decodeError(s sql.NullString) *antiphon.Error {
	if !s.Valid {
		return nil
	}
	e := new(antiphon.Error)
	if json.Unmarshal([]byte(s.String), e) != nil {
		return &antiphon.Error{Code: antiphon.CodeDataLoss, Message: "sqlitequeue: the stored error cannot be read"}
	}
	return e
}

// left is how long a job has before it expires, or 0 if it does not.
func left(expires, now int64) time.Duration {
	if expires == 0 {
		return 0
	}
	return span(max(expires-now, 1))
}

// span is ms as a duration, and never wraps.
func span(ms int64) time.Duration {
	if ms > int64(1<<63-1)/int64(time.Millisecond) {
		return 1<<63 - 1
	}
	return time.Duration(ms) * time.Millisecond
}
