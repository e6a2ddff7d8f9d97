package queue

import (
	"context"
	"iter"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// A DeadLetter is a job that was given up: its work failed too often, or for good, or
// its request makes no sense. It is kept until it is redriven or purged.
type DeadLetter[Q any] struct {
	// Operation tells how often it was tried and, in Err, what the last attempt
	// ended in.
	antiphon.Operation
	// Request is what was asked, unless Unreadable.
	Request Q
	// Unreadable is why Payload cannot be decoded, or nil.
	Unreadable error
	// Payload is the encoded request, as it was stored.
	Payload []byte
	// Header, Key, Unique and Group are as they were submitted.
	Header             map[string]string
	Key, Unique, Group string
}

// All stands for the ids of all dead letters.
const All = "*"

// deadPage is how many dead letters are read in one call.
const deadPage = 100

// Dead yields the dead letters there are, the oldest first. Those that come, or go,
// while the loop runs may be missed. An error is the last: what ended ctx, that of the
// store, or errors.ErrUnsupported.
func (q *Queue[Q, R]) Dead(ctx context.Context) iter.Seq2[DeadLetter[Q], error] {
	ctx = background(ctx)
	return func(yield func(DeadLetter[Q], error) bool) {
		c := q.core
		if c.morgue == nil {
			yield(DeadLetter[Q]{}, c.unsupported("Dead"))
			return
		}
		for after := ""; ; {
			if ctx.Err() != nil {
				yield(DeadLetter[Q]{}, gaveUp(ctx, antiphon.ClassNotAccepted))
				return
			}
			found, err := c.morgue.Dead(ctx, c.name, after, deadPage)
			if err != nil {
				yield(DeadLetter[Q]{}, err)
				return
			}
			for i := range found {
				if !yield(letter[Q](c, &found[i]), nil) {
					return
				}
			}
			if len(found) < deadPage {
				return
			}
			after = found[len(found)-1].ID
		}
	}
}

func letter[Q any](c *core, r *driver.Record) DeadLetter[Q] {
	d := DeadLetter[Q]{
		Operation: r.Operation, Payload: r.Payload,
		Header: r.Header, Key: r.Key, Unique: r.Unique, Group: r.Group,
	}
	d.Request, d.Unreadable = unmarshal[Q](c, r.Payload)
	return d
}

// Redrive makes dead letters jobs again, as if they had just been submitted, and
// returns how many: those of ids, or [All]. Unknown ids count for nothing. Futures that
// have failed already stay so; Attach gives another.
func (q *Queue[Q, R]) Redrive(ctx context.Context, ids ...string) (int, error) {
	return q.core.letters(ids, func(m driver.Morgue, ids []string) (int, error) {
		return m.Redrive(background(ctx), q.core.name, ids)
	}, "Redrive")
}

// Purge forgets dead letters, and returns how many: those of ids, or [All].
func (q *Queue[Q, R]) Purge(ctx context.Context, ids ...string) (int, error) {
	return q.core.letters(ids, func(m driver.Morgue, ids []string) (int, error) {
		return m.Purge(background(ctx), q.core.name, ids)
	}, "Purge")
}

func (c *core) letters(ids []string, do func(driver.Morgue, []string) (int, error), what string) (int, error) {
	switch {
	case c.morgue == nil:
		return 0, c.unsupported(what)
	case len(ids) == 0:
		return 0, nil
	case len(ids) == 1 && ids[0] == All:
		ids = nil
	}
	return do(c.morgue, ids)
}
