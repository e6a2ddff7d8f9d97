package queue_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue"
)

func echo(_ context.Context, n int) (int, error) { return n, nil }

// open makes a queue on a backend of its own, with nobody working on it.
func open[Q, R any](t testing.TB, o *queue.Options) *queue.Queue[Q, R] {
	t.Helper()
	b := queue.Memory(nil)
	q, err := queue.New[Q, R]("test", b, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = q.Close()
		_ = b.Close()
	})
	return q
}

// work works on q until stop is called, which returns what Work did.
func work[Q, R any](q *queue.Queue[Q, R], f func(context.Context, Q) (R, error), o *queue.WorkOptions) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- q.Work(ctx, f, o) }()
	return func() error {
		cancel()
		return <-ended
	}
}

func submit[Q, R any](t testing.TB, q *queue.Queue[Q, R], v Q, o *queue.SubmitOptions) *queue.Job[R] {
	t.Helper()
	j, err := q.Submit(t.Context(), v, o)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// bubble runs a test in virtual time.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

func TestX5_MistakesAreErrors(t *testing.T) {
	m := queue.Memory(nil)
	defer m.Close()
	for name, o := range map[string]queue.Options{
		"Attempts": {Attempts: -1}, "Capacity": {Capacity: -1}, "MaxPayload": {MaxPayload: -1},
		"Lease": {Lease: -1}, "Timeout": {Timeout: -1}, "TTL": {TTL: -1}, "KeepResults": {KeepResults: -1},
		"Poll": {Poll: -1}, "Overflow": {Overflow: 7},
	} {
		_, err := queue.New[int, int]("q", m, &o)
		if antiphon.CodeOf(err) != antiphon.CodeInvalidArgument || !strings.Contains(fmt.Sprint(err), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := queue.New[int, int]("", m, nil); antiphon.CodeOf(err) != antiphon.CodeInvalidArgument {
		t.Error(err)
	}
	if _, err := queue.New[int, int]("q", nil, nil); antiphon.CodeOf(err) != antiphon.CodeInvalidArgument {
		t.Error(err)
	}
	if _, err := queue.New[int, int]("q", m, &queue.Options{Durability: queue.ProcessKill}); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
	q, err := queue.New[int, int]("q", m, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	long := strings.Repeat("x", 513)
	many := map[string]string{}
	for i := range 65 {
		many[fmt.Sprint(i)] = ""
	}
	for name, o := range map[string]queue.SubmitOptions{
		"Delay": {Delay: -1}, "TTL": {TTL: -1}, "UniqueFor": {Unique: "u", UniqueFor: -1}, "needs Unique": {UniqueFor: 1},
		"Key": {Key: long}, "Unique": {Unique: long}, "Group": {Group: long},
		"header": {Header: many}, "16 KiB": {Header: map[string]string{"k": strings.Repeat("x", 16<<10)}},
	} {
		_, err := q.Submit(t.Context(), 1, &o)
		if antiphon.CodeOf(err) != antiphon.CodeInvalidArgument || antiphon.ClassOf(err) != antiphon.ClassNotAccepted || !strings.Contains(fmt.Sprint(err), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := q.Submit(t.Context(), 1, &queue.SubmitOptions{Priority: math.MaxInt32 + 1}); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
	for name, o := range map[string]queue.WorkOptions{
		"Concurrency": {Concurrency: -1}, "Prefetch": {Prefetch: -1}, "Rate": {Rate: -1}, "Burst": {Burst: -1}, "Drain": {Drain: -1},
	} {
		if err := q.Work(t.Context(), echo, &o); antiphon.CodeOf(err) != antiphon.CodeInvalidArgument || !strings.Contains(fmt.Sprint(err), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := q.Work(t.Context(), nil, nil); antiphon.CodeOf(err) != antiphon.CodeInvalidArgument {
		t.Error(err)
	}
	if err := q.Work(t.Context(), echo, &queue.WorkOptions{Rate: math.NaN()}); antiphon.CodeOf(err) != antiphon.CodeInvalidArgument {
		t.Error(err)
	}
	if _, err := q.SubmitAll(t.Context(), []int{1, 2}, &queue.SubmitOptions{Key: "k"}); antiphon.CodeOf(err) != antiphon.CodeInvalidArgument {
		t.Error(err)
	}
	if jobs, err := q.SubmitAll(t.Context(), nil, nil); jobs != nil || err != nil {
		t.Error(jobs, err)
	}
}

// noContext counts as context.Background.
var noContext context.Context

func TestX5_NilContextWaits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := working(t, echo, nil, nil)
		j, err := q.Submit(noContext, 3, nil)
		if err != nil {
			t.Fatal(err)
		}
		if v, err := j.Await(noContext); v != 3 || err != nil {
			t.Error(v, err)
		}
		if v, err := q.Asker(nil)(noContext, 4).Await(noContext); v != 4 || err != nil {
			t.Error(v, err)
		}
	})
}

func TestSubmitOfWhatIsNone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := open[func(), int](t, nil)
		if _, err := q.Submit(t.Context(), func() {}, nil); antiphon.CodeOf(err) != antiphon.CodeInvalidArgument || antiphon.ClassOf(err) != antiphon.ClassNotAccepted {
			t.Error(err)
		}
		s := open[string, int](t, &queue.Options{MaxPayload: 10})
		if _, err := s.Submit(t.Context(), "12345678", nil); err != nil {
			t.Error(err)
		}
		if _, err := s.Submit(t.Context(), "123456789", nil); !errors.Is(err, antiphon.ErrTooLarge) {
			t.Error(err)
		}
		over, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.Submit(over, "1", nil); !errors.Is(err, context.Canceled) || antiphon.ClassOf(err) != antiphon.ClassNotAccepted {
			t.Error(err)
		}
		if st, _ := s.Stats(t.Context()); st.Ready != 1 {
			t.Errorf("%+v", st)
		}
		_ = s.Close()
		if _, err := s.Submit(t.Context(), "1", nil); !errors.Is(err, queue.ErrClosed) || antiphon.ClassOf(err) != antiphon.ClassNotAccepted {
			t.Error(err)
		}
	})
}

func TestKeyGivesTheSameJob(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := open[int, int](t, &queue.Options{KeepResults: time.Hour})
		o := &queue.SubmitOptions{Key: "k"}
		a, b := submit(t, q, 1, o), submit(t, q, 1, o)
		if a.ID() != b.ID() || a.Duplicate() || !b.Duplicate() {
			t.Error(a.ID(), a.Duplicate(), b.ID(), b.Duplicate())
		}
		if _, err := q.Submit(t.Context(), 2, o); !errors.Is(err, queue.ErrKeyReused) || antiphon.ClassOf(err) != antiphon.ClassNotAccepted {
			t.Error(err)
		}
		var calls int
		stop := work(q, func(_ context.Context, n int) (int, error) { calls++; return n * 10, nil }, nil)
		for _, j := range []*queue.Job[int]{a, b} {
			if v, err := j.Await(t.Context()); v != 10 || err != nil {
				t.Error(v, err)
			}
		}
		if v, err := submit(t, q, 1, o).Await(t.Context()); v != 10 || err != nil { // it has ended, and is known
			t.Error(v, err)
		}
		time.Sleep(time.Hour)
		if c := submit(t, q, 2, o); c.Duplicate() { // it is not known any more
			t.Error("a duplicate of what was forgotten")
		}
		if err := stop(); err != nil || calls != 2 {
			t.Error(err, calls)
		}
	})
}

