package queue

import (
	"context"
	"runtime/debug"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/internal/alarm"
	"github.com/antiphon-go/antiphon/internal/lifetime"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// A task is a leased job in a worker: it waits there for a slot, runs, and is settled.
type task struct {
	lifetime.Context // of the work, once it has begun
	w                *worker
	job              *driver.Leased

	// What follows is guarded by the worker's lock.
	at      int    // place in worker.tasks
	since   moment // when it was leased
	until   moment // when the lease is over unless it is extended
	worked  moment // when the work returned, or before; or never
	timeUp  moment // when its time is up, or never
	grace   moment // when it is stuck, or never
	begun   bool
	running bool
	lost    bool // the lease is over
	stuck   bool
	wished  bool // that it end

	progress *antiphon.Progress // to be sent, or nil
	told     moment             // when progress was sent last

	next     *task // in the settler
	settling [1]driver.Settlement
}

// Value is that of the work's context, t for Checkpoint and Restore, and what package
// antiphon looks for: contexts around t that say it would cost more than most work, of
// which little asks.
func (t *task) Value(key any) any {
	switch key {
	case taskKey{}:
		return t
	case infoKey:
		return t.info()
	case progressKey:
		return t.report
	}
	return t.Context.Value(key)
}

func (t *task) info() antiphon.Info {
	return antiphon.Info{
		ID:      t.job.ID,
		Kind:    t.w.core.name,
		Attempt: t.job.Attempt,
		Key:     t.job.Key,
		Header:  t.job.Header,
	}
}

// observe tells of an event of the job. Its context is not t, which may not have begun,
// or has ended.
func (t *task) observe(name string, after time.Duration, err error) {
	if c := t.w.core; c.opts.Observer != nil {
		c.observe(antiphon.Event{Name: name, Context: antiphon.WithInfo(t.w.base, t.info()), ID: t.job.ID, Attempt: t.job.Attempt, Duration: after, Err: err})
	}
}

// infoKey and progressKey are the keys that antiphon.InfoFrom and antiphon.Report ask a
// context for.
var (
	infoKey     = keyOf(func(ctx context.Context) { antiphon.InfoFrom(ctx) })
	progressKey = keyOf(func(ctx context.Context) { antiphon.Report(ctx, 0, "", nil) })
)

// keyOf returns the key that ask asks a context for.
func keyOf(ask func(context.Context)) any {
	p := &probe{Context: context.Background()}
	ask(p)
	return p.asked
}

// A probe is a context that notes what it is asked for.
type probe struct {
	context.Context
	asked any
}

func (p *probe) Value(key any) any {
	p.asked = key
	return nil
}

// run does the job, on the goroutine of a slot.
func (t *task) run() {
	var result []byte
	err := future.ErrGoexit
	defer func() {
		if v := recover(); v != nil {
			err = &future.PanicError{Value: v, Stack: debug.Stack()}
		}
		t.w.finished(t, result, err)
	}()
	if why := t.begin(); why != nil {
		err = why
		return
	}
	result, err = t.w.work(t)
}

// begin makes t the context of the work, or says why it is not to be done.
func (t *task) begin() error {
	w, c := t.w, t.w.core
	timeUp, cause := never, error(ErrTimeout)
	if t.job.Left > 0 {
		timeUp, cause = alarm.After(t.since, t.job.Left), ErrExpired
	}
	if d := c.opts.Timeout; d > 0 {
		if up := alarm.After(w.alarm.Now(), d); up < timeUp {
			timeUp, cause = up, ErrTimeout
		}
	}
	at := time.Time{}
	if timeUp != never {
		at = w.alarm.Time(timeUp)
	}
	t.Begin(w.base, at, cause)
	w.mu.Lock()
	t.begun, t.running = true, true
	t.timeUp, t.grace = timeUp, never
	lost, wished, next := t.lost, t.wished || t.job.CancelRequested, w.due(t)
	hard := w.hard
	w.mu.Unlock()
	var why error
	switch {
	case lost:
		why = ErrLeaseLost
	case wished:
		why = ErrCanceled
	case hard:
		why = ErrDraining
	case t.job.Attempt > c.opts.Attempts:
		why = ErrLost
	}
	if why != nil {
		t.Cancel(why)
		return why
	}
	w.alarm.Set(next)
	return nil
}

// reportEvery is how often progress is stored at the most.
const reportEvery = 100 * time.Millisecond

// report keeps progress until it is sent: what comes next makes it obsolete.
func (t *task) report(p antiphon.Progress) {
	if p.Data != nil {
		b, err := t.w.core.marshal(p.Data)
		if err != nil {
			t.observe("queue.unreported", 0, err)
			b = nil
		}
		if p.Data = nil; b != nil {
			p.Data = b
		}
	}
	now := t.w.alarm.Now()
	t.w.mu.Lock()
	t.progress = &p
	at := max(now, alarm.After(t.told, reportEvery))
	t.w.mu.Unlock()
	t.w.alarm.Set(at)
}

type taskKey struct{}

func taskOf(ctx context.Context) *task {
	t, _ := ctx.Value(taskKey{}).(*task)
	return t
}

var errNoTask = misuse("no_job", "the context is not that of a job's work")

// Checkpoint stores v with the job whose work ctx is of, for [Restore] in the next
// attempt, in place of what is stored. It returns when the backend has it, and keeps
// the job's lease alive. It fails with [ErrLeaseLost] if the job is another's by now,
// with antiphon.ErrTooLarge, with code invalid_argument if ctx is of no job or v
// cannot be encoded, or as the backend does.
func Checkpoint(ctx context.Context, v any) error {
	t := taskOf(background(ctx))
	if t == nil {
		return errNoTask
	}
	b, err := t.w.core.marshal(v)
	if err != nil {
		return err
	}
	if b == nil {
		b = []byte{}
	}
	return t.w.checkpoint(ctx, t, b)
}

// Restore returns what the last Checkpoint of the job stored whose work ctx is of, in
// an earlier attempt, and whether there is such. It fails with code invalid_argument
// if that is no T.
func Restore[T any](ctx context.Context) (v T, ok bool, err error) {
	t := taskOf(background(ctx))
	if t == nil {
		return v, false, errNoTask
	}
	if t.job.Checkpoint == nil {
		return v, false, nil
	}
	v, err = unmarshal[T](t.w.core, t.job.Checkpoint)
	return v, err == nil, err
}
