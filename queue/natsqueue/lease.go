package natsqueue

import (
	"context"
	"slices"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// A decision is what is to become of a job, and what to answer then. If nothing is to
// become of it, nothing is written.
type decision struct {
	next   *record
	answer error
}

// passage is what has become of a job by the passing of time alone, if that is not
// stored. It is written before anybody is told: whoever began to write while the lease
// lasted is too late then, however long the writing takes.
func (q *replica) passage(id string, now int64) *record {
	j := q.jobs[id]
	if j == nil {
		return nil
	}
	v := j.view(now)
	if !v.passed {
		return nil
	}
	if v.Phase == gone {
		v.Phase = ended
	}
	return v.copy()
}

// change decides on n jobs, by what has become of them, and writes what was decided. If
// others write meanwhile, it decides anew. decide has nil for a job that is not known.
func (q *replica) change(ctx context.Context, n int, id func(int) string, decide func(int, *record) decision) []error {
	errs := make([]error, n)
	open := make([]int, n)
	for i := range open {
		open[i] = i
	}
	lost := 0
	for sure := false; len(open) > 0; {
		if q.b.isClosed() {
			return q.all(errs, open, driver.ErrClosed)
		}
		q.mu.Lock()
		now := q.b.now()
		q.promote(now)
		var writes []write
		var written, unsure, again []int
		var nexts []*record
		for _, i := range open {
			d := decide(i, q.find(id(i), now))
			errs[i] = d.answer
			if d.next == nil {
				if d.next = q.passage(id(i), now); d.next == nil {
					unsure = append(unsure, i)
					continue
				}
				again = append(again, i)
			}
			w, err := q.job(d.next)
			if err != nil {
				errs[i] = err
				continue
			}
			writes, written, nexts = append(writes, w), append(written, i), append(nexts, d.next)
		}
		q.mu.Unlock()
		open = again
		if !sure {
			open = append(open, unsure...)
		}
		if len(writes) > 0 {
			beaten := ""
			for k, err := range q.storeEach(writes) {
				switch err {
				case nil:
					nexts[k].stored(writes[k].seq, q.b.now())
				case errConflict:
					beaten = nexts[k].ID
					if !slices.Contains(open, written[k]) {
						open = append(open, written[k])
					}
				default:
					errs[written[k]] = err
				}
			}
			if beaten != "" {
				lost++
				q.contends(lost, beaten)
			}
		}
		if len(open) > 0 {
			if err := q.sync(ctx); err != nil {
				return q.all(errs, open, err)
			}
			sure = true
		}
	}
	for _, err := range errs {
		if err != nil {
			return errs
		}
	}
	return nil
}

func (q *replica) all(errs []error, which []int, err error) []error {
	for _, i := range which {
		errs[i] = err
	}
	return errs
}

func sameFor(n int, err error) []error {
	errs := make([]error, n)
	for i := range errs {
		errs[i] = err
	}
	return errs
}

// Extend makes leases last, each by a write of its own.
func (b *Backend) Extend(ctx context.Context, queue string, x []driver.Extension) []error {
	q, err := b.replica(ctx, queue)
	if err != nil {
		return sameFor(len(x), err)
	}
	return q.change(ctx, len(x), func(i int) string { return x[i].ID }, func(i int, r *record) decision {
		if r == nil || r.Phase != leased || r.Fence != x[i].Fence {
			return decision{answer: driver.ErrLeaseLost}
		}
		if err := b.tooLarge(len(x[i].Checkpoint)); err != nil {
			return decision{answer: err}
		}
		c := r.copy()
		c.At = after(b.now(), int64(max(x[i].For, 0))) // from the decision: the lease lasted then
		if x[i].Checkpoint != nil {
			c.Checkpoint = x[i].Checkpoint
		}
		if p := x[i].Progress; p != nil {
			c.Percent, c.Message, c.Reported = p.Percent, p.Message, true
			c.Data, _ = p.Data.([]byte)
		}
		if c.Cancel {
			return decision{c, driver.ErrCanceled}
		}
		return decision{c, nil}
	})
}

// Settle ends leases, each by a write of its own.
func (b *Backend) Settle(ctx context.Context, queue string, s []driver.Settlement) []error {
	q, err := b.replica(ctx, queue)
	if err != nil {
		return sameFor(len(s), err)
	}
	return q.change(ctx, len(s), func(i int) string { return s[i].ID }, func(i int, r *record) decision {
		x := &s[i]
		if r == nil || r.Phase != leased || r.Fence != x.Fence {
			if r != nil && x.Fence > 0 && r.Fence == x.Fence && r.Settled == x.Fence && r.How == x.Outcome {
				return decision{} // this is being said again
			}
			return decision{answer: driver.ErrLeaseLost}
		}
		if err := b.tooLarge(len(x.Result)); err != nil {
			return decision{answer: err}
		}
		return decision{settled(r, x), nil}
	})
}

// settled is r after x.
func settled(r *record, x *driver.Settlement) *record {
	c := r.copy()
	c.Settled, c.How = x.Fence, x.Outcome
	switch x.Outcome {
	case driver.Done, driver.Bury:
		payload := c.Payload
		c.ends(x.State, x.Err, 0)
		c.Result, c.ContentType = x.Result, x.ContentType
		if x.Outcome == driver.Bury {
			c.Phase, c.Payload = dead, payload
		}
		return c
	case driver.Release:
		c.Attempt--
	case driver.Retry:
		if x.Err != nil {
			c.Err = x.Err
		}
	}
	if c.Cancel {
		c.ends(antiphon.StateCanceled, antiphon.FromError(driver.ErrCanceled), 0)
		return c
	}
	c.Phase = waiting
	c.in(x.Delay)
	return c
}
