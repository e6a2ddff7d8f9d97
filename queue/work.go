package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/internal/alarm"
	"github.com/antiphon-go/antiphon/queue/driver"
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

// lead starts a goroutine that takes, if there is none and there is something to take
// for. The caller holds the lock.
func (w *worker) lead() {
	if w.leader || w.taking.Err() != nil || w.free == 0 && len(w.waiting) >= w.opts.Prefetch {
		return
	}
	w.leader = true
	w.start(nil)
}

// take takes jobs until it has one to do itself, or there is no slot.
func (w *worker) take() {
	for failures := 0; ; {
		w.mu.Lock()
		n := w.free + w.opts.Prefetch - len(w.waiting)
		w.mu.Unlock()
		if n > 0 {
			n = w.rate.wait(w.taking, w.core.clock, w.alarm, n)
		}
		if n <= 0 || w.taking.Err() != nil {
			w.mu.Lock()
			w.leader = false
			w.lead() // a slot may have become free since
			w.isIdle()
			w.mu.Unlock()
			return
		}
		buf, err := w.core.backend.Take(w.taking, nil, driver.TakeRequest{Queue: w.core.name, Max: n, Lease: w.core.opts.Lease, Wait: takeWait})
		w.rate.giveBack(n - len(buf))
		if len(buf) > 0 {
			failures = 0
			tasks := w.enter(buf)
			if w.taking.Err() != nil { // too late to begin
				w.giveBack(tasks, 0)
				continue
			}
			if t := w.hand(tasks); t != nil {
				w.slot(t)
				return
			}
			continue
		}
		if err != nil && w.taking.Err() == nil {
			if failures++; !w.failing(err, failures) {
				return
			}
		}
	}
}

// takeWait is how long a Take waits: one that was forgotten somewhere is made anew.
const takeWait = time.Minute

// failing waits before the backend is asked again. It reports false if there is no
// use in that.
func (w *worker) failing(err error, n int) bool {
	w.core.observe(antiphon.Event{Name: "queue.take_failed", Attempt: n, Err: err})
	if errors.Is(err, ErrClosed) || errors.Is(err, errors.ErrUnsupported) {
		w.mu.Lock()
		w.fatal, w.leader = err, false
		w.isIdle()
		w.mu.Unlock()
		w.stopTaking(err)
		return false
	}
	timer := w.core.clock.Timer(storeBackoff(n))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w.taking.Done():
	}
	return true
}

// storeBackoff is how long to wait before a store that fails is asked again.
var storeBackoff = antiphon.EqualJitter(antiphon.Geometric(20*time.Millisecond, 5*time.Second, 2))

// enter makes tasks of what was leased. A Take may have waited for long before: the
// leases are counted from now, and the first heartbeat comes early enough for what the
// answer took on its way.
func (w *worker) enter(leased []driver.Leased) []*task {
	since := w.alarm.Now()
	tasks := make([]*task, len(leased))
	for i := range leased {
		tasks[i] = w.newTask(&leased[i], since)
	}
	w.mu.Lock()
	for _, t := range tasks {
		w.enterOne(t)
	}
	w.mu.Unlock()
	return tasks
}

// newTask makes a task of what was leased, which is to be entered.
func (w *worker) newTask(leased *driver.Leased, since moment) *task {
	lease := w.core.opts.Lease
	w.alarm.Set(alarm.After(since, lease/3))
	return &task{w: w, job: leased, since: since, until: alarm.After(since, lease), timeUp: never, grace: never, worked: never, told: -int64(reportEvery)}
}

// enterOne enters a task. The caller holds the lock.
func (w *worker) enterOne(t *task) {
	t.at = len(w.tasks)
	w.tasks = append(w.tasks, t)
}

// hand gives tasks to slots, and what is left, as far as it may be fetched ahead, to
// those that become free. The leader's goroutine, which calls it, gets one of them to
// do itself, and is no leader any more then.
func (w *worker) hand(tasks []*task) (own *task) {
	own, back := w.deal(tasks)
	w.rate.giveBack(len(back))
	w.giveBack(back, 0)
	return own
}

// giveBack settles tasks that were not begun as if they had not been taken.
func (w *worker) giveBack(tasks []*task, delay time.Duration) {
	now := w.alarm.Now()
	w.mu.Lock()
	for _, t := range tasks {
		t.worked = now
	}
	w.mu.Unlock()
	for _, t := range tasks {
		w.settler.settle(t, driver.Settlement{Outcome: driver.Release, Delay: delay})
	}
}

// deal returns the leader's own, and what there is no place for: slots for which these
// were taken may have gone to what was claimed meanwhile.
func (w *worker) deal(tasks []*task) (own *task, back []*task) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting = append(w.waiting, tasks...)
	for w.free > 0 {
		t := w.next()
		if t == nil {
			break
		}
		w.free--
		if own == nil {
			own = t
			continue
		}
		w.start(t)
	}
	if n := w.opts.Prefetch; len(w.waiting) > n {
		back = slices.Clone(w.waiting[n:])
		clear(w.waiting[n:])
		w.waiting = w.waiting[:n]
	}
	if own != nil {
		w.leader = false
		w.lead()
	}
	return own, back
}

// next takes the next task that waits for a slot, or nil. The caller holds the lock.
func (w *worker) next() *task {
	if len(w.waiting) == 0 {
		return nil
	}
	i := 0
	if w.fair != nil {
		for j, t := range w.waiting {
			if w.fair[w.share(t)] < w.fair[w.share(w.waiting[i])] {
				i = j
			}
		}
		w.fair[w.share(w.waiting[i])]++
	}
	t := w.waiting[i]
	w.waiting = slices.Delete(w.waiting, i, i+1)
	w.running++
	return t
}

func (w *worker) share(t *task) string { return t.job.Header[w.opts.FairBy] }

// slot does t and what comes after it, until there is nothing left to do here.
func (w *worker) slot(t *task) {
	for t != nil {
		t = w.do(t)
	}
}

// do does t and returns what its slot does next.
func (w *worker) do(t *task) (next *task) {
	returned := false
	defer func() {
		next = w.after(t)
		if !returned && next != nil { // the work called runtime.Goexit
			w.mu.Lock()
			w.start(next)
			w.mu.Unlock()
		}
	}()
	if t.job.Kind != w.core.opts.Kind {
		w.foreign(t)
	} else {
		t.run()
	}
	returned = true
	return nil
}

// after returns what the slot of t does next.
func (w *worker) after(t *task) *task {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running--
	if w.fair != nil {
		s := w.share(t)
		if w.fair[s]--; w.fair[s] == 0 {
			delete(w.fair, s)
		}
	}
	if n := w.next(); n != nil {
		if !w.leader {
			w.lead() // there is room to fetch ahead
		}
		return n
	}
	w.free++
	w.lead()
	return nil
}

// foreign gives a job of another kind back.
func (w *worker) foreign(t *task) {
	t.observe("queue.unknown_kind", 0, fmt.Errorf("queue: a job of kind %q", t.job.Kind))
	w.giveBack([]*task{t}, w.core.opts.Lease)
}
