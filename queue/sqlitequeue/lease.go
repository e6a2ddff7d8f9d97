package sqlitequeue

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue/driver"
	"github.com/antiphon-go/antiphon/queue/sqlitequeue/internal/headers"
)

// Take leases jobs, and waits for some.
func (b *Backend) Take(ctx context.Context, into []driver.Leased, r driver.TakeRequest) ([]driver.Leased, error) {
	var over <-chan time.Time
	if r.Wait > 0 {
		timer := b.opts.Clock.Timer(r.Wait)
		defer timer.Stop()
		over = timer.C
	}
	for {
		if ctx.Err() != nil {
			return into, gaveUp(ctx, antiphon.ClassNotAccepted)
		}
		news := b.hub.wait(r.Queue) // before looking, so that nothing is missed
		n, next := len(into), int64(0)
		err := b.do(ctx, r.Queue, func(t *tx) (err error) {
			into, next, err = t.take(into[:n], &r)
			return err
		})
		if err != nil || len(into) > n {
			b.hub.leave(r.Queue, news)
			return into, err
		}
		again, stop := b.after(next)
		select {
		case <-news:
		case <-again:
		case <-over:
			b.hub.leave(r.Queue, news)
			stop()
			return into, nil
		case <-ctx.Done():
		case <-b.closing:
			b.hub.leave(r.Queue, news)
			stop()
			return into, driver.ErrClosed
		}
		b.hub.leave(r.Queue, news)
		stop()
	}
}

// after returns a channel that gives something at a time, or never for 0.
func (b *Backend) after(at int64) (<-chan time.Time, func()) {
	if at == 0 {
		return nil, func() {}
	}
	timer := b.opts.Clock.Timer(span(max(at-b.now(), 1)))
	return timer.C, func() { timer.Stop() }
}

// take leases what is ready, or tells when to look again.
func (t *tx) take(into []driver.Leased, r *driver.TakeRequest) (_ []driver.Leased, next int64, err error) {
	_, paused, err := t.queue(r.Queue)
	if err != nil {
		return into, 0, err
	}
	n := len(into)
	if !paused {
		if into, err = t.lease(into, r); err != nil || len(into) > n {
			return into, 0, err
		}
	}
	var at sql.NullInt64
	_, err = t.row("SELECT min(due) FROM antiphon_jobs WHERE queue = ? AND state IN (1, 2)", []any{r.Queue}, &at)
	return into, at.Int64, err
}

type turn struct {
	driver.Leased
	since, seq int64
}

func (t *tx) lease(into []driver.Leased, r *driver.TakeRequest) ([]driver.Leased, error) {
	rows, err := t.on.query(t.ctx, `UPDATE antiphon_jobs
		SET state = 1, due = ?1, attempt = attempt + 1, fence = fence + 1, version = version + 1, updated = ?2
		WHERE seq IN (SELECT seq FROM antiphon_jobs WHERE queue = ?3 AND state = 0 ORDER BY priority DESC, since, seq LIMIT ?4)
		RETURNING seq, since, id, fence, kind, payload, header, key, grp, priority, attempt, checkpoint, created, expires, cancel`,
		later(t.now, millis(r.Lease)), t.now, r.Queue, max(r.Max, 1))
	if err != nil {
		return into, err
	}
	defer rows.Close()
	var turns []turn
	var broken []int64
	for rows.Next() {
		var l turn
		var header []byte
		var key, grp sql.NullString
		var created, expires int64
		if err := rows.Scan(&l.seq, &l.since, &l.ID, &l.Fence, &l.Kind, &l.Payload, &header, &key, &grp, &l.Priority,
			&l.Attempt, &l.Checkpoint, &created, &expires, &l.CancelRequested); err != nil {
			return into, err
		}
		if l.Header, err = headers.Decode(header); err != nil {
			broken = append(broken, l.seq)
			continue
		}
		l.Key, l.Group = key.String, grp.String
		l.Age, l.Left = span(max(t.now-created, 0)), left(expires, t.now)
		turns = append(turns, l)
	}
	if err := rows.Err(); err != nil {
		return into, err
	}
	if err := rows.Close(); err != nil {
		return into, err
	}
	slices.SortFunc(turns, func(a, b turn) int {
		return cmp.Or(cmp.Compare(b.Priority, a.Priority), cmp.Compare(a.since, b.since), cmp.Compare(a.seq, b.seq))
	})
	for _, l := range turns {
		into = append(into, l.Leased)
		t.tell.change(r.Queue, driver.Change{ID: l.ID, State: antiphon.StateRunning, CancelRequested: l.CancelRequested})
	}
	all := int64(len(turns) + len(broken))
	n := t.count(r.Queue)
	n.waiting -= all
	n.taken += all
	if all > 0 {
		t.tell.room(r.Queue)
	}
	return into, t.buryBroken(broken)
}