func TestUnique(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := open[int, int](t, nil)
		active := &queue.SubmitOptions{Unique: "a"}
		window := &queue.SubmitOptions{Unique: "w", UniqueFor: time.Hour}
		a, w := submit(t, q, 1, active), submit(t, q, 1, window)
		if j := submit(t, q, 2, active); !j.Duplicate() || j.ID() != a.ID() {
			t.Error("two of a unique name")
		}
		stop := work(q, echo, nil)
		for _, j := range []*queue.Job[int]{a, w} {
			if v, err := j.Await(t.Context()); v != 1 || err != nil {
				t.Error(v, err)
			}
		}
		if j := submit(t, q, 3, active); j.Duplicate() {
			t.Error("it has ended, and the name is free")
		}
		time.Sleep(59 * time.Minute)
		if j := submit(t, q, 3, window); !j.Duplicate() {
			t.Error("the window is open")
		}
		time.Sleep(time.Minute)
		if j := submit(t, q, 3, window); j.Duplicate() {
			t.Error("the window is over")
		}
		synctest.Wait()
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestQ6_NeverEarly(t *testing.T) {
	bubble(t, func(t *testing.T) {
		start := time.Now()
		q := working(t, func(_ context.Context, d time.Duration) (time.Duration, error) { return time.Since(start), nil }, nil, nil)
		var jobs []*queue.Job[time.Duration]
		var want []time.Duration
		for _, d := range []time.Duration{0, 1, time.Second, time.Hour, 23 * time.Hour} {
			jobs = append(jobs, submit(t, q, d, &queue.SubmitOptions{Delay: d}), submit(t, q, d, &queue.SubmitOptions{At: start.Add(d)}))
			want = append(want, d, d)
		}
		for i, j := range jobs {
			if v, err := j.Await(t.Context()); v != want[i] || err != nil {
				t.Errorf("due after %v, done after %v, %v", want[i], v, err)
			}
		}
	})
}

func TestQ8_OrderAndPriority(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := open[int, int](t, nil)
		for i := range 10 {
			submit(t, q, i, &queue.SubmitOptions{Priority: i % 2})
		}
		var got []int
		stop := work(q, func(_ context.Context, n int) (int, error) { got = append(got, n); return 0, nil }, &queue.WorkOptions{Concurrency: 1})
		synctest.Wait()
		if err := stop(); err != nil {
			t.Error(err)
		}
		if fmt.Sprint(got) != "[1 3 5 7 9 0 2 4 6 8]" {
			t.Error(got)
		}
	})
}

