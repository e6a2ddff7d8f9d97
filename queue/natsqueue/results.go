package natsqueue

import (
	"context"
	"slices"
	"sort"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// look returns what is known of the jobs that choose wants, in the order of less.
func (q *replica) look(ctx context.Context, choose func(*record) bool, less func(a, b *record) bool) ([]*record, error) {
	if err := q.sync(ctx); err != nil {
		return nil, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.b.now()
	q.promote(now)
	var all []*record
	for _, j := range q.jobs {
		if v := j.view(now); v.Phase != gone && choose(&v) {
			all = append(all, &v)
		}
	}
	sort.Slice(all, func(a, b int) bool { return less(all[a], all[b]) })
	return all, nil
}

// records makes records of what was looked up.
func (q *replica) records(ctx context.Context, all []*record, payload bool) ([]driver.Record, error) {
	var out []driver.Record
	for _, r := range all {
		r, err := q.full(ctx, r)
		if err != nil {
			return nil, err
		}
		if r != nil {
			out = append(out, r.public(payload))
		}
	}
	return out, nil
}

// Lookup returns what is known of ids.
func (b *Backend) Lookup(ctx context.Context, queue string, ids []string, payload bool) ([]driver.Record, error) {
	q, err := b.replica(ctx, queue)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	found := make([]*record, len(ids))
	errs := q.change(ctx, len(ids), func(i int) string { return ids[i] }, func(i int, r *record) decision {
		found[i] = r
		return decision{}
	})
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return q.records(ctx, slices.DeleteFunc(found, func(r *record) bool { return r == nil }), payload)
}

// List returns what is known, the latest put first.
func (b *Backend) List(ctx context.Context, queue string, r driver.ListRequest) ([]driver.Record, error) {
	q, err := b.replica(ctx, queue)
	if err != nil {
		return nil, err
	}
	all, err := q.look(ctx, func(j *record) bool {
		return j.ID == r.After || (r.State == "" || j.state() == r.State) && (r.Kind == "" || j.Kind == r.Kind)
	}, func(a, b *record) bool { return a.Seq > b.Seq })
	if err != nil {
		return nil, err
	}
	return q.records(ctx, page(all, r.After, r.Limit), false)
}

// page returns at most limit of all that come after the one of an ID.
func page(all []*record, after string, limit int) []*record {
	if after != "" {
		at := len(all)
		for i := range all {
			if all[i].ID == after {
				at = i + 1
			}
		}
		all = all[at:]
	}
	return all[:min(len(all), max(limit, 1))]
}

// Dead returns dead letters, the oldest first.
func (b *Backend) Dead(ctx context.Context, queue, after string, limit int) ([]driver.Record, error) {
	q, err := b.replica(ctx, queue)
	if err != nil {
		return nil, err
	}
	all, err := q.dead(ctx)
	if err != nil {
		return nil, err
	}
	return q.records(ctx, page(all, after, limit), true)
}

func (q *replica) dead(ctx context.Context) ([]*record, error) {
	return q.look(ctx, func(j *record) bool { return j.Phase == dead }, func(a, b *record) bool { return a.rev < b.rev })
}

// Forget makes jobs that have ended unknown.
func (b *Backend) Forget(ctx context.Context, queue string, ids []string) (int, error) {
	q, err := b.replica(ctx, queue)
	if err != nil {
		return 0, err
	}
	return q.forget(ctx, ids, func(r *record) bool { return r.Phase == ended || r.Phase == dead })
}

// Purge forgets dead letters.
func (b *Backend) Purge(ctx context.Context, queue string, ids []string) (int, error) {
	q, err := b.replica(ctx, queue)
	if err != nil {
		return 0, err
	}
	if ids, err = q.these(ctx, ids); err != nil {
		return 0, err
	}
	return q.forget(ctx, ids, func(r *record) bool { return r.Phase == dead })
}

// these are ids, or those of all dead letters.
func (q *replica) these(ctx context.Context, ids []string) ([]string, error) {
	if ids != nil {
		return ids, nil
	}
	all, err := q.dead(ctx)
	for _, r := range all {
		ids = append(ids, r.ID)
	}
	return ids, err
}

// forget leaves of jobs that they were there, for a while.
func (q *replica) forget(ctx context.Context, ids []string, which func(*record) bool) (int, error) {
	return q.counted(ctx, ids, func(_ int, r *record) *record {
		if r == nil || !which(r) {
			return nil
		}
		return &record{ID: r.ID, Phase: gone, Seq: r.Seq, rev: r.rev}
	})
}

// counted changes jobs, and returns how many it were, and the first error.
func (q *replica) counted(ctx context.Context, ids []string, next func(int, *record) *record) (int, error) {
	done := make([]bool, len(ids))
	errs := q.change(ctx, len(ids), func(i int) string { return ids[i] }, func(i int, r *record) decision {
		n := next(i, r)
		done[i] = n != nil
		return decision{next: n}
	})
	n := 0
	for i := range done {
		if errs != nil && errs[i] != nil {
			return n, errs[i]
		}
		if done[i] {
			n++
		}
	}
	return n, nil
}

// Redrive makes dead letters ready again.
func (b *Backend) Redrive(ctx context.Context, queue string, ids []string) (int, error) {
	q, err := b.replica(ctx, queue)
	if err != nil {
		return 0, err
	}
	if ids, err = q.these(ctx, ids); err != nil {
		return 0, err
	}
	if err := q.sync(ctx); err != nil {
		return 0, err
	}
	whole := make([]*record, len(ids)) // those whose payload is not in memory
	for i, id := range ids {
		q.mu.Lock()
		r := q.find(id, q.b.now())
		q.mu.Unlock()
		if r != nil && r.Phase == dead && r.bare {
			if whole[i], err = q.full(ctx, r); err != nil {
				return 0, err
			}
		}
	}
	return q.counted(ctx, ids, func(i int, r *record) *record {
		if r == nil || r.Phase != dead {
			return nil
		}
		if r.bare {
			if r = whole[i]; r == nil || r.Phase != dead {
				return nil
			}
		}
		c := r.copy()
		c.Phase, c.State, c.Err, c.Cancel = waiting, "", nil, false
		c.Seq, c.Created, c.Expires, c.TTL, c.Attempt, c.Settled, c.How = 0, 0, 0, 0, 0, 0, 0
		c.Percent, c.Message, c.Data, c.Checkpoint, c.Result, c.ContentType = 0, "", nil, nil, nil, ""
		c.in(0)
		return c
	})
}

// Cancel ends a job that waits, and marks one that is leased.
func (b *Backend) Cancel(ctx context.Context, queue, id string) (driver.Record, error) {
	q, err := b.replica(ctx, queue)
	if err != nil {
		return driver.Record{}, err
	}
	var is *record // as it was at the moment of the decision
	errs := q.change(ctx, 1, func(int) string { return id }, func(_ int, r *record) decision {
		is = r
		switch {
		case r == nil:
			return decision{answer: driver.ErrUnknownJob}
		case r.Phase == waiting:
			is = r.copy()
			is.Cancel = true
			is.ends(antiphon.StateCanceled, antiphon.FromError(driver.ErrCanceled), 0)
			return decision{next: is}
		case r.Phase == leased && !r.Cancel:
			is = r.copy()
			is.Cancel = true
			return decision{next: is}
		}
		return decision{}
	})
	if errs != nil {
		return driver.Record{}, errs[0]
	}
	if whole, err := q.full(ctx, is); err == nil && whole != nil {
		is = whole
	}
	return is.public(false), nil
}

// Pause stops, or resumes, a queue.
func (b *Backend) Pause(ctx context.Context, queue string, paused bool) error {
	q, err := b.replica(ctx, queue)
	if err != nil {
		return err
	}
	w := write{subject: b.subject(queue, "c", ""), data: []byte("runs")}
	if paused {
		w.data = []byte("paused")
	}
	for lost := 1; ; lost++ {
		q.mu.Lock()
		w.rev = q.gates[w.subject].rev
		q.mu.Unlock()
		if _, err := q.store(w); err != errConflict {
			return err
		}
		q.contends(lost, "")
		if err := q.sync(ctx); err != nil {
			return err
		}
	}
}

// Stats counts what there is. How many ended how is not known.
func (b *Backend) Stats(ctx context.Context, queue string) (driver.Stats, error) {
	q, err := b.replica(ctx, queue)
	if err != nil {
		return driver.Stats{}, err
	}
	if err := q.sync(ctx); err != nil {
		return driver.Stats{}, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.b.now()
	q.promote(now)
	s := driver.Stats{
		Ready: q.count[isReady], Delayed: q.count[isDelayed] + q.count[isBlocked], Running: q.count[isLeased],
		Dead: q.count[isDead], Kept: q.count[isEnded] + q.count[isDead], Paused: q.paused,
		Succeeded: -1, Failed: -1, Canceled: -1, Expired: -1, Taken: -1,
	}
	for _, j := range q.jobs {
		if j.class == isReady {
			s.Oldest = max(s.Oldest, durationSince(now, j.Created))
		}
	}
	return s, nil
}
