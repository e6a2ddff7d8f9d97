package queue_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// What was done while the store is away is settled when it is back, and not done again.
func TestQ11_StoreAwayWhileSettling(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := meddled(t)
		b.remote = true
		start := time.Now()
		b.settle = func(ctx context.Context, s []driver.Settlement, do func() []error) []error {
			switch d := time.Since(start); {
			case d < time.Second:
				return all(len(s), errAway)
			case d < 3*time.Second:
				<-ctx.Done() // it does not answer
				return all(len(s), context.Cause(ctx))
			}
			return do()
		}
		var calls atomic.Int64
		q := on(t, b, &queue.Options{Lease: 3 * time.Second, Attempts: 1})
		stop := work(q, func(_ context.Context, n int) (int, error) { calls.Add(1); return n, nil }, &queue.WorkOptions{Concurrency: 600})
		var jobs []*queue.Job[int]
		for n := range 600 {
			jobs = append(jobs, submit(t, q, n, nil))
		}
		for n, j := range jobs {
			if v, err := j.Await(t.Context()); v != n || err != nil {
				t.Fatal(n, v, err)
			}
		}
		if err := stop(); err != nil || calls.Load() != 600 {
			t.Error(err, calls.Load())
		}
		if d := time.Since(start); d < 3*time.Second || d > 10*time.Second {
			t.Error(d)
		}
	})
}