// buryBroken makes dead letters of jobs that cannot be read, so that they harm no
// others.
func (t *tx) buryBroken(seqs []int64) error {
	for _, seq := range seqs {
		found, err := t.rows("WHERE seq = ?", seq)
		if err != nil {
			return err
		}
		for _, j := range found {
			if err := t.end(j, ending{state: antiphon.StateFailed, err: antiphon.FromError(headers.ErrUnreadable), bury: true, fence: j.fence}); err != nil {
				return err
			}
		}
	}
	return nil
}

// each does something with each of n leases, in one transaction, and gathers the
// errors: nil if there are none.
func (b *Backend) each(ctx context.Context, queue string, n int, do func(t *tx, i int) error) (errs []error) {
	if n == 0 {
		return nil
	}
	err := b.do(ctx, queue, func(t *tx) error {
		errs = nil
		for i := range n {
			err := do(t, i)
			if err == nil {
				continue
			}
			if !isOurs(err) {
				return err
			}
			if errs == nil {
				errs = make([]error, n)
			}
			errs[i] = err
		}
		return nil
	})
	if err != nil {
		errs = make([]error, n)
		for i := range errs {
			errs[i] = err
		}
	}
	return errs
}

func isOurs(err error) bool {
	_, ok := err.(antiphon.Describer)
	return ok
}

// held returns the job that l leases.
func (t *tx) held(queue string, l driver.Lease) (row, error) {
	found, err := t.rows("WHERE id = ? AND queue = ?", l.ID, queue)
	switch {
	case err != nil:
		return row{}, err
	case len(found) == 0:
		return row{}, driver.ErrLeaseLost
	case found[0].fence != l.Fence || found[0].state != leased:
		return found[0], driver.ErrLeaseLost
	}
	return found[0], nil
}

// Extend makes leases last.
func (b *Backend) Extend(ctx context.Context, queue string, x []driver.Extension) []error {
	return b.each(ctx, queue, len(x), func(t *tx, i int) error {
		if err := b.tooLarge(len(x[i].Checkpoint)); err != nil {
			return err
		}
		j, err := t.held(queue, x[i].Lease)
		if err != nil {
			return err
		}
		if err := t.extend(j, &x[i]); err != nil {
			return err
		}
		if j.cancel {
			return driver.ErrCanceled
		}
		return nil
	})
}

