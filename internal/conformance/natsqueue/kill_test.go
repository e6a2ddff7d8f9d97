package natsqueue_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/queue/natsqueue"
)

// Tests start this program again as one that works or submits, and kill it.
func TestMain(m *testing.M) {
	switch role := os.Getenv("NATSQUEUE_ROLE"); role {
	case "":
		os.Exit(m.Run())
	case "work":
		beWorker(os.Getenv("NATSQUEUE_URL"))
	case "submit":
		beSubmitter(os.Getenv("NATSQUEUE_URL"))
	case "open":
		beOpener(os.Getenv("NATSQUEUE_URL"))
	default:
		fmt.Fprintln(os.Stderr, "no such role:", role)
		os.Exit(2)
	}
}

// A child is such a process.
type child struct {
	*exec.Cmd
	lines *bufio.Scanner
	stdin io.WriteCloser
}

func start(t testing.TB, role, url string) *child {
	t.Helper()
	c := &child{Cmd: exec.Command(os.Args[0])}
	c.Env = append(os.Environ(), "NATSQUEUE_ROLE="+role, "NATSQUEUE_URL="+url)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if c.stdin, err = c.StdinPipe(); err != nil { // its end tells the child that we are gone
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	c.lines = bufio.NewScanner(out)
	t.Cleanup(c.kill)
	return c
}

func (c *child) letGo(t testing.TB) {
	t.Helper()
	if _, err := c.stdin.Write([]byte{'!'}); err != nil {
		t.Fatal(err)
	}
}

// kill ends the process with SIGKILL.
func (c *child) kill() {
	if c.ProcessState == nil {
		_ = c.Process.Kill()
		_ = c.Wait()
	}
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// childQueue opens what the children of the tests have in common.
func childQueue(url string) *queue.Queue[int, int] {
	nc, err := nats.Connect(url)
	must(err)
	js, err := jetstream.New(nc)
	must(err)
	b, err := natsqueue.Open(context.Background(), js, nil)
	must(err)
	q, err := queue.New[int, int]("killed", b, childOptions)
	must(err)
	return q
}

var childOptions = &queue.Options{Lease: 150 * time.Millisecond, MaxAttempts: 1000, Poll: time.Second}

// beWorker waits until it is let go, does jobs until it is killed, and says which it
// begins.
func beWorker(url string) {
	q := childQueue(url)
	if n, _ := os.Stdin.Read(make([]byte, 1)); n == 0 {
		os.Exit(0)
	}
	go func() { // the end of a test ends it too
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	must(q.Work(context.Background(), func(ctx context.Context, n int) (int, error) {
		i := antiphon.InfoFrom(ctx)
		fmt.Printf("begun %s %d\n", i.ID, n)
		timer := time.NewTimer(time.Duration(n%5) * time.Millisecond)
		defer timer.Stop()
		<-timer.C
		return n * n, nil
	}, &queue.WorkOptions{Concurrency: 4}))
}

// beSubmitter submits numbers until it is killed, and says which were accepted.
func beSubmitter(url string) {
	q := childQueue(url)
	for n := 0; ; n++ {
		j, err := q.Submit(context.Background(), n, nil)
		must(err)
		fmt.Printf("accepted %s %d\n", j.ID(), n)
	}
}

func beOpener(url string) {
	q := childQueue(url)
	j, err := q.Submit(context.Background(), 1, nil)
	must(err)
	fmt.Println("accepted", j.ID(), 1)
}

// parse reads "word id number".
func parse(line string) (word, id string, n int) {
	f := strings.Fields(line)
	if len(f) != 3 {
		return "", "", 0
	}
	n, err := strconv.Atoi(f[2])
	if err != nil {
		return "", "", 0
	}
	return f[0], f[1], n
}

// A hundred workers are killed in the middle of jobs. Every accepted job is answered,
// nobody waits for ever, and what was settled when a worker began is not begun again.
func TestQ1_Q2_Q15_WorkersAreKilled(t *testing.T) {
	const kills, each = 100, 4
	url := serve(t).URL()
	b := open(t, dial(t, url), nil)
	q, err := queue.New[int, int]("killed", b, childOptions)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()

	var mu sync.Mutex
	answered := map[string]bool{} // whose answer was there, so that it had been settled
	var jobs []*queue.Job[int]
	var awaiters sync.WaitGroup
	submit := func(n int) {
		j, err := q.Submit(ctx, n, nil)
		if err != nil {
			t.Fatal(err)
		}
		jobs = append(jobs, j)
		awaiters.Go(func() {
			v, err := j.Await(ctx)
			if v != n*n || err != nil {
				t.Errorf("job %d: %d, %v", n, v, err)
			}
			mu.Lock()
			answered[j.ID()] = true
			mu.Unlock()
		})
	}
	next := start(t, "work", url) // starts while another is being killed
	for i := range kills {
		for k := range each {
			submit(i*each + k)
		}
		c := next
		next = start(t, "work", url)
		before := map[string]bool{}
		mu.Lock()
		for id := range answered {
			before[id] = true
		}
		mu.Unlock()
		c.letGo(t)
		for range 1 + i%each {
			if !c.lines.Scan() {
				t.Fatalf("worker %d said nothing: %v", i, c.lines.Err())
			}
			word, id, _ := parse(c.lines.Text())
			if word != "begun" || before[id] {
				t.Errorf("a worker said %q; the answer was there before: %v", c.lines.Text(), before[id])
			}
		}
		c.kill()
	}
	next.letGo(t)
	go func() { // it is not to wait for us
		for next.lines.Scan() {
		}
	}()
	awaiters.Wait()
	next.kill()
	s, err := q.Stats(ctx)
	if err != nil || s.Kept != len(jobs) || s.Ready+s.Delayed+s.Running+s.Dead != 0 {
		t.Errorf("of %d jobs: %+v, %v", len(jobs), s, err)
	}
	t.Logf("%d jobs, and %d workers that were killed", len(jobs), kills)
}

// What a submitter was told is accepted is there when it has been killed.
func TestQ1_SubmittersAreKilled(t *testing.T) {
	url := serve(t).URL()
	q, err := queue.New[int, int]("killed", open(t, dial(t, url), nil), childOptions)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	accepted := map[string]int{}
	for i := range 10 {
		c := start(t, "submit", url)
		for k := 0; k < 20+i && c.lines.Scan(); k++ {
			word, id, n := parse(c.lines.Text())
			if word != "accepted" {
				t.Fatalf("a submitter said %q", c.lines.Text())
			}
			accepted[id] = n
		}
		if err := c.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for c.lines.Scan() { // what it said before it died
			if word, id, n := parse(c.lines.Text()); word == "accepted" && len(id) > 0 {
				accepted[id] = n
			}
		}
		_ = c.Wait()
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- q.Work(ctx, func(_ context.Context, n int) (int, error) { return n * n, nil }, nil)
	}()
	for id, n := range accepted {
		if v, err := q.Attach(id).Await(t.Context()); v != n*n || err != nil {
			t.Errorf("job %d: %d, %v", n, v, err)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	t.Logf("%d jobs accepted", len(accepted))
}

// Several processes make the bucket at once.
func TestQ1_ANewBucketIsOpenedByMany(t *testing.T) {
	url := serve(t).URL()
	var all []*child
	for range 6 {
		all = append(all, start(t, "open", url))
	}
	for i, c := range all {
		if !c.lines.Scan() || !strings.HasPrefix(c.lines.Text(), "accepted ") {
			t.Errorf("process %d said %q", i, c.lines.Text())
		}
		if err := c.Wait(); err != nil {
			t.Errorf("process %d: %v", i, err)
		}
	}
	b := open(t, dial(t, url), nil)
	if s, err := b.Stats(t.Context(), "killed"); err != nil || s.Ready != len(all) {
		t.Errorf("%+v %v", s, err)
	}
}
