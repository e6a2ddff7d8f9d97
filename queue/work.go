package queue

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/internal/alarm"
)

// WorkOptions say how jobs are done in one process. A zero field means its default,
// nil options mean all of them. A negative field is a mistake, which Work returns.
type WorkOptions struct {
	// Concurrency is how many jobs may be under way at once. A slot is free again
	// when the function has returned, whatever became of its context. 0 means 16.
	Concurrency int
	// Prefetch is how many more may be leased to wait here for a slot. 0 means none:
	// what is not begun is left to others.
	Prefetch int
	// Rate is how many jobs may be begun in a second, and Burst how many of these at
	// once. 0 means no limit, and a Burst of 1.
	Rate  float64
	Burst int
	// Drain is how long work under way may take when the worker is being stopped;
	// then its contexts end with [ErrDraining] as the cause. 0 means 30 seconds.
	Drain time.Duration
	// FairBy names an entry of the header by whose value jobs share the slots: of
	// those that wait here the next is one of the value that has the fewest under
	// way. It chooses among Prefetch jobs. Empty means in order.
	FairBy string
}

// Work does the jobs of the queue with f, until ctx ends; then it drains. It returns
// nil when all that it began has been done and settled, the mistake in the options,
// what broke the backend for good, or an error that is [ErrStuck].
//
// The context of f carries the values of ctx, but neither its end nor a future.Scope that
// it lies in: it ends when the job is
// canceled, expires, takes longer than Options.Timeout, when its lease is lost, and
// when draining takes too long. Its cause says which. What f returns, its panic too,
// decides about the job:
//
//   - nil: it has succeeded, and its result is kept.
//   - an error: it is tried again after Options.Backoff, until it has been tried
//     Options.Attempts times; then it is a dead letter.
//   - an error that Options.Retryable says no to, such as one marked by
//     antiphon.Permanent, or made by [Bury]: it is a dead letter at once.
//   - [Snooze]: it is tried again then, as if it had not been.
//   - [Discard]: it has failed, and is no dead letter.
//   - an error, after it was canceled: it ends as canceled.
//   - an error, after ErrDraining: it is given back, as if it had not been begun.
//
// What cannot be decoded is a dead letter, with its bytes. What is of another Kind
// goes back for others.
//
// Several Work may run for one queue, in one process or in many; each has slots of its
// own.
func (q *Queue[Q, R]) Work(ctx context.Context, f future.Func[Q, R], o *WorkOptions) error {
	if f == nil {
		return misuse("nil_func", "Work needs a function")
	}
	c := q.core
	w := &worker{core: c, base: future.Outside(context.WithoutCancel(background(ctx))), work: func(t *task) ([]byte, error) {
		v, err := unmarshal[Q](c, t.job.Payload)
		if err != nil {
			return nil, Bury(err)
		}
		r, err := f(t, v)
		if err != nil {
			return nil, err
		}
		b, err := c.marshal(r)
		if err != nil {
			return nil, Bury(ran(err)) // it was done, and doing it again gives the same
		}
		return b, nil
	}}
	if o != nil {
		w.opts = *o
	}
	if err := w.configure(); err != nil {
		return err
	}
	return w.run(background(ctx))
}

// A worker is one call of Work. Of its goroutines at most one takes jobs: it does the
// last of them itself, after it has handed that duty on if there are slots left. So
// a job that comes alone is done by the goroutine that it woke.
type worker struct {
	core  *core
	opts  WorkOptions
	work  func(*task) ([]byte, error) // t is its context
	base  context.Context
	alarm *alarm.Alarm
	rate  rate

	taking     context.Context // ends when no more is to be taken
	stopTaking context.CancelCauseFunc
	goroutines sync.WaitGroup
	settler    settler

	mu        sync.Mutex
	free      int  // slots
	leader    bool // somebody takes
	hard      bool // contexts end: Drain is over
	urgent    bool // the next ring is a heartbeat
	beating   bool // one is under way
	ended     bool // nothing rings any more
	waiting   []*task
	tasks     []*task // all that are leased
	running   int
	reserved  int // slots that wait for what Put says
	maxIdlers int
	idlers    []chan *task   // goroutines that have nothing to do
	fair      map[string]int // of the values of FairBy, how many are under way
	idle      chan struct{}  // closed when nothing is leased any more; nil if nobody waits
	fatal     error
}

func (w *worker) configure() error {
	o := &w.opts
	switch {
	case o.Concurrency < 0:
		return misuse("options", "WorkOptions.Concurrency is negative")
	case o.Prefetch < 0:
		return misuse("options", "WorkOptions.Prefetch is negative")
	case !(o.Rate >= 0):
		return misuse("options", "WorkOptions.Rate is negative")
	case o.Burst < 0:
		return misuse("options", "WorkOptions.Burst is negative")
	case o.Drain < 0:
		return misuse("options", "WorkOptions.Drain is negative")
	}
	if o.Concurrency == 0 {
		o.Concurrency = 16
	}
	if o.Drain == 0 {
		o.Drain = 30 * time.Second
	}
	w.free = o.Concurrency
	w.maxIdlers = min(o.Concurrency+1, maxIdlers())
	if o.FairBy != "" {
		w.fair = map[string]int{}
	}
	w.alarm = alarm.New(w.core.clock, w.ring)
	w.rate.init(o.Rate, o.Burst, w.alarm.Now())
	w.settler.w = w
	return nil
}

// run takes jobs until ctx ends, and drains.
func (w *worker) run(ctx context.Context) error {
	c := w.core
	w.taking, w.stopTaking = context.WithCancelCause(ctx)
	defer w.stopTaking(nil)
	c.mu.Lock()
	if c.closed.Load() {
		c.mu.Unlock()
		return ErrClosed
	}
	workers := append(slices.Clone(c.workersNow()), w)
	c.workers.Store(&workers)
	c.mu.Unlock()
	c.follow.hold()
	defer c.follow.release()
	w.mu.Lock()
	w.lead()
	w.mu.Unlock()
	<-w.taking.Done()
	err := w.drain()
	c.mu.Lock()
	others := slices.DeleteFunc(slices.Clone(c.workersNow()), func(o *worker) bool { return o == w })
	c.workers.Store(&others) // not into workers, which is being read
	c.mu.Unlock()
	return err
}

// stop ends the taking.
func (w *worker) stop(why error) { w.stopTaking(why) }