func (t *tx) extend(j row, x *driver.Extension) error {
	if _, err := t.exec("UPDATE antiphon_jobs SET due = ? WHERE seq = ?", later(t.now, millis(x.For)), j.seq); err != nil {
		return err
	}
	if x.Checkpoint != nil {
		if _, err := t.exec("UPDATE antiphon_jobs SET checkpoint = ? WHERE seq = ?", x.Checkpoint, j.seq); err != nil {
			return err
		}
	}
	p := x.Progress
	if p == nil {
		return nil
	}
	data, _ := p.Data.([]byte)
	if _, err := t.exec("UPDATE antiphon_reports_made SET n = n + 1"); err != nil {
		return err
	}
	if _, err := t.exec(`UPDATE antiphon_jobs SET percent = ?, message = ?, data = ?, version = version + 1, updated = ?,
		reported = (SELECT n FROM antiphon_reports_made) WHERE seq = ?`, p.Percent, p.Message, data, t.now, j.seq); err != nil {
		return err
	}
	t.tell.change(j.queue, driver.Change{ID: j.id, State: antiphon.StateRunning, CancelRequested: j.cancel, Progress: true})
	return nil
}

// Settle ends leases.
func (b *Backend) Settle(ctx context.Context, queue string, s []driver.Settlement) []error {
	return b.each(ctx, queue, len(s), func(t *tx, i int) error {
		if err := b.tooLarge(len(s[i].Result)); err != nil {
			return err
		}
		return t.settle(queue, &s[i])
	})
}

func (t *tx) settle(queue string, x *driver.Settlement) error {
	if x.Outcome == driver.Done || x.Outcome == driver.Bury {
		if done, err := t.endHeld(queue, x); done || err != nil {
			return err
		}
	}
	j, err := t.held(queue, x.Lease)
	if err == driver.ErrLeaseLost {
		if j.id != "" && j.fence == x.Fence && j.settled == x.Fence {
			return nil // this is being said again
		}
		one := 0
		if again, err := t.row("SELECT 1 FROM antiphon_ended WHERE id = ? AND queue = ? AND fence = ?", []any{x.ID, queue, x.Fence}, &one); again || err != nil {
			return err
		}
		return driver.ErrLeaseLost
	}
	if err != nil {
		return err
	}
	if x.Outcome == driver.Done || x.Outcome == driver.Bury {
		return t.end(j, ending{
			state: x.State, result: x.Result, contentType: x.ContentType, err: x.Err, bury: x.Outcome == driver.Bury, fence: x.Fence,
		})
	}
	due, since, attempts, text := later(t.now, millis(x.Delay)), t.b.stamp(), 0, any(j.err)
	switch x.Outcome {
	case driver.Release:
		attempts, since = -1, 0 // it is older than all who have waited their turn
	case driver.Retry:
		if x.Err != nil {
			if text, err = encodeError(x.Err); err != nil {
				return err
			}
			j.err = sql.NullString{String: text.(string), Valid: true}
		}
	}
	if _, err := t.exec("UPDATE antiphon_jobs SET attempt = attempt + ?, settled = fence, err = ? WHERE seq = ?", attempts, text, j.seq); err != nil {
		return err
	}
	j.settled = j.fence
	if over, err := t.over(j); over || err != nil {
		return err
	}
	t.count(queue).waiting++
	if due > t.now {
		return t.move(j, delayed, due, due*1000)
	}
	return t.move(j, ready, due, since)
}

// endHeld is settle for what is ordinary, with a statement less: a lease that is held,
// of a job that stays known. It reports false for all else, and has done nothing then.
func (t *tx) endHeld(queue string, x *driver.Settlement) (bool, error) {
	text, err := encodeError(x.Err)
	if err != nil {
		return false, err
	}
	var j row
	j.queue, j.id, j.state = queue, x.ID, leased
	there, err := t.row(insertEnded+`
		?5, ?2, attempt, fence, version + 1, cancel, percent, message, data, ?7, ?8, ?9
		FROM antiphon_jobs WHERE id = ?1 AND queue = ?4 AND fence = ?6 AND state = 1 AND (?2 OR keep > 0) RETURNING seq, grp, cancel`,
		[]any{x.ID, x.Outcome == driver.Bury, t.now, queue, string(x.State), x.Fence, x.Result, x.ContentType, text}, &j.seq, &j.grp, &j.cancel)
	if err != nil || !there {
		return false, err
	}
	return true, t.gone(j, x.State)
}
