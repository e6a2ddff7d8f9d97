package queue

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/internal/ident"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// Backend is where jobs are kept: Memory, or that of another module.
type Backend = driver.Backend

// Overflow is what Submit does when a queue has no room.
type Overflow = driver.Overflow

// The policies.
const (
	Reject     = driver.Reject     // fail with ErrFull
	Block      = driver.Block      // wait until there is room, or the context ends
	DropOldest = driver.DropOldest // the jobs that have waited longest fail with ErrDropped
)

// Durability is what accepted jobs survive.
type Durability = driver.Durability

// The classes, each with those before it.
const (
	None        = driver.None        // nothing: they end with the process
	ProcessKill = driver.ProcessKill // that any process is killed at any time
	PowerLoss   = driver.PowerLoss   // that the machine loses power
)

// Options are the policy and the limits of a [Queue]. A zero field means its
// default, nil options mean all of them. A negative field is a mistake, which New
// returns. What the backend cannot do is one too: the error is
// errors.ErrUnsupported.
type Options struct {
	// Kind says what the payloads are, so that a worker of other types leaves them
	// alone: see [Queue.Work]. Empty means the name of the queue.
	Kind string
	// Attempts is how often a job is handed out at the most; then it is a dead
	// letter. 0 means 5.
	Attempts int
	// Backoff is how long a job waits after an attempt that failed; an error marked
	// by antiphon.RetryAfter makes that longer. nil means
	// antiphon.Exponential(time.Second, 5*time.Minute).
	Backoff antiphon.Backoff
	// Retryable tells whether an attempt that failed is worth another. nil means
	// antiphon.Retryable.
	Retryable func(error) bool
	// Lease is how long a worker that is not heard of keeps its job; workers are
	// heard of three times in it. 0 means 30 seconds.
	Lease time.Duration
	// Timeout is how long an attempt may take: then its context ends with
	// [ErrTimeout] as the cause. It is kept from others for another Lease; if it has
	// not returned by then, it is reported as stuck and its slot stays taken. 0 means
	// until the job expires.
	Timeout time.Duration
	// TTL is how long a job may take from Submit to its end; then it is expired. 0
	// means a week.
	TTL time.Duration
	// KeepResults is how long it is known how a job ended. 0 means 24 hours.
	KeepResults time.Duration
	// Capacity is how many jobs may wait, delayed ones included. 0 means no limit
	// but the backend's; of one in process, 1048576.
	Capacity int
	// Overflow is what Submit does when Capacity is reached. The zero value is
	// Reject.
	Overflow Overflow
	// Durability is what the backend has to promise at least.
	Durability Durability
	// MaxPayload is how many bytes an encoded request or answer may have. 0 means 1
	// MiB, or less if the backend allows less.
	MaxPayload int
	// Poll is how often what is awaited is looked at, although the backend tells of
	// it by itself; of more than 4096 jobs, that many each time. 0 means 5 seconds.
	Poll time.Duration

	// Ending is called with how a job ended, before that is settled: whatever it sees to
	// has been done when the job has ended, at least once. If it fails, the work is done
	// again, without counting the attempt; its context ends after Lease, and carries
	// antiphon.InfoFrom as that of the work does. What ends while
	// no worker has it, as it expires or is canceled, does not pass here. nil means
	// nothing.
	Ending func(ctx context.Context, how antiphon.Operation) error

	// Codec encodes requests, answers and checkpoints. nil means antiphon.JSON{}.
	Codec antiphon.Codec
	// Observer is told of the events listed in the package comment. nil means
	// nobody.
	Observer antiphon.Observer
	// Clock measures what this process waits for: timeouts, heartbeats, drains. nil
	// means the real one. Jobs are timed by the backend's clock.
	Clock clock.Clock
}

// A Queue is a typed view of the jobs of one name in a backend: whoever has the
// backend can make another, in any process.
//
// Concurrency: all methods may be called by any number of goroutines.
//
// Ownership: the backend is the caller's, who closes it after the queue.
//
// Closing: Close ends what waits for jobs in this process, not the jobs.
//
// Zero value: none; use New.
type Queue[Q, R any] struct {
	core *core
}

// core is what a queue is without its types.
type core struct {
	name    string
	opts    Options
	caps    driver.Capabilities
	backend driver.Backend
	results driver.Results    // nil if the backend has none
	morgue  driver.Morgue     // likewise
	control driver.Controller // likewise
	watcher driver.Watcher    // likewise
	clock   clock.Clock
	ids     ident.Source
	follow  follower

	closed  atomic.Bool
	mu      sync.Mutex                // of who changes what follows, and closed
	workers atomic.Pointer[[]*worker] // or nil
}

const (
	defaultTTL      = 7 * 24 * time.Hour
	defaultCapacity = 1 << 20
	defaultPayload  = 1 << 20
)

