package queue

import (
	"context"
	"errors"
	"maps"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// Operations is the untyped view of a queue: requests and answers are encoded bytes,
// jobs are [antiphon.Operation] records. It is what a status resource is made of;
// package poller serves one.
//
// Concurrency: all methods may be called by any number of goroutines.
type Operations struct {
	core   *core
	submit func(ctx context.Context, payload []byte, o *SubmitOptions) (string, bool, error)
	opts   SubmitOptions
}

// Operations returns the untyped view of q. What is submitted there has options o, but
// for what it says itself.
func (q *Queue[Q, R]) Operations(o *SubmitOptions) *Operations {
	v := &Operations{core: q.core, submit: func(ctx context.Context, payload []byte, o *SubmitOptions) (string, bool, error) {
		v, err := unmarshal[Q](q.core, payload) // what cannot be decoded is not accepted
		if err != nil {
			return "", false, err
		}
		j, err := q.Submit(ctx, v, o)
		if err != nil {
			return "", false, err
		}
		q.core.follow.remove(&j.following)
		return j.id, j.duplicate, nil
	}}
	if o != nil {
		v.opts = *o
	}
	return v
}

// Submit accepts a request, as Queue.Submit does, and returns its operation, and
// whether it was there already. Of info, the Key and the Header count; the job expires
// with ctx's deadline. An error with an operation that has an ID is of class unknown:
// the request is accepted, and its record could not be read.
func (o *Operations) Submit(ctx context.Context, payload []byte, info antiphon.Info) (op antiphon.Operation, known bool, err error) {
	if o.core.results == nil {
		return op, false, o.core.unsupported("Operations")
	}
	so := o.opts
	if info.Key != "" {
		so.Key = info.Key
	}
	if len(info.Header) > 0 {
		so.Header = maps.Clone(so.Header)
		if so.Header == nil {
			so.Header = make(map[string]string, len(info.Header))
		}
		maps.Copy(so.Header, info.Header)
	}
	so.expireWith(background(ctx), o.core)
	id, known, err := o.submit(ctx, payload, &so)
	if err != nil {
		return op, false, err
	}
	op, err = o.Get(ctx, id)
	switch {
	case errors.Is(err, ErrUnknownJob): // it has ended, and is not kept
		return antiphon.Operation{ID: id, Kind: o.core.opts.Kind}, known, nil
	case err != nil: // it was accepted all the same
		return antiphon.Operation{ID: id, Kind: o.core.opts.Kind}, known, unclear(err)
	}
	return op, known, nil
}

// Get returns the operation of an id. It fails with [ErrUnknownJob].
func (o *Operations) Get(ctx context.Context, id string) (antiphon.Operation, error) {
	if o.core.results == nil {
		return antiphon.Operation{}, o.core.unsupported("Operations")
	}
	found, err := o.core.results.Lookup(background(ctx), o.core.name, []string{id}, false)
	switch {
	case err != nil:
		return antiphon.Operation{}, err
	case len(found) == 0:
		return antiphon.Operation{}, ErrUnknownJob
	}
	return operationOf(found[0]), nil
}

// Wait is Get that waits until Version is greater than after, or the operation has
// ended, or ctx has: then it returns the operation as it was last, and no error.
func (o *Operations) Wait(ctx context.Context, id string, after int64) (op antiphon.Operation, err error) {
	ctx = background(ctx)
	for op, err = range o.core.updates(ctx, id) {
		if err != nil || op.Version > after || op.State.Terminal() {
			break
		}
	}
	if err != nil && ctx.Err() != nil {
		return o.Get(context.WithoutCancel(ctx), id)
	}
	return op, err
}

// Cancel wishes an operation to end, as Queue.Cancel does, and returns it.
func (o *Operations) Cancel(ctx context.Context, id string) (antiphon.Operation, error) {
	if o.core.control == nil {
		return antiphon.Operation{}, o.core.unsupported("Cancel")
	}
	r, err := o.core.cancelJob(background(ctx), id)
	return operationOf(r), err
}

// Delete forgets an operation that has ended. It fails with ErrUnknownJob, or with code
// failed_precondition if it has not.
func (o *Operations) Delete(ctx context.Context, id string) error {
	op, err := o.Get(ctx, id)
	switch {
	case err != nil:
		return err
	case !op.State.Terminal():
		return errNotEnded
	}
	_, err = o.core.results.Forget(background(ctx), o.core.name, []string{id})
	return err
}

var errNotEnded = &antiphon.Error{
	Code:      antiphon.CodeFailedPrecondition,
	Class:     antiphon.ClassNotAccepted,
	Reason:    "queue.not_ended",
	Message:   "queue: the job has not ended",
	Permanent: true,
}

// List returns operations, the latest submitted first: at most limit of those in a
// state (empty: any), after the one of ID after (empty: from the first on).
func (o *Operations) List(ctx context.Context, state antiphon.State, after string, limit int) ([]antiphon.Operation, error) {
	if o.core.results == nil {
		return nil, o.core.unsupported("List")
	}
	found, err := o.core.results.List(background(ctx), o.core.name, driver.ListRequest{State: state, After: after, Limit: max(limit, 1)})
	if err != nil {
		return nil, err
	}
	ops := make([]antiphon.Operation, len(found))
	for i := range found {
		ops[i] = operationOf(found[i])
	}
	return ops, nil
}

// operationOf is what is shown of a record: the headers are what the asker attached.
func operationOf(r driver.Record) antiphon.Operation {
	r.Metadata = r.Header
	return r.Operation
}
