package queuetest

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/internal/child"
	"github.com/antiphon-go/antiphon/internal/suite"
	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// Processes describes a store that several processes have open at once, each for
// itself. [TestProcesses] starts the program of the test again as such a process, which
// [Processes.Main] is the whole of:
//
//	func TestMain(m *testing.M) {
//		processes.Main()
//		os.Exit(m.Run())
//	}
type Processes struct {
	// New makes a store without any jobs, and returns where it is: a path, or a URL.
	// What ends it is registered with tb.Cleanup.
	New func(tb testing.TB) string
	// Open opens a backend on the store that is there, and registers with tb.Cleanup
	// what ends that which is no backend. In a process that was started again
	// nothing is cleaned up: it is killed.
	Open func(tb testing.TB, at string) driver.Backend
	// Kills is how many workers are killed. 0 means 100.
	Kills int
	// Patience is how long all of the jobs of a rule may take. 0 means 3 minutes.
	Patience time.Duration
}

// TestProcesses kills processes that work and submit, and checks w against the rules that
// are about that, each in a subtest.
func TestProcesses(t *testing.T, w Processes) {
	for _, r := range killRules {
		t.Run(r.Name, func(t *testing.T) { r.Run(w.begin(t)) })
	}
}

// A killing is one rule being checked with processes that are killed.
type killing struct {
	*suite.Trial
	Processes
	at string
	q  *queue.Queue[int, int]
}

var killRules = []suite.Rule[*killing, Processes]{
	{
		Name:  "WorkersAreKilled",
		Why:   "Q1, Q2, Q15: whenever workers are killed, each job is answered, and none is begun by who came after its answer",
		Check: (*killing).workers,
	},
	{
		Name:  "SubmittersAreKilled",
		Why:   "Q1, Q15: what a submitter was told is accepted is there when it has been killed",
		Check: (*killing).submitters,
	},
	{
		Name:  "OpenedByMany",
		Why:   "Q1: processes that open a new store at once have one store, and none of their jobs is lost",
		Check: (*killing).openers,
	},
}

func (w Processes) begin(tb testing.TB) *killing {
	if w.Kills <= 0 {
		w.Kills = 100
	}
	if w.Patience <= 0 {
		w.Patience = 3 * time.Minute
	}
	t := &killing{Trial: suite.World{Patience: w.Patience}.Begin(tb), Processes: w}
	t.at = w.New(t)
	return t
}

// open opens the store in this process. It is left to a process to do so first.
func (t *killing) open() {
	t.Helper()
	b := t.Open(t, t.at)
	q, err := queue.New[int, int](killed, b, killedOptions)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = q.Close()
		_ = b.Close()
	})
	t.q = q
}

// start starts a process, which says nothing more when the patience is over.
func (t *killing) start(role string) *child.Process {
	t.Helper()
	p := child.Start(t, killRole+"="+role, killAt+"="+t.at)
	limit := time.AfterFunc(t.Patience, p.Kill)
	t.Cleanup(func() { limit.Stop() })
	return p
}

// said returns what p says next, if it says anything more: that a job was begun or
// accepted.
func (t *killing) said(p *child.Process, want string) (id string, n int, ok bool) {
	t.Helper()
	if !p.Lines.Scan() {
		return "", 0, false
	}
	var word string
	if _, err := fmt.Sscan(p.Lines.Text(), &word, &id, &n); err != nil || word != want {
		return "", 0, false // cut off by the kill
	}
	return id, n, true
}

const (
	killRole = "QUEUETEST_ROLE"
	killAt   = "QUEUETEST_AT"
	killed   = "killed"
)

var killedOptions = &queue.Options{Lease: 150 * time.Millisecond, Attempts: 1000, Poll: 200 * time.Millisecond}

func square(n int) int { return n * n }

