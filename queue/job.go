package queue

import (
	"context"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/internal/ending"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// A Job is an accepted request: an id, and the future of its answer.
//
// Until it ends, a job that was submitted or attached to is an entry in a table of
// its queue, of about 130 bytes: no goroutine, no timer.
//
// Concurrency: all methods may be called by any number of goroutines.
//
// Cancellation: giving up waiting does nothing to the job; Cancel does.
//
// Closing: the future fails when the queue is closed in this process.
type Job[R any] struct {
	following
	core    *core
	promise future.Promise[R]
}

func newJob[R any](c *core) *Job[R] {
	j := &Job[R]{core: c}
	j.owner = j
	return j
}

// ID names the job, unguessably: whoever knows it can attach to the job, and cancel
// it.
func (j *Job[R]) ID() string { return j.id }

// Duplicate reports whether Submit found the job there already, by its Key or Unique
// name.
func (j *Job[R]) Duplicate() bool { return j.duplicate }

// Future is the answer. It fails with what the work ended in, which is also
// [ErrDead] if the job is a dead letter; with [ErrCanceled], [ErrExpired] or
// [ErrDropped]; with [ErrUnknownJob] if there is no such job, or it ended too long
// ago; or with [ErrClosed].
func (j *Job[R]) Future() *future.Future[R] { return j.promise.Future() }

// Await is Future().Await(ctx).
func (j *Job[R]) Await(ctx context.Context) (R, error) { return j.promise.Future().Await(ctx) }

// Cancel wishes the job to end. One that waits has ended when Cancel returns; the
// context of one that runs ends, with [ErrCanceled] as the cause, and the job ends as
// canceled if the work then returns an error. Cancelling a job that has ended does
// nothing. It fails with errors.ErrUnsupported, ErrUnknownJob, or as the store does.
func (j *Job[R]) Cancel(ctx context.Context) error { return j.core.cancel(ctx, j.id) }

// Updates yields what becomes of the job: its record as it is, then each change of it
// that is not overtaken by the next, in the order of Version, until it has ended.
// Leaving the loop ends nothing but the loop. An error is the last: what ended ctx,
// ErrUnknownJob, ErrClosed, or errors.ErrUnsupported.
func (j *Job[R]) Updates(ctx context.Context) iter.Seq2[antiphon.Operation, error] {
	return j.core.updates(background(ctx), j.id)
}

func (j *Job[R]) ended(o outcome) {
	if o.state != antiphon.StateSucceeded {
		j.promise.Reject(o.failure())
		return
	}
	j.promise.Settle(answer[R](j.core, o.result))
}

func (j *Job[R]) failed(err error)            { j.promise.Reject(err) }
func (j *Job[R]) progressed(r *driver.Record) {}
func (j *Job[R]) wants(c driver.Change) bool  { return c.State.Terminal() }
func (c *core) cancel(ctx context.Context, id string) error {
	if c.control == nil {
		return c.unsupported("Cancel")
	}
	_, err := c.cancelJob(background(ctx), id)
	return err
}

// cancelJob cancels, and does not wait for the backend to tell the workers of this
// process.
func (c *core) cancelJob(ctx context.Context, id string) (driver.Record, error) {
	r, err := c.control.Cancel(ctx, c.name, id)
	if err == nil && r.CancelRequested && !r.State.Terminal() {
		c.wish(id)
	}
	return r, err
}

// Attach returns the job of an id, which may have been submitted by another process,
// or before this one began. It asks nobody: the future fails with [ErrUnknownJob] if
// there is no such job.
func (q *Queue[Q, R]) Attach(id string) *Job[R] {
	j := newJob[R](q.core)
	j.id = id
	if q.core.results == nil {
		j.promise.Reject(q.core.unsupported("Attach"))
		return j
	}
	j.placed.Store(true)
	q.core.follow.add(&j.following)
	q.core.follow.ask(id)
	return j
}

// Cancel is Job.Cancel for who has the id.
func (q *Queue[Q, R]) Cancel(ctx context.Context, id string) error { return q.core.cancel(ctx, id) }

// answer decodes what work returned. That it cannot be read does not undo the work.
func answer[R any](c *core, b []byte) (v R, err error) {
	if v, err = unmarshal[R](c, b); err != nil {
		err = ran(err)
	}
	return v, err
}

// An outcome is how a job ended.
type outcome struct {
	state  antiphon.State
	result []byte
	err    *antiphon.Error
	idle   bool // it was never handed out
}

func outcomeOf(r *driver.Record) outcome {
	return outcome{r.State, r.Result, r.Err, neverBegan(r)}
}

// neverBegan reports whether a job that has ended was surely never handed out. Attempt
// does not tell alone: it does not count what was given back, and begins anew for what
// is redriven. But its first version is that it was put, and its second that it ended.
func neverBegan(r *driver.Record) bool { return r.Attempt == 0 && r.Version <= 2 }

// failure is the error of a job that did not succeed.
func (o outcome) failure() error {
	e := ending.Failure("queue: the job", o.state, o.err, "")
	if o.idle && (o.state == antiphon.StateCanceled || o.state == antiphon.StateExpired) {
		d := *e
		d.Class = antiphon.ClassNotAccepted
		return &d
	}
	return e
}

// An update is what a loop over Updates waits for.
type update struct {
	following
	wake chan struct{} // has room for one
	why  atomic.Pointer[error]
}

func (u *update) signal() {
	select {
	case u.wake <- struct{}{}:
	default:
	}
}

func (u *update) ended(outcome)               { u.signal() }
func (u *update) failed(err error)            { u.why.Store(&err); u.signal() }
func (u *update) progressed(r *driver.Record) { u.signal() }
func (u *update) wants(driver.Change) bool    { return true }

func (c *core) updates(ctx context.Context, id string) iter.Seq2[antiphon.Operation, error] {
	return func(yield func(antiphon.Operation, error) bool) {
		if c.results == nil {
			yield(antiphon.Operation{}, c.unsupported("Updates"))
			return
		}
		u := &update{wake: make(chan struct{}, 1)}
		u.id, u.owner = id, u
		u.placed.Store(true)
		c.follow.curious.Add(1)
		defer c.follow.curious.Add(-1)
		c.follow.add(&u.following)
		defer c.follow.remove(&u.following)
		last := int64(0)
		for {
			found, err := c.results.Lookup(ctx, c.name, []string{id}, false)
			switch {
			case ctx.Err() != nil:
				err = gaveUp(ctx, antiphon.ClassNotAccepted)
			case err == nil && len(found) == 0:
				err = ErrUnknownJob
			}
			if err != nil {
				yield(antiphon.Operation{}, err)
				return
			}
			if op := operationOf(found[0]); op.Version > last {
				last = op.Version
				if !yield(op, nil) || op.State.Terminal() {
					return
				}
			}
			c.waitFor(ctx, u)
			if why := u.why.Load(); why != nil {
				yield(antiphon.Operation{}, *why)
				return
			}
		}
	}
}

// waitFor waits until there may be something new, but not for ever.
func (c *core) waitFor(ctx context.Context, u *update) {
	timer := c.clock.Timer(c.opts.Poll)
	defer timer.Stop()
	select {
	case <-u.wake:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// An ask is a job whose asker knows nothing of jobs.
type ask[R any] struct {
	following
	ctx     context.Context
	core    *core
	promise future.Promise[R]
	stop    func() bool // takes the hook off ctx; nil if there is none
	mu      sync.Mutex
	version int64 // of the last progress
}

// submitted: the job is there, or is not.
func (a *ask[R]) submitted(err error) {
	if err != nil {
		a.failed(err)
		return
	}
	if a.ctx.Err() != nil { // giveUp may have come too early to find it
		a.giveUp()
	}
}

// watch has giveUp called when the asker's context ends.
func (a *ask[R]) watch() {
	if a.ctx.Done() != nil {
		a.stop = context.AfterFunc(a.ctx, a.giveUp)
	}
}

// giveUp: the asker's context has ended.
func (a *ask[R]) giveUp() {
	c := a.core
	class := antiphon.ClassUnknown
	id := c.follow.placedAs(&a.following)
	if !c.caps.InProcess {
		a.promise.Reject(gaveUp(a.ctx, class)) // now, whatever the store is doing
	} else if id == "" {
		return // it is being put, and looked at again after that
	}
	if id != "" && c.control != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		r, err := c.cancelJob(ctx, id)
		cancel()
		if err == nil && r.State == antiphon.StateCanceled && neverBegan(&r) {
			class = antiphon.ClassNotAccepted
		}
	}
	c.follow.remove(&a.following)
	a.promise.Reject(gaveUp(a.ctx, class))
}

func (a *ask[R]) ended(o outcome) {
	a.leave()
	if o.state != antiphon.StateSucceeded {
		a.promise.Reject(o.failure())
		return
	}
	a.promise.Settle(answer[R](a.core, o.result))
}

func (a *ask[R]) failed(err error) {
	a.leave()
	a.promise.Reject(err)
}

func (a *ask[R]) leave() {
	if a.stop != nil {
		a.stop()
	}
}

func (a *ask[R]) wants(c driver.Change) bool { return c.Progress || c.State.Terminal() }

func (a *ask[R]) progressed(r *driver.Record) {
	a.mu.Lock()
	news := r.Version > a.version && (r.Percent != 0 || r.Message != "" || r.Data != nil)
	a.version = max(a.version, r.Version)
	a.mu.Unlock()
	if !news {
		return // overtaken, or nothing was reported yet
	}
	defer func() { _ = recover() }() // what listens is the asker's, the goroutine ours
	var data any
	if r.Data != nil {
		data = slices.Clip(r.Data)
	}
	antiphon.Report(a.ctx, r.Percent, r.Message, data)
}
