package queue_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/future"
	"github.com/antiphon-go/antiphon/queue"
)

var errBoom = &antiphon.Error{Code: antiphon.CodeUnavailable, Reason: "test.boom", Message: "boom"}

// Q7: attempts count, the waits are the backoff's, and after the last the job is a
// dead letter, once.
func TestQ7_RetriesThenDead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		start := time.Now()
		var at []time.Duration
		q := working(t, func(ctx context.Context, n int) (int, error) {
			at = append(at, time.Since(start))
			if got := antiphon.InfoFrom(ctx).Attempt; got != len(at) {
				t.Errorf("attempt %d calls itself %d", len(at), got)
			}
			if len(at) == 2 {
				return 0, antiphon.RetryAfter(errBoom, time.Hour)
			}
			return 0, errBoom
		}, &queue.Options{Attempts: 4, Backoff: antiphon.Constant(time.Minute)}, nil)
		j := submit(t, q, 1, nil)
		_, err := j.Await(t.Context())
		if !errors.Is(err, queue.ErrDead) || !errors.Is(err, errBoom) || antiphon.CodeOf(err) != antiphon.CodeUnavailable || antiphon.ClassOf(err) != antiphon.ClassOf(errBoom) {
			t.Errorf("%v, %s, %s", err, antiphon.CodeOf(err), antiphon.ClassOf(err))
		}
		if fmt.Sprint(at) != "[0s 1m0s 1h1m0s 1h2m0s]" {
			t.Error(at)
		}
		n := 0
		for d, err := range q.Dead(t.Context()) {
			if n++; err != nil || d.ID != j.ID() || d.Request != 1 || d.Attempt != 4 || !errors.Is(d.Err, errBoom) {
				t.Errorf("%+v, %v", d, err)
			}
		}
		if n != 1 {
			t.Errorf("%d dead letters", n)
		}
	})
}

func TestVerdicts(t *testing.T) {
	for name, tt := range map[string]struct {
		err   error
		calls int
		dead  int
		is    []error
	}{
		"Permanent":     {antiphon.Permanent(errBoom), 1, 1, []error{errBoom, queue.ErrDead}},
		"not retryable": {antiphon.Errorf(antiphon.CodeNotFound, "nothing"), 1, 1, []error{queue.ErrDead}},
		"Bury":          {queue.Bury(errBoom), 1, 1, []error{errBoom, queue.ErrDead}},
		"Discard":       {queue.Discard(errBoom), 1, 0, []error{errBoom}},
		"plain":         {errBoom, 2, 1, []error{errBoom, queue.ErrDead}},
		"wrapped":       {fmt.Errorf("while at it: %w", queue.Bury(errBoom)), 1, 1, []error{errBoom, queue.ErrDead}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				calls := 0
				q := working(t, func(context.Context, int) (int, error) { calls++; return 0, tt.err }, &queue.Options{Attempts: 2}, nil)
				_, err := submit(t, q, 1, nil).Await(t.Context())
				for _, is := range tt.is {
					if !errors.Is(err, is) {
						t.Errorf("%v is not %v", err, is)
					}
				}
				s, _ := q.Stats(t.Context())
				if calls != tt.calls || s.Dead != tt.dead || s.Failed != 1 {
					t.Errorf("%d calls, %+v", calls, s)
				}
			})
		})
	}
	if queue.Bury(nil) != nil || queue.Discard(nil) != nil {
		t.Error("a verdict about nothing")
	}
}

func TestSnoozeDoesNotCount(t *testing.T) {
	bubble(t, func(t *testing.T) {
		start := time.Now()
		calls := 0
		q := working(t, func(ctx context.Context, n int) (int, error) {
			if antiphon.InfoFrom(ctx).Attempt != 1 {
				t.Error("it counted")
			}
			if calls++; calls < 10 {
				return 0, queue.Snooze(time.Hour)
			}
			return n, nil
		}, &queue.Options{Attempts: 1}, nil)
		if v, err := submit(t, q, 5, nil).Await(t.Context()); v != 5 || err != nil || time.Since(start) != 9*time.Hour {
			t.Error(v, err, time.Since(start))
		}
	})
}

// Q10: a panic, and a Goexit, is an attempt that failed.
func TestQ10_PanicsAreFailures(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := working(t, func(_ context.Context, n int) (int, error) {
			switch n {
			case 1:
				panic("a secret")
			case 2:
				runtime.Goexit()
			}
			return n, nil
		}, &queue.Options{Attempts: 1}, &queue.WorkOptions{Concurrency: 1})
		a, b, c := submit(t, q, 1, nil), submit(t, q, 2, nil), submit(t, q, 3, nil)
		if _, err := a.Await(t.Context()); antiphon.CodeOf(err) != antiphon.CodeInternal || !errors.Is(err, queue.ErrDead) {
			t.Error(err)
		}
		if _, err := b.Await(t.Context()); !errors.Is(err, future.ErrGoexit) {
			t.Error(err)
		}
		if v, err := c.Await(t.Context()); v != 3 || err != nil {
			t.Error(v, err)
		}
	})
}

func TestTimeoutEndsTheContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		start := time.Now()
		q := working(t, func(ctx context.Context, n int) (int, error) {
			if at, ok := ctx.Deadline(); !ok || !at.Equal(start.Add(time.Minute)) {
				t.Error(at, ok)
			}
			<-ctx.Done()
			if !errors.Is(context.Cause(ctx), queue.ErrTimeout) || ctx.Err() != context.DeadlineExceeded || time.Since(start) != time.Minute {
				t.Error(context.Cause(ctx), ctx.Err(), time.Since(start))
			}
			return 0, ctx.Err()
		}, &queue.Options{Attempts: 1, Timeout: time.Minute}, nil)
		_, err := submit(t, q, 1, nil).Await(t.Context())
		if !errors.Is(err, queue.ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) || antiphon.ClassOf(err) != antiphon.ClassUnknown {
			t.Error(err, antiphon.ClassOf(err))
		}
	})
}

// A discreet error has another text for whoever asked.
type discreet struct{}

func (discreet) Error() string { return "the password is hunter2" }
func (discreet) AntiphonError() *antiphon.Error {
	return &antiphon.Error{Code: antiphon.CodeInternal, Message: "it broke"}
}

// What an error keeps to itself is not stored when the time is up either.
func TestTimeoutTellsNoMoreThanTheError(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := working(t, func(ctx context.Context, n int) (int, error) {
			<-ctx.Done()
			return 0, discreet{}
		}, &queue.Options{Attempts: 1, Timeout: time.Minute}, nil)
		_, err := submit(t, q, 1, nil).Await(t.Context())
		if !errors.Is(err, queue.ErrTimeout) || !errors.Is(err, queue.ErrDead) || err.Error() != "queue: the attempt took too long: it broke" {
			t.Error(err)
		}
	})
}

// A slot is free when the function has returned, not before; work that does not is
// reported as stuck, and its job goes to others.
func TestStuckWorkKeepsItsSlot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		start := time.Now()
		var stuck atomic.Int64
		release := make(chan struct{})
		q := open[int, int](t, &queue.Options{Attempts: 2, Timeout: time.Minute, Lease: 30 * time.Second, Observer: func(e antiphon.Event) {
			if e.Name == "queue.stuck" {
				stuck.Store(int64(time.Since(start)))
			}
		}})
		var calls, most, now atomic.Int64
		stop := work(q, func(ctx context.Context, n int) (int, error) {
			calls.Add(1)
			most.Store(max(most.Load(), now.Add(1)))
			defer now.Add(-1)
			if n == 1 && antiphon.InfoFrom(ctx).Attempt == 1 {
				<-release
			}
			return n, nil
		}, &queue.WorkOptions{Concurrency: 1})
		a := submit(t, q, 1, nil)
		synctest.Wait()
		b := submit(t, q, 2, nil)
		time.Sleep(10 * time.Minute)
		if stuck.Load() != int64(90*time.Second) || calls.Load() != 1 || most.Load() != 1 {
			t.Errorf("stuck after %v, %d calls, %d at once", time.Duration(stuck.Load()), calls.Load(), most.Load())
		}
		other := work(q, func(_ context.Context, n int) (int, error) { return -n, nil }, nil)
		for _, j := range []*queue.Job[int]{a, b} {
			if v, err := j.Await(t.Context()); v >= 0 || err != nil {
				t.Error(v, err)
			}
		}
		close(release) // what it returns comes too late, and changes nothing
		if err := stop(); err != nil {
			t.Error(err)
		}
		if err := other(); err != nil {
			t.Error(err)
		}
		if v, err := q.Attach(a.ID()).Await(t.Context()); v != -1 || err != nil {
			t.Error(v, err)
		}
	})
}

// Q4: work that takes longer than its lease keeps it, as long as its worker lives.
func TestQ4_HeartbeatKeepsTheLease(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var calls atomic.Int64
		q := open[int, int](t, &queue.Options{Lease: time.Second})
		f := func(_ context.Context, n int) (int, error) {
			calls.Add(1)
			time.Sleep(time.Hour)
			return n, nil
		}
		a, b := work(q, f, nil), work(q, f, nil)
		for i := range 10 {
			j := submit(t, q, i, nil)
			defer func() {
				if v, err := j.Await(t.Context()); v != i || err != nil {
					t.Error(v, err)
				}
				if i == 0 {
					_, _ = a(), b()
					if calls.Load() != 10 {
						t.Errorf("%d calls", calls.Load())
					}
				}
			}()
		}
	})
}

