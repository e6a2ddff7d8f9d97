package queue

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// SubmitOptions say what is special about a job. A zero field means its default, nil
// options mean all of them. A negative duration is a mistake.
type SubmitOptions struct {
	// Key is the idempotency key: as long as the job is known, submitting the same
	// request under the same Key gives the same job, and another request fails with
	// [ErrKeyReused].
	Key string
	// Unique is a name that only one job has at a time: submitting another gives the
	// one that is there, whatever its request, until it has ended and UniqueFor has
	// passed since it was submitted.
	Unique    string
	UniqueFor time.Duration
	// Group is whose order is kept: of the jobs of a group one runs at a time, in the
	// order of their submission, over retries and delays too.
	Group string
	// Priority: higher goes first.
	Priority int
	// Delay is how long to wait before the job may run.
	Delay time.Duration
	// At is when it may run, if that is later; zero means at once. It is measured by
	// this process's clock.
	At time.Time
	// TTL is how long the job may take to its end. 0 means Options.TTL.
	TTL time.Duration
	// Header travels with the job; the work finds it in antiphon.InfoFrom. What
	// antiphon.TraceFrom gives goes along, unless Header has a traceparent or leaves no
	// room for one.
	Header map[string]string
}

// Limits of what is stored with a job.
const (
	maxName       = 512      // bytes of a key, unique name or group
	maxHeaders    = 64       // entries
	maxHeaderSize = 16 << 10 // bytes of all names and values
)

// Submit stores a job. When it returns one, the job is accepted: it will be done, or
// become a dead letter, and its future settles. If it fails, the job was not
// accepted, unless the error is of class unknown: then it may have been, and Submit
// with the same Key tells.
//
// It fails with ErrFull, ErrKeyReused or ErrClosed, with antiphon.ErrTooLarge, with
// errors.ErrUnsupported for options that the backend cannot do, with code
// invalid_argument for what cannot be meant or encoded, or with what ended ctx.
func (q *Queue[Q, R]) Submit(ctx context.Context, v Q, o *SubmitOptions) (*Job[R], error) {
	j := newJob[R](q.core)
	if err := q.submit(ctx, v, o, &j.following); err != nil {
		return nil, err
	}
	return j, nil
}

// submit stores a job that f follows.
func (q *Queue[Q, R]) submit(ctx context.Context, v Q, o *SubmitOptions, f *following) error {
	e, err := q.envelope(ctx, v, o)
	if err != nil {
		return err
	}
	f.id = e.ID
	if !q.core.caps.InProcess {
		return q.core.put(background(ctx), []driver.Envelope{e}, []*following{f})
	}
	one := singles.Get().(*single)
	one.jobs[0], one.follow[0] = e, f
	err = q.core.put(background(ctx), one.jobs[:], one.follow[:])
	*one = single{}
	singles.Put(one)
	return err
}

// A single is the slices around one job. They belong to who puts it, who uses them
// again where nothing outside of the process could be late in reading them.
type single struct {
	jobs   [1]driver.Envelope
	follow [1]*following
}

var singles = sync.Pool{New: func() any { return new(single) }}

// SubmitAll stores a job for each of vs, or none of them, in one call. It is
// otherwise as Submit; a Key or Unique name cannot be shared and is a mistake for
// more than one.
func (q *Queue[Q, R]) SubmitAll(ctx context.Context, vs []Q, o *SubmitOptions) ([]*Job[R], error) {
	if len(vs) > 1 && o != nil && (o.Key != "" || o.Unique != "") {
		return nil, misuse("shared_key", "a Key or Unique name is for one job")
	}
	if len(vs) == 0 {
		return nil, nil
	}
	jobs := make([]*Job[R], len(vs))
	follow := make([]*following, len(vs))
	envelopes := make([]driver.Envelope, len(vs))
	for i, v := range vs {
		e, err := q.envelope(ctx, v, o)
		if err != nil {
			return nil, err
		}
		jobs[i] = newJob[R](q.core)
		jobs[i].id = e.ID
		envelopes[i], follow[i] = e, &jobs[i].following
	}
	if err := q.core.put(background(ctx), envelopes, follow); err != nil {
		return nil, err
	}
	return jobs, nil
}

