package natsqueue

import (
	"context"
	"time"

	"github.com/antiphon-go/antiphon/queue/driver"
)

// Take leases what is to be handed out next, as far as this process knows, and those of
// it that no other process has leased before.
func (b *Backend) Take(ctx context.Context, into []driver.Leased, r driver.TakeRequest) ([]driver.Leased, error) {
	q, err := b.replica(ctx, r.Queue)
	if err != nil {
		return into, err
	}
	var timeout <-chan time.Time
	if r.Wait > 0 {
		timer := time.NewTimer(r.Wait)
		defer timer.Stop()
		timeout = timer.C
	}
	n := len(into)
	for lost := 0; ; {
		if b.isClosed() {
			return into, driver.ErrClosed
		}
		if ctx.Err() != nil {
			return into, ctx.Err()
		}
		if err := q.sync(ctx); err != nil { // others may have put what goes first
			if ctx.Err() != nil {
				return into, ctx.Err()
			}
			return into, err
		}
		picked, news := q.pick(r.Max, r.Lease)
		if len(picked) > 0 {
			var err error
			into, err = q.lease(into, picked, r.Lease)
			if len(into) > n || err != nil {
				return into, err
			}
			lost++
			q.contends(lost, picked[0].ID)
			continue
		}
		for ready := false; !ready; ready, news = q.anything() {
			select {
			case <-news:
			case <-timeout:
				return into, nil
			case <-ctx.Done():
				return into, ctx.Err()
			case <-b.life.Done():
				return into, driver.ErrClosed
			}
		}
	}
}

// anything reports whether there is anything to pick, and returns what is closed when
// there is news.
func (q *replica) anything() (bool, chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.promote(q.b.now())
	return len(q.ready.all) > 0 && !q.paused, q.news
}

// pick takes at most n jobs out of those that are ready, as they are when leased. The
// channel is closed when there is news.
func (q *replica) pick(n int, lease time.Duration) (picked []*record, news chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.b.now()
	q.promote(now)
	if q.paused {
		return nil, q.news
	}
	for len(picked) < max(n, 1) && len(q.ready.all) > 0 {
		picked = append(picked, q.ready.pop().pick(now, lease))
	}
	return picked, q.news
}

// pick is j as it is when leased. It was ready until now.
func (j *job) pick(now int64, lease time.Duration) *record {
	j.busy = j.rev
	v := j.view(now)
	c := v.copy()
	c.Phase = leased
	c.Attempt++
	c.Fence++
	c.in(lease)
	return c
}

// lease stores what was picked, and appends what nobody else had leased before. Where
// others were quicker it picks again: what they only wrote, and left ready, goes before
// what was picked after it.
func (q *replica) lease(into []driver.Leased, picked []*record, lease time.Duration) ([]driver.Leased, error) {
	for first := true; ; first = false {
		n, beaten := len(into), 0
		var late []string
		writes := make([]write, len(picked))
		var err error
		for i, r := range picked {
			if writes[i], err = q.job(r); err != nil {
				break
			}
		}
		if err == nil {
			for i, e := range q.storeEach(writes) {
				switch e {
				case nil:
					if r := picked[i]; q.tooLate(r) {
						late = append(late, r.ID)
					} else {
						into = append(into, r.leased(q.b.now()))
					}
				case errConflict:
					beaten++
				default:
					err = e
				}
			}
		}
		q.unpick(picked)
		// What has expired is written, so that the store lets go of it, or whoever looks next
		// writes it.
		_ = q.change(q.b.life, len(late), func(i int) string { return late[i] }, func(int, *record) decision { return decision{} })
		switch {
		case len(into) == n && first:
			return into, err
		case len(into) == n, beaten == 0, q.sync(q.b.life) != nil:
			return into, nil
		}
		if picked, _ = q.pick(beaten, lease); len(picked) == 0 {
			return into, nil
		}
	}
}

// tooLate reports whether the lease of r, which is stored, is none, for the job's time to
// live was over by then.
func (q *replica) tooLate(r *record) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	j := q.jobs[r.ID]
	return j != nil && j.Fence < r.Fence
}

// unpick makes ready again what was picked, and not leased.
func (q *replica) unpick(picked []*record) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.b.now()
	for _, r := range picked {
		if j := q.jobs[r.ID]; j != nil && j.busy == r.rev {
			j.busy = 0
			if j.class == isReady {
				q.place(j, now)
				q.tellNews()
			}
		}
	}
}