// New returns the queue called name in b. It fails with code invalid_argument if an
// option cannot be meant, and with errors.ErrUnsupported if b cannot do it. It does
// not ask the store for anything.
func New[Q, R any](name string, b driver.Backend, o *Options) (*Queue[Q, R], error) {
	c := &core{name: name, backend: b}
	if o != nil {
		c.opts = *o
	}
	if err := c.configure(); err != nil {
		return nil, err
	}
	c.results, _ = b.(driver.Results)
	c.morgue, _ = b.(driver.Morgue)
	c.control, _ = b.(driver.Controller)
	c.watcher, _ = b.(driver.Watcher)
	c.follow.init(c)
	return &Queue[Q, R]{c}, nil
}

func (c *core) configure() error {
	o := &c.opts
	switch {
	case c.name == "" || len(c.name) > 128:
		return misuse("name", "a queue's name has 1 to 128 bytes")
	case isNil(c.backend):
		return misuse("backend", "New needs a backend")
	case o.Overflow > DropOldest:
		return misuse("options", "Options.Overflow is unknown")
	}
	for _, f := range []struct {
		name  string
		value *int
		def   int
	}{
		{"Attempts", &o.Attempts, 5},
		{"Capacity", &o.Capacity, 0},
		{"MaxPayload", &o.MaxPayload, defaultPayload},
	} {
		if *f.value < 0 {
			return misuse("options", "Options."+f.name+" is negative")
		}
		if *f.value == 0 {
			*f.value = f.def
		}
	}
	for _, f := range []struct {
		name  string
		value *time.Duration
		def   time.Duration
	}{
		{"Lease", &o.Lease, 30 * time.Second},
		{"Timeout", &o.Timeout, 0},
		{"TTL", &o.TTL, defaultTTL},
		{"KeepResults", &o.KeepResults, 24 * time.Hour},
		{"Poll", &o.Poll, 5 * time.Second},
	} {
		if *f.value < 0 {
			return misuse("options", "Options."+f.name+" is negative")
		}
		if *f.value == 0 {
			*f.value = f.def
		}
	}
	c.caps = c.backend.Capabilities()
	if n := c.caps.MaxPayload; n > 0 {
		o.MaxPayload = min(o.MaxPayload, n)
	}
	switch {
	case o.Durability > c.caps.Durability:
		return c.unsupported(fmt.Sprintf("Options.Durability: it survives %s, and is to survive %s", c.caps.Durability, o.Durability))
	case o.Capacity > 0 && !c.caps.Capacity:
		return c.unsupported("Options.Capacity")
	case o.Capacity == 0 && c.caps.InProcess && c.caps.Capacity:
		o.Capacity = defaultCapacity
	}
	if o.Kind == "" {
		o.Kind = c.name
	}
	if o.Backoff == nil {
		o.Backoff = antiphon.Exponential(time.Second, 5*time.Minute)
	}
	if o.Retryable == nil {
		o.Retryable = antiphon.Retryable
	}
	if o.Codec == nil {
		o.Codec = antiphon.JSON{MaxSize: o.MaxPayload}
	}
	if o.Clock == nil {
		o.Clock = clock.New()
	}
	c.clock = o.Clock
	return nil
}

// isNil sees a nil pointer in an interface, too.
func isNil(b driver.Backend) bool {
	v := reflect.ValueOf(b)
	return b == nil || v.Kind() == reflect.Pointer && v.IsNil()
}

func (c *core) unsupported(what string) error {
	return unsupportedBy(c.caps.Name, what)
}

func (c *core) observe(e antiphon.Event) {
	if c.opts.Observer != nil {
		e.Kind = c.name
		c.opts.Observer.Emit(e)
	}
}

// Name returns the name of the queue.
func (q *Queue[Q, R]) Name() string { return q.core.name }

// Close ends what this queue does in this process: Submit fails with [ErrClosed],
// Work drains as if its context had ended, and the futures of jobs that have not
// ended fail with an error of class unknown that is ErrClosed. The jobs go on, and
// the backend stays open. It waits for nothing and may be called again.
func (q *Queue[Q, R]) Close() error {
	c := q.core
	c.mu.Lock()
	c.closed.Store(true)
	c.mu.Unlock()
	for _, w := range c.workersNow() {
		w.stop(ErrClosed)
	}
	c.follow.close()
	return nil
}

// workersNow returns the workers of this process, which is not to be changed.
func (c *core) workersNow() []*worker {
	if p := c.workers.Load(); p != nil {
		return *p
	}
	return nil
}

// Stats are the numbers of a queue; -1 is for what a backend does not know.
type Stats = driver.Stats

// Stats counts what is there, over all processes.
func (q *Queue[Q, R]) Stats(ctx context.Context) (Stats, error) {
	return q.core.backend.Stats(background(ctx), q.core.name)
}

// Pause makes workers, in all processes, take no more jobs, until Resume. What is
// under way goes on, and Submit accepts.
func (q *Queue[Q, R]) Pause(ctx context.Context) error { return q.core.pause(ctx, true) }

// Resume ends a pause.
func (q *Queue[Q, R]) Resume(ctx context.Context) error { return q.core.pause(ctx, false) }

func (c *core) pause(ctx context.Context, paused bool) error {
	if c.control == nil {
		return c.unsupported("Pause")
	}
	return c.control.Pause(background(ctx), c.name, paused)
}

// background stands for a nil context.
func background(ctx context.Context) context.Context {
	if ctx == nil {
		return context.Background()
	}
	return ctx
}