func (q *Queue[Q, R]) envelope(ctx context.Context, v Q, o *SubmitOptions) (driver.Envelope, error) {
	if o == nil {
		o = &SubmitOptions{}
	}
	c := q.core
	if ctx != nil && ctx.Err() != nil {
		return driver.Envelope{}, gaveUp(ctx, antiphon.ClassNotAccepted)
	}
	payload, err := c.marshal(v)
	if err != nil {
		return driver.Envelope{}, err
	}
	e := driver.Envelope{
		Kind: c.opts.Kind, Payload: payload, Header: header(ctx, o.Header),
		Key: o.Key, Unique: o.Unique, UniqueFor: o.UniqueFor, Group: o.Group, Priority: o.Priority,
		Delay: o.Delay, TTL: o.TTL, Keep: c.opts.KeepResults,
	}
	if err := c.check(&e); err != nil {
		return e, err
	}
	if !o.At.IsZero() {
		e.Delay = max(e.Delay, o.At.Sub(c.clock.Now()))
	}
	if e.TTL == 0 {
		e.TTL = c.opts.TTL + e.Delay
		if e.TTL < 0 { // more than there is time
			e.TTL = 0
		}
	}
	if e.Delay > 0 && !c.caps.Delays {
		return e, c.unsupported("SubmitOptions.Delay")
	}
	e.ID = c.ids.Next()
	return e, nil
}

// check reports what is wrong about e.
func (c *core) check(e *driver.Envelope) error {
	switch {
	case e.Delay < 0:
		return misuse("options", "SubmitOptions.Delay is negative")
	case e.TTL < 0:
		return misuse("options", "SubmitOptions.TTL is negative")
	case e.UniqueFor < 0:
		return misuse("options", "SubmitOptions.UniqueFor is negative")
	case e.UniqueFor > 0 && e.Unique == "":
		return misuse("options", "SubmitOptions.UniqueFor needs Unique")
	case len(e.Key) > maxName || len(e.Unique) > maxName || len(e.Group) > maxName:
		return misuse("options", "a Key, Unique or Group is longer than 512 bytes")
	case e.Key != "" && !c.caps.Keys:
		return c.unsupported("SubmitOptions.Key")
	case e.Unique != "" && !c.caps.Uniques:
		return c.unsupported("SubmitOptions.Unique")
	case e.Group != "" && !c.caps.Groups:
		return c.unsupported("SubmitOptions.Group")
	case e.Priority < c.caps.MinPriority || e.Priority > c.caps.MaxPriority:
		return c.unsupported("SubmitOptions.Priority: it is out of range")
	}
	if !fits(e.Header) {
		return misuse("header", "a header has at most 64 entries and 16 KiB")
	}
	return nil
}

// fits reports whether h is within the limits.
func fits(h map[string]string) bool {
	size := 0
	for k, v := range h {
		size += len(k) + len(v)
	}
	return len(h) <= maxHeaders && size <= maxHeaderSize
}

// header is what travels with a job: given, and the trace of ctx.
func header(ctx context.Context, given map[string]string) map[string]string {
	given = maps.Clone(given)
	if given["traceparent"] != "" {
		return given
	}
	h := antiphon.TraceFrom(ctx)
	if h == nil {
		return given
	}
	maps.Copy(h, given)
	if !fits(h) { // a job is not refused for its trace
		return given
	}
	return h
}

// put stores jobs and follows them.
func (c *core) put(ctx context.Context, jobs []driver.Envelope, follow []*following) error {
	if c.closed.Load() {
		return ErrClosed
	}
	r := driver.PutRequest{Queue: c.name, Jobs: jobs, Capacity: c.opts.Capacity, Overflow: c.opts.Overflow}
	w := c.freeWorker()
	if w != nil {
		r.Claim, r.Lease = 1, c.opts.Lease
		if r.Overflow == Block {
			r.Overflow = Reject // not to wait for room while holding a slot
		}
	}
	for _, f := range follow {
		c.follow.add(f) // before anybody can settle it
	}
	placed, err := c.backend.Put(ctx, r)
	if w != nil {
		w.claimed(placed)
		if c.opts.Overflow == Block && errors.Is(err, ErrFull) && (c.opts.Capacity == 0 || len(jobs) <= c.opts.Capacity) {
			r.Claim, r.Overflow = 0, Block
			placed, err = c.backend.Put(ctx, r)
		}
	}
	if err != nil {
		for _, f := range follow {
			c.follow.remove(f)
		}
		return c.refused(err)
	}
	for i, f := range follow {
		if placed == nil || !placed[i].Duplicate || placed[i].ID == f.id {
			f.placed.Store(true)
			continue
		}
		c.follow.replace(f, placed[i].ID)
	}
	return nil
}