// A settlement that the store never takes delays no other, and does not keep its job.
func TestSettlementThatFailsHarmsNoOther(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := meddled(t)
		var poison atomic.Pointer[string]
		b.settle = func(_ context.Context, s []driver.Settlement, do func() []error) []error {
			var errs []error
			for i := range s {
				if p := poison.Load(); p != nil && s[i].ID == *p {
					errs = append(errs, errAway)
				} else if one := b.able.Settle(context.Background(), "test", s[i:i+1]); one != nil {
					errs = append(errs, one...)
				} else {
					errs = append(errs, nil)
				}
			}
			return errs
		}
		var seen counts
		lease := 30 * time.Second
		q := on(t, b, &queue.Options{Lease: lease, Attempts: 1, Observer: seen.observe})
		f := func(ctx context.Context, n int) (int, error) {
			if n == 0 {
				id := antiphon.InfoFrom(ctx).ID
				poison.Store(&id)
			}
			return n, nil
		}
		stop := work(q, f, nil)
		start := time.Now()
		bad := submit(t, q, 0, nil)
		for n := range 100 {
			time.Sleep(457 * time.Millisecond)
			before := time.Now()
			if v, err := submit(t, q, n+1, nil).Await(t.Context()); v != n+1 || err != nil {
				t.Fatal(v, err)
			}
			if d := time.Since(before); d > 100*time.Millisecond {
				t.Fatalf("the settlement of another took %v", d)
			}
		}
		for seen.of("queue.unsettled") == 0 && time.Since(start) < time.Hour {
			time.Sleep(time.Second)
		}
		if d := time.Since(start); d < lease || d > 3*lease {
			t.Errorf("given up after %v", d)
		}
		none := ""
		poison.Store(&none)
		if _, err := bad.Await(t.Context()); !errors.Is(err, queue.ErrLost) || antiphon.ClassOf(err) != antiphon.ClassUnknown {
			t.Error(err, antiphon.ClassOf(err))
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// More settlements than wait are waited with, and all come through.
func TestManySettlementsAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := meddled(t)
		b.remote = true // or none would be gathered
		first := true
		b.settle = func(_ context.Context, s []driver.Settlement, do func() []error) []error {
			if first {
				first = false
				time.Sleep(time.Second)
			}
			if len(s) > 256 {
				t.Errorf("%d in one call", len(s))
			}
			return do()
		}
		q := on(t, b, nil)
		const n = 3000
		let := make(chan struct{})
		stop := work(q, func(_ context.Context, n int) (int, error) { <-let; return n, nil }, &queue.WorkOptions{Concurrency: n})
		var jobs []*queue.Job[int]
		for i := range n {
			jobs = append(jobs, submit(t, q, i, nil))
		}
		synctest.Wait()
		close(let)
		for i, j := range jobs {
			if v, err := j.Await(t.Context()); v != i || err != nil {
				t.Fatal(i, v, err)
			}
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// A result that the store does not take makes a dead letter of the job, which was done.
func TestResultThatIsTooLargeForTheStore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := meddled(t)
		b.settle = func(_ context.Context, s []driver.Settlement, do func() []error) []error {
			if s[0].Result != nil {
				return all(len(s), antiphon.ErrTooLarge)
			}
			return do()
		}
		q := on(t, b, nil)
		stop := work(q, echo, nil)
		_, err := submit(t, q, 1, nil).Await(t.Context())
		if !errors.Is(err, antiphon.ErrTooLarge) || !errors.Is(err, queue.ErrDead) || antiphon.ClassOf(err) != antiphon.ClassFailed {
			t.Error(err, antiphon.ClassOf(err))
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// rude is an error whose methods panic.
type rude struct{ text *string }

func (r *rude) Error() string { return *r.text }

// odd is a codec that panics where it is told to.
type odd struct {
	antiphon.JSON
	where string
}

func (o odd) ContentType() string {
	if o.where == "type" {
		panic("no type")
	}
	return o.JSON.ContentType()
}

func (o odd) Marshal(v any) ([]byte, error) {
	if n, ok := v.(int); ok && n > 100 && o.where == "marshal" {
		panic("too much")
	}
	return o.JSON.Marshal(v)
}

func (o odd) Unmarshal(b []byte, v any) error {
	if o.where == "unmarshal" && string(b) == "200" {
		panic("never heard of it")
	}
	return o.JSON.Unmarshal(b, v)
}

// X7: nothing of the user's that panics ends the process, a slot, or a job's way.
func TestX7_PanicsAroundTheWork(t *testing.T) {
	double := func(_ context.Context, n int) (int, error) { return 2 * n, nil }
	fails := func(err error) func(context.Context, int) (int, error) {
		return func(context.Context, int) (int, error) { return 0, err }
	}
	for name, tt := range map[string]struct {
		f     func(context.Context, int) (int, error)
		o     queue.Options
		class antiphon.Class // of the error; empty if there is none
		dead  int
	}{
		"error":        {f: fails((*rude)(nil)), class: antiphon.ClassUnknown, dead: 1},
		"buried error": {f: fails(queue.Bury((*rude)(nil))), class: antiphon.ClassUnknown, dead: 1},
		"panic error":  {f: func(context.Context, int) (int, error) { panic((*rude)(nil)) }, class: antiphon.ClassFailed, dead: 1},
		"type":         {f: double, o: queue.Options{Codec: odd{where: "type"}}},
		"marshal":      {f: double, o: queue.Options{Codec: odd{where: "marshal"}}, class: antiphon.ClassFailed, dead: 1},
		"unmarshal":    {f: double, o: queue.Options{Codec: odd{where: "unmarshal"}}, class: antiphon.ClassFailed},
		"retryable":    {f: fails(errBoom), o: queue.Options{Retryable: func(error) bool { panic("who knows") }}, class: antiphon.ClassOf(errBoom), dead: 1},
		"backoff":      {f: fails(errBoom), o: queue.Options{Backoff: func(int) time.Duration { panic("not now") }}, class: antiphon.ClassOf(errBoom), dead: 1},
		"observer":     {f: fails(errBoom), o: queue.Options{Observer: func(antiphon.Event) { panic("do not look") }}, class: antiphon.ClassOf(errBoom), dead: 1},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				tt.o.Attempts = 2
				q := open[int, int](t, &tt.o)
				stop := work(q, tt.f, &queue.WorkOptions{Concurrency: 1})
				j := submit(t, q, 100, nil)
				v, err := j.Await(t.Context())
				if tt.class == "" && (v != 200 || err != nil) || tt.class != "" && (err == nil || antiphon.ClassOf(err) != tt.class) {
					t.Errorf("%v, %v of class %s", v, err, antiphon.ClassOf(err))
				}
				if s, _ := q.Stats(t.Context()); s.Dead != tt.dead || s.Running != 0 {
					t.Errorf("%+v", s)
				}
				if err := stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// What is done to a header after Submit does nothing to the job.
func TestHeaderIsThatOfTheSubmit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := open[int, string](t, nil)
		o := &queue.SubmitOptions{Header: map[string]string{"user": "ann"}}
		j := submit(t, q, 1, o)
		o.Header["user"] = strings.Repeat("x", 1<<20)
		stop := work(q, func(ctx context.Context, _ int) (string, error) { return antiphon.InfoFrom(ctx).Header["user"], nil }, nil)
		if v, err := j.Await(t.Context()); v != "ann" || err != nil {
			t.Error(len(v), err)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}