// Q11: what is under way when the worker is stopped is done; what was fetched ahead
// goes back, uncounted.
func TestQ11_DrainLosesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := open[int, int](t, &queue.Options{Attempts: 1})
		var calls atomic.Int64
		f := func(_ context.Context, n int) (int, error) {
			calls.Add(1)
			time.Sleep(time.Second)
			return n, nil
		}
		var jobs []*queue.Job[int]
		for i := range 20 {
			jobs = append(jobs, submit(t, q, i, nil))
		}
		stop := work(q, f, &queue.WorkOptions{Concurrency: 2, Prefetch: 10})
		time.Sleep(1500 * time.Millisecond)
		if err := stop(); err != nil {
			t.Error(err)
		}
		s, _ := q.Stats(t.Context())
		if calls.Load() != 4 || s.Succeeded != 4 || s.Running != 0 || s.Ready != 16 {
			t.Errorf("%d calls, %+v", calls.Load(), s)
		}
		stop = work(q, f, nil)
		for i, j := range jobs {
			if v, err := j.Await(t.Context()); v != i || err != nil {
				t.Error(i, v, err)
			}
		}
		if err := stop(); err != nil || calls.Load() != 20 {
			t.Error(err, calls.Load())
		}
	})
}

// When draining takes too long, contexts end with the cause ErrDraining, and the job
// is handed out again, uncounted.
func TestQ11_DrainEndsContexts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := open[int, int](t, &queue.Options{Attempts: 1})
		start := time.Now()
		stop := work(q, func(ctx context.Context, n int) (int, error) {
			<-ctx.Done()
			if context.Cause(ctx) != queue.ErrDraining || time.Since(start) != 3*time.Second {
				t.Error(context.Cause(ctx), time.Since(start))
			}
			return 0, ctx.Err()
		}, &queue.WorkOptions{Drain: 2 * time.Second})
		j := submit(t, q, 1, nil)
		time.Sleep(time.Second)
		if err := stop(); err != nil {
			t.Error(err)
		}
		stop = work(q, func(ctx context.Context, n int) (int, error) { return antiphon.InfoFrom(ctx).Attempt, nil }, nil)
		if v, err := j.Await(t.Context()); v != 1 || err != nil {
			t.Error(v, err)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestWorkThatIgnoresEverythingIsLeftBehind(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := open[int, int](t, &queue.Options{Lease: time.Second})
		release := make(chan struct{})
		stop := work(q, func(context.Context, int) (int, error) { <-release; return 1, nil }, &queue.WorkOptions{Drain: time.Second})
		j := submit(t, q, 1, nil)
		time.Sleep(time.Second)
		if err := stop(); !errors.Is(err, queue.ErrStuck) {
			t.Error(err)
		}
		stop = work(q, func(context.Context, int) (int, error) { return 2, nil }, nil)
		if v, err := j.Await(t.Context()); v != 2 || err != nil {
			t.Error(v, err)
		}
		close(release)
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestConcurrencyIsTheLimit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, n := range []int{1, 10} {
			start := time.Now()
			var now, most atomic.Int64
			q := open[int, int](t, nil)
			stop := work(q, func(context.Context, int) (int, error) {
				most.Store(max(most.Load(), now.Add(1)))
				time.Sleep(50 * time.Millisecond)
				now.Add(-1)
				return 0, nil
			}, &queue.WorkOptions{Concurrency: n})
			jobs, err := q.SubmitAll(t.Context(), make([]int, 10), nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, j := range jobs {
				if _, err := j.Await(t.Context()); err != nil {
					t.Error(err)
				}
			}
			if d := time.Since(start); d != time.Duration(10/n)*50*time.Millisecond || most.Load() != int64(n) {
				t.Errorf("with %d slots 10 jobs took %v, %d at once", n, d, most.Load())
			}
			if err := stop(); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestRate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		start := time.Now()
		q := open[int, int](t, nil)
		stop := work(q, echo, &queue.WorkOptions{Rate: 10, Burst: 5})
		jobs, err := q.SubmitAll(t.Context(), make([]int, 105), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, j := range jobs {
			if _, err := j.Await(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if d := time.Since(start); d < 10*time.Second || d > 10*time.Second+time.Millisecond {
			t.Error(d)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestFairShares(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := open[string, int](t, nil)
		for i := range 40 {
			who := "loud"
			if i >= 36 {
				who = "quiet"
			}
			submit(t, q, who, &queue.SubmitOptions{Header: map[string]string{"tenant": who}})
		}
		start := time.Now()
		var last time.Duration
		stop := work(q, func(_ context.Context, who string) (int, error) {
			time.Sleep(time.Second)
			if who == "quiet" {
				last = time.Since(start)
			}
			return 0, nil
		}, &queue.WorkOptions{Concurrency: 2, Prefetch: 100, FairBy: "tenant"})
		time.Sleep(time.Minute)
		if err := stop(); err != nil {
			t.Error(err)
		}
		if last > 5*time.Second {
			t.Errorf("four jobs of the quiet one, of 40, took %v", last)
		}
	})
}

func TestCheckpoints(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := working(t, func(ctx context.Context, n int) (int, error) {
			at, ok, err := queue.Restore[int](ctx)
			if err != nil || ok != (antiphon.InfoFrom(ctx).Attempt > 1) {
				t.Error(at, ok, err)
			}
			for ; at < n; at++ {
				if at%3 == 2 && antiphon.InfoFrom(ctx).Attempt == at/3+1 {
					return 0, errBoom
				}
				if err := queue.Checkpoint(ctx, at+1); err != nil {
					t.Error(err)
				}
			}
			return at, nil
		}, nil, nil)
		if v, err := submit(t, q, 10, nil).Await(t.Context()); v != 10 || err != nil {
			t.Error(v, err)
		}
		if err := queue.Checkpoint(t.Context(), 1); antiphon.CodeOf(err) != antiphon.CodeInvalidArgument {
			t.Error(err)
		}
		if _, _, err := queue.Restore[int](t.Context()); antiphon.CodeOf(err) != antiphon.CodeInvalidArgument {
			t.Error(err)
		}
	})
}

func TestHeaderKeyAndIDReachTheWork(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var info antiphon.Info
		q := working(t, func(ctx context.Context, n int) (int, error) { info = antiphon.InfoFrom(ctx); return n, nil }, nil, nil)
		j := submit(t, q, 1, &queue.SubmitOptions{Key: "k", Header: map[string]string{"traceparent": "00-1-2-03"}})
		if _, err := j.Await(t.Context()); err != nil {
			t.Fatal(err)
		}
		if info.ID != j.ID() || info.Key != "k" || info.Kind != "test" || info.Attempt != 1 || info.Header["traceparent"] != "00-1-2-03" {
			t.Errorf("%+v", info)
		}
	})
}

// Q13: a worker of other types gives back what is not its own, and buries what it
// cannot read, with its bytes.
func TestQ13_UnknownKindsAreLeftAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := queue.Memory(nil)
		defer m.Close()
		v1, _ := queue.New[int, int]("q", m, &queue.Options{Kind: "v1"})
		v2, _ := queue.New[string, int]("q", m, &queue.Options{Kind: "v2"})
		j := submit(t, v1, 7, nil)
		stop := work(v2, func(context.Context, string) (int, error) { t.Error("it was called"); return 0, nil }, nil)
		time.Sleep(24 * time.Hour)
		if err := stop(); err != nil {
			t.Error(err)
		}
		stop = work(v1, echo, nil)
		if v, err := j.Await(t.Context()); v != 7 || err != nil {
			t.Error(v, err)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		other, _ := queue.New[map[string]int, int]("q", m, &queue.Options{Kind: "v1"}) // of other types, and does not say so
		j = submit(t, v1, 8, nil)
		stop = work(other, func(context.Context, map[string]int) (int, error) { t.Error("it was called"); return 0, nil }, nil)
		if _, err := j.Await(t.Context()); !errors.Is(err, queue.ErrDead) || antiphon.CodeOf(err) != antiphon.CodeInvalidArgument {
			t.Error(err)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		for d, err := range other.Dead(t.Context()) {
			if err != nil || string(d.Payload) != "8" || d.Unreadable == nil {
				t.Errorf("%+v %v", d, err)
			}
		}
		for d, err := range v1.Dead(t.Context()) {
			if err != nil || d.Request != 8 || d.Unreadable != nil {
				t.Errorf("%+v %v", d, err)
			}
		}
		for _, c := range []interface{ Close() error }{v1, v2, other} {
			_ = c.Close()
		}
	})
}

// Jobs are no members of the scope that Work may be in: one that fails does not end it.
func TestWorkIsOutsideOfTheScope(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := queue.Memory(nil)
		defer store.Close()
		q, err := queue.New[int, int]("q", store, &queue.Options{Attempts: 2, Backoff: antiphon.Constant(time.Second)})
		if err != nil {
			t.Fatal(err)
		}
		defer q.Close()
		flaky := future.With(func(ctx context.Context, n int) (int, error) {
			if antiphon.InfoFrom(ctx).Attempt == 1 {
				return 0, errBoom
			}
			return n, nil
		}, &future.Policy{Timeout: time.Minute})
		err = future.Run(t.Context(), func(s *future.Scope) error {
			future.Go(s, func(ctx context.Context) (struct{}, error) {
				return struct{}{}, q.Work(ctx, flaky, nil)
			})
			v, err := submit(t, q, 5, nil).Await(s)
			if v != 5 || err != nil {
				t.Error(v, err)
			}
			s.Cancel(nil)
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}