// Q8: of a group one runs at a time, in order, over retries and delays.
func TestQ8_Groups(t *testing.T) {
	bubble(t, func(t *testing.T) {
		type item struct {
			Group string
			N     int
		}
		q := open[item, int](t, &queue.Options{Backoff: antiphon.Constant(time.Second)})
		for n := range 10 {
			for _, g := range []string{"a", "b", "c"} {
				o := &queue.SubmitOptions{Group: g}
				if n == 5 {
					o.Delay = time.Minute
				}
				submit(t, q, item{g, n}, o)
			}
		}
		var mu sync.Mutex
		running, done := map[string]bool{}, map[string][]int{}
		stop := work(q, func(ctx context.Context, v item) (int, error) {
			mu.Lock()
			if running[v.Group] {
				t.Errorf("two of group %s run", v.Group)
			}
			running[v.Group] = true
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			defer mu.Unlock()
			running[v.Group] = false
			if v.N%3 == 0 && antiphon.InfoFrom(ctx).Attempt == 1 {
				return 0, errors.New("not at the first attempt")
			}
			done[v.Group] = append(done[v.Group], v.N)
			return 0, nil
		}, nil)
		time.Sleep(time.Hour)
		if err := stop(); err != nil {
			t.Error(err)
		}
		for g, ns := range done {
			if fmt.Sprint(ns) != "[0 1 2 3 4 5 6 7 8 9]" {
				t.Errorf("group %s: %v", g, ns)
			}
		}
		if len(done) != 3 {
			t.Error(done)
		}
	})
}

func TestQ12_Full(t *testing.T) {
	t.Run("Reject", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			q := open[int, int](t, &queue.Options{Capacity: 3})
			if _, err := q.SubmitAll(t.Context(), []int{1, 2, 3, 4}, nil); !errors.Is(err, queue.ErrFull) {
				t.Error(err)
			}
			if _, err := q.SubmitAll(t.Context(), []int{1, 2}, nil); err != nil {
				t.Error(err)
			}
			submit(t, q, 3, &queue.SubmitOptions{Key: "k"})
			if _, err := q.SubmitAll(t.Context(), []int{4, 5}, nil); !errors.Is(err, queue.ErrFull) || antiphon.ClassOf(err) != antiphon.ClassNotAccepted {
				t.Error(err)
			}
			if j := submit(t, q, 3, &queue.SubmitOptions{Key: "k"}); !j.Duplicate() { // which takes no room
				t.Error("no duplicate")
			}
		})
	})
	t.Run("Block", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			q := open[int, int](t, &queue.Options{Capacity: 1, Overflow: queue.Block})
			submit(t, q, 1, nil)
			brief, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := q.Submit(brief, 2, nil); !errors.Is(err, context.DeadlineExceeded) || antiphon.ClassOf(err) != antiphon.ClassNotAccepted {
				t.Error(err)
			}
			var jobs []*queue.Job[int]
			stop := work(q, echo, &queue.WorkOptions{Concurrency: 1})
			for i := range 10 {
				jobs = append(jobs, submit(t, q, i, nil))
			}
			for i, j := range jobs {
				if v, err := j.Await(t.Context()); v != i || err != nil {
					t.Error(v, err)
				}
			}
			if err := stop(); err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("DropOldest", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			q := open[int, int](t, &queue.Options{Capacity: 2, Overflow: queue.DropOldest})
			var jobs []*queue.Job[int]
			for i := range 5 {
				jobs = append(jobs, submit(t, q, i, nil))
			}
			for i, j := range jobs[:3] {
				if _, err := j.Await(t.Context()); !errors.Is(err, queue.ErrDropped) || antiphon.ClassOf(err) != antiphon.ClassNotAccepted {
					t.Error(i, err)
				}
			}
			stop := work(q, echo, nil)
			for i, j := range jobs[3:] {
				if v, err := j.Await(t.Context()); v != i+3 || err != nil {
					t.Error(v, err)
				}
			}
			if err := stop(); err != nil {
				t.Error(err)
			}
		})
	})
}

func TestExpires(t *testing.T) {
	bubble(t, func(t *testing.T) {
		start := time.Now()
		q := open[int, int](t, nil)
		j := submit(t, q, 1, &queue.SubmitOptions{TTL: time.Minute})
		_, err := j.Await(t.Context())
		if !errors.Is(err, queue.ErrExpired) || !errors.Is(err, context.DeadlineExceeded) || antiphon.ClassOf(err) != antiphon.ClassNotAccepted {
			t.Errorf("%v, %s", err, antiphon.ClassOf(err))
		}
		if d := time.Since(start); d < time.Minute || d > time.Minute+5*time.Second {
			t.Error(d)
		}
		if st, _ := q.Stats(t.Context()); st.Expired != 1 || st.Ready != 0 {
			t.Errorf("%+v", st)
		}
	})
}