// refused is the error of a Put. What the store does not vouch for is unknown.
func (c *core) refused(err error) error {
	if antiphon.ClassOf(err) == antiphon.ClassNotAccepted {
		return err
	}
	return unclear(err)
}

// SubmitTx stores a job within a transaction of the caller's, on a backend that is a
// driver.TxPutter of its type: the job is there when the transaction commits, with
// all else that it did, and not if it does not. It returns the job's id, or that of the
// job of which it is a duplicate, for Attach after the commit. It does not wait for room:
// a full queue is ErrFull. It is otherwise as Submit.
func SubmitTx[Tx, Q, R any](ctx context.Context, q *Queue[Q, R], tx Tx, v Q, o *SubmitOptions) (id string, err error) {
	c := q.core
	b, ok := c.backend.(driver.TxPutter[Tx])
	if !ok {
		return "", c.unsupported(fmt.Sprintf("transactions of type %T", tx))
	}
	if c.closed.Load() {
		return "", ErrClosed
	}
	e, err := q.envelope(ctx, v, o)
	if err != nil {
		return "", err
	}
	r := driver.PutRequest{Queue: c.name, Jobs: []driver.Envelope{e}, Capacity: c.opts.Capacity, Overflow: c.opts.Overflow}
	if r.Overflow == Block {
		r.Overflow = Reject
	}
	placed, err := b.PutTx(background(ctx), tx, r)
	if err != nil {
		return "", c.refused(err)
	}
	if placed != nil {
		return placed[0].ID, nil
	}
	return e.ID, nil
}

// Asker returns an Asker whose asks are jobs, each with the options that of gives for
// what is asked: its Key is no other's. A nil of, and nil options, mean the defaults. If
// of panics, the ask fails with that as a *future.PanicError, and was not accepted.
//
// Ending the context of an ask cancels the job; the job expires with the context's
// deadline, and the future settles by then. The error is of class not accepted if it is
// known by then that the work never began, else unknown.
//
// Where Submit has to wait, for a store outside the process or for room, it does so
// on a goroutine of its own. What the work reports is passed on to the asker's
// context (see antiphon.WithProgress).
func (q *Queue[Q, R]) Asker(of func(Q) *SubmitOptions) future.Asker[Q, R] {
	immediate := q.core.caps.InProcess && q.core.opts.Overflow != Block
	return func(ctx context.Context, v Q) *future.Future[R] {
		a := &ask[R]{ctx: background(ctx), core: q.core}
		a.owner = a
		f := a.promise.Future()
		if a.ctx.Err() != nil { // said at once, or giveUp would say less
			a.promise.Reject(gaveUp(a.ctx, antiphon.ClassNotAccepted))
			return f
		}
		opts := SubmitOptions{}
		if of != nil {
			o, err := guarded(func() *SubmitOptions { return of(v) })
			if err != nil {
				refusal := antiphon.Errorf(antiphon.CodeInternal, "queue: no options for an ask: %w", err)
				refusal.Class = antiphon.ClassNotAccepted
				a.promise.Reject(refusal)
				return f
			}
			if o != nil {
				opts = *o
			}
		}
		opts.expireWith(a.ctx, q.core)
		a.watch()
		if immediate {
			a.submitted(q.submit(a.ctx, v, &opts, &a.following))
		} else {
			go func() { a.submitted(q.submit(a.ctx, v, &opts, &a.following)) }()
		}
		return f
	}
}

// expireWith makes the job expire no later than ctx.
func (o *SubmitOptions) expireWith(ctx context.Context, c *core) {
	if at, ok := ctx.Deadline(); ok {
		if left := max(at.Sub(c.clock.Now()), 1); o.TTL == 0 || left < o.TTL {
			o.TTL = left
		}
	}
}