// workers kills one worker after another in the middle of jobs.
func (t *killing) workers() {
	const each = 4
	t.open()
	ctx, cancel := t.Patient()
	defer cancel()
	var mu sync.Mutex
	answered, begun := map[string]bool{}, map[string]int{}
	var awaiters sync.WaitGroup
	submit := func(n int) {
		j, err := t.q.Submit(ctx, n, nil)
		if err != nil {
			t.Fatal(err)
		}
		awaiters.Go(func() {
			if v, err := j.Await(ctx); v != square(n) || err != nil {
				t.Errorf("job %d was accepted, and its answer is %d, %v", n, v, err)
			}
			mu.Lock()
			defer mu.Unlock()
			answered[j.ID()] = true
		})
	}
	next := t.start("work") // starts while another is being killed
	for i := range t.Kills {
		for k := range each {
			submit(i*each + k)
		}
		p := next
		next = t.start("work")
		before := map[string]bool{}
		mu.Lock()
		for id := range answered {
			before[id] = true
		}
		mu.Unlock()
		begins := func() bool {
			id, n, ok := t.said(p, "begun")
			if ok {
				begun[id]++
			}
			if before[id] {
				t.Errorf("job %d had been answered, and was begun by a worker that came later", n)
			}
			return ok
		}
		p.LetGo(t)
		for range 1 + i%each {
			if !begins() {
				t.Fatalf("worker %d began no job: %v", i, p.Lines.Err())
			}
		}
		p.Kill()
		for begins() { // what it said before it died
		}
		_ = p.Ended()
	}
	next.LetGo(t)
	var last sync.WaitGroup
	last.Go(func() {
		for id, _, ok := t.said(next, "begun"); ok; id, _, ok = t.said(next, "begun") {
			begun[id]++
		}
	})
	awaiters.Wait()
	next.Kill()
	last.Wait()
	again := 0
	for _, n := range begun {
		again += min(n-1, 1)
	}
	n := t.Kills * each
	s, err := t.q.Stats(ctx)
	if err != nil || s.Kept != n || s.Ready+s.Delayed+s.Running+s.Dead != 0 {
		t.Errorf("of %d jobs, all answered: %+v, %v", n, s, err)
	}
	if again == 0 {
		t.Error("no worker was killed in the middle of a job: the machine is too slow to tell")
	}
	t.Logf("%d jobs, of which %d were begun again, and %d workers that were killed", n, again, t.Kills)
}

// submitters kills one submitter after another, and then does all the work.
func (t *killing) submitters() {
	accepted := map[string]int{}
	for i := range (t.Kills + 9) / 10 {
		p := t.start("submit")
		p.LetGo(t)
		for range 20 + i {
			id, n, ok := t.said(p, "accepted")
			if !ok {
				t.Fatalf("submitter %d said %q: %v", i, p.Lines.Text(), p.Lines.Err())
			}
			accepted[id] = n
		}
		p.Kill()
		for id, n, ok := t.said(p, "accepted"); ok; id, n, ok = t.said(p, "accepted") {
			accepted[id] = n
		}
		_ = p.Ended()
	}
	t.open()
	ctx, cancel := t.Patient()
	defer cancel()
	work, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		ended <- t.q.Work(work, func(_ context.Context, n int) (int, error) { return square(n), nil }, nil)
	}()
	for id, n := range accepted {
		if v, err := t.q.Attach(id).Await(ctx); v != square(n) || err != nil {
			t.Errorf("job %d was accepted, and its answer is %d, %v", n, v, err)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	t.Logf("%d jobs accepted", len(accepted))
}

// openers has several processes begin a store.
func (t *killing) openers() {
	var all []*child.Process
	for range 6 {
		all = append(all, t.start("open"))
	}
	for _, p := range all {
		p.LetGo(t)
	}
	for i, p := range all {
		if _, _, ok := t.said(p, "accepted"); !ok {
			t.Errorf("process %d said %q: %v", i, p.Lines.Text(), p.Lines.Err())
		}
		if err := p.Ended(); err != nil {
			t.Errorf("process %d: %v", i, err)
		}
	}
	t.open()
	if s, err := t.q.Stats(t.Context()); err != nil || s.Ready != len(all) {
		t.Errorf("%d processes submitted a job each, and there are %+v, %v", len(all), s, err)
	}
}

// Main is the whole of a process that TestProcesses started, and does not return then;
// in any other it does nothing.
func (w Processes) Main() {
	role := os.Getenv(killRole)
	if role == "" {
		return
	}
	if role == "open" {
		child.Wait()
	}
	rec := &suite.Recorder{}
	var b driver.Backend
	opened := make(chan struct{})
	go func() { // which a failure ends
		defer close(opened)
		b = w.Open(suite.World{}.Begin(rec), os.Getenv(killAt))
	}()
	<-opened
	if rec.Failed() {
		child.Must(fmt.Errorf("queuetest: %s", strings.Join(rec.Failures(), "; ")))
	}
	q, err := queue.New[int, int](killed, b, killedOptions)
	child.Must(err)
	if role != "open" {
		child.Wait()
	}
	switch role {
	case "work":
		child.Must(q.Work(context.Background(), beginning, &queue.WorkOptions{Concurrency: 4}))
	case "submit":
		for n := 0; ; n++ {
			accept(q, n)
		}
	case "open":
		accept(q, 1)
	}
	os.Exit(0)
}

// beginning is work that says when it begins.
func beginning(ctx context.Context, n int) (int, error) {
	fmt.Println("begun", antiphon.InfoFrom(ctx).ID, n)
	timer := time.NewTimer(time.Duration(n%5) * time.Millisecond)
	defer timer.Stop()
	<-timer.C
	return square(n), nil
}

// accept submits n, and says when it is accepted.
func accept(q *queue.Queue[int, int], n int) {
	j, err := q.Submit(context.Background(), n, nil)
	child.Must(err)
	fmt.Println("accepted", j.ID(), n)
}
