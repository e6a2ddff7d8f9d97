package natscluster_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/queue/natsqueue"
)

// timeout is how long a process waits for an answer of its server.
const timeout = 2 * time.Second

// lenient is what the processes of a load have in common.
var lenient = &queue.Options{Lease: 2 * time.Second, Poll: time.Second, Attempts: 1000, Backoff: antiphon.Constant(10 * time.Millisecond)}

// A squared is an answer. No two calls of the work give the same one.
type squared struct {
	N   int
	Run int
}

type squares = queue.Queue[int, squared]

// A load is jobs that are submitted, worked on and awaited all the time, by processes
// that are connected to one server, or to all.
type load struct {
	t      *testing.T
	bucket string
	ctx    context.Context

	submits, works   context.Context
	hold, quit       context.CancelFunc
	submitters       sync.WaitGroup
	workers, waiters sync.WaitGroup

	mu       sync.Mutex
	next     int
	runs     int
	begun    map[int]int
	accepted map[string]int
	answers  map[string]squared
	refused  []int // class not accepted
	unknown  []int
	by       map[string]tally
}

// A tally is what became of the calls of one submitter.
type tally struct {
	accepted, refused, unknown, answered int
	slowest                              time.Duration
}

func newLoad(t *testing.T) *load {
	l := &load{t: t, bucket: bucket(), begun: map[int]int{}, accepted: map[string]int{}, answers: map[string]squared{}, by: map[string]tally{}}
	l.ctx = t.Context()
	l.submits, l.hold = context.WithCancel(l.ctx)
	l.works, l.quit = context.WithCancel(l.ctx)
	return l
}

// opens is a process of its own.
func (l *load) opens(url string) *squares {
	l.t.Helper()
	q, err := queue.New[int, squared]("squares", open(l.t, dial(l.t, url), natsqueue.Options{Bucket: l.bucket, Timeout: timeout}), lenient)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = q.Close() })
	return q
}

// work has one more work.
func (l *load) work(url string) {
	q := l.opens(url)
	l.workers.Go(func() {
		err := q.Work(l.works, func(_ context.Context, n int) (squared, error) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.begun[n]++
			l.runs++
			return squared{n * n, l.runs}, nil
		}, &queue.WorkOptions{Concurrency: 4, Drain: time.Second})
		if err != nil {
			l.t.Errorf("Work: %v", err)
		}
	})
}

// submit has one more submit, and await what it was told is accepted.
func (l *load) submit(who, url string) {
	q := l.opens(url)
	l.submitters.Go(func() {
		tick := time.NewTicker(30 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-l.submits.Done():
				return
			}
			l.mu.Lock()
			n := l.next
			l.next++
			l.mu.Unlock()
			from := time.Now()
			j, err := q.Submit(l.ctx, n, nil)
			l.submitted(who, n, j, err, time.Since(from))
		}
	})
}

func (l *load) submitted(who string, n int, j *queue.Job[squared], err error, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	by := l.by[who]
	defer func() { l.by[who] = by }()
	by.slowest = max(by.slowest, took)
	if err != nil {
		switch class := antiphon.ClassOf(err); class {
		case antiphon.ClassNotAccepted:
			by.refused++
			l.refused = append(l.refused, n)
		case antiphon.ClassUnknown:
			by.unknown++
			l.unknown = append(l.unknown, n)
		default:
			l.t.Errorf("%s: job %d: %v, of class %s", who, n, err, class)
		}
		return
	}
	by.accepted++
	l.accepted[j.ID()] = n
	l.waiters.Go(func() {
		a, err := j.Await(l.ctx)
		if err != nil || a.N != n*n {
			l.t.Errorf("%s: job %d, which was accepted, came to %+v, %v", who, n, a, err)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.answers[j.ID()] = a
		by := l.by[who]
		by.answered++
		l.by[who] = by
	})
}

func (l *load) of(who string) tally {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.by[who]
}

// goesOn waits until n more jobs of a submitter were accepted and n answered.
func (l *load) goesOn(who string, n int) {
	l.t.Helper()
	was := l.of(who)
	eventually(l.t, who+" gets no answers", func() bool {
		is := l.of(who)
		return is.accepted >= was.accepted+n && is.answered >= was.answered+n
	})
}

// end ends the load, and looks at all of it, by a process that knows nothing yet.
func (l *load) end(url string) {
	l.t.Helper()
	l.hold()
	within(l.t, "Submit hangs", &l.submitters)
	within(l.t, "Await hangs", &l.waiters)
	q := l.opens(url)
	for id, n := range l.accepted {
		a, err := q.Attach(id).Await(l.ctx)
		if err != nil || a != l.answers[id] {
			l.t.Errorf("job %d came to %+v, and is now %+v, %v", n, l.answers[id], a, err)
		}
	}
	eventually(l.t, "jobs are left", func() bool { // those of which nobody knew
		s, err := q.Stats(l.ctx)
		return err == nil && s.Ready+s.Delayed+s.Running == 0
	})
	l.quit()
	within(l.t, "Work hangs", &l.workers)
	for _, n := range l.refused {
		if l.begun[n] > 0 {
			l.t.Errorf("job %d was not accepted, and was worked on", n)
		}
	}
	again := 0
	for _, times := range l.begun {
		again += times - 1
	}
	for who, by := range l.by {
		l.t.Logf("%s: %d accepted, %d not, %d unknown; the slowest took %v", who, by.accepted, by.refused, by.unknown, by.slowest.Round(time.Millisecond))
	}
	l.t.Logf("%d jobs were begun, %d of them again", len(l.begun), again)
}

// within waits for what must end, or ends the test.
func within(tb testing.TB, what string, all *sync.WaitGroup) {
	tb.Helper()
	done := make(chan struct{})
	go func() {
		all.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(patience):
		tb.Fatal(what)
	}
}

// eventually waits until it is so, or ends the test.
func eventually(tb testing.TB, what string, so func() bool) {
	tb.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for limit := time.Now().Add(patience); !so(); <-tick.C {
		if time.Now().After(limit) {
			tb.Fatal(what)
		}
	}
}
