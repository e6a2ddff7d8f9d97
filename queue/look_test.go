package queue_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// What nobody tells of is found by looking, however many others ask meanwhile.
func TestPollIsNotHeldUpByThoseWhoAsk(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := meddled(t)
		b.watch = func(func() (driver.Watch, error)) (driver.Watch, error) { return nil, errAway }
		q, other := on(t, b, nil), on(t, b, nil)
		j := submit(t, q, 1, nil)
		stop := work(other, echo, nil)
		synctest.Wait()
		start := time.Now()
		for i := 0; i < 60 && !isDone(j); i++ {
			q.Attach(fmt.Sprint("nobody", i))
			time.Sleep(time.Second)
		}
		if d := time.Since(start); d > 6*time.Second {
			t.Errorf("found after %v", d)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func isDone(j *queue.Job[int]) bool {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := j.Await(ctx)
	return err == nil
}

// However many attach at once, the store is asked by one goroutine, for many.
func TestAttachOfManyAsksInTurn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := meddled(t)
		b.remote = true
		var calls, asking, most atomic.Int64
		b.lookup = func(do func() ([]driver.Record, error)) ([]driver.Record, error) {
			calls.Add(1)
			most.Store(max(most.Load(), asking.Add(1)))
			defer asking.Add(-1)
			time.Sleep(10 * time.Millisecond)
			return do()
		}
		q := on(t, b, nil)
		const n = 2000
		jobs := make(chan *queue.Job[int], n)
		for i := range n {
			go func() {
				time.Sleep(time.Duration(i) * 50 * time.Microsecond)
				jobs <- q.Attach(fmt.Sprint("nobody", i))
			}()
		}
		for range n {
			if _, err := (<-jobs).Await(t.Context()); !errors.Is(err, queue.ErrUnknownJob) {
				t.Fatal(err)
			}
		}
		if most.Load() > 2 || calls.Load() > 100 { // one that hears, and one that is asked
			t.Errorf("%d calls, %d at once", calls.Load(), most.Load())
		}
	})
}

// Q1: an answer that is older than the job does not make it unknown.
func TestQ1_LookOlderThanTheJob(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := meddled(t)
		b.remote = true
		b.watch = func(func() (driver.Watch, error)) (driver.Watch, error) { return nil, errAway }
		slow := false
		b.put = func(_ context.Context, _ driver.PutRequest, do func() ([]driver.Placed, error)) ([]driver.Placed, error) {
			if slow {
				time.Sleep(6 * time.Second) // it is looked after in the meantime
			}
			return do()
		}
		b.lookup = func(do func() ([]driver.Record, error)) ([]driver.Record, error) {
			found, err := do()
			time.Sleep(3 * time.Second)
			return found, err
		}
		q := on(t, b, nil)
		submit(t, q, 0, &queue.SubmitOptions{Delay: time.Hour}) // so that somebody looks
		slow = true
		j := submit(t, q, 1, nil)
		time.Sleep(4 * time.Second)
		stop := work(on(t, b, nil), echo, nil)
		if v, err := j.Await(t.Context()); v != 1 || err != nil {
			t.Error(v, err)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// brokenWatch is one that breaks when it is told to.
type brokenWatch struct {
	driver.Watch
	breaks chan struct{}
}

func (b brokenWatch) Next(ctx context.Context, into []driver.Change) ([]driver.Change, error) {
	select {
	case <-b.breaks:
		return nil, errAway
	default:
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-b.breaks:
			cancel()
		case <-ctx.Done():
		}
	}()
	return b.Watch.Next(ctx, into)
}

// A watch that breaks, or cannot be opened, is opened again.
func TestWatchIsOpenedAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := meddled(t)
		var opened atomic.Int64
		breaks := make(chan struct{})
		b.watch = func(do func() (driver.Watch, error)) (driver.Watch, error) {
			n := opened.Add(1)
			if n == 2 {
				return nil, errAway
			}
			w, err := do()
			if n == 1 && err == nil {
				w = brokenWatch{w, breaks}
			}
			return w, err
		}
		q := on(t, b, &queue.Options{Poll: 5 * time.Second})
		other := work(on(t, &meddler{able: b.able}, nil), echo, nil)
		long := submit(t, q, 1, &queue.SubmitOptions{Delay: time.Hour})
		synctest.Wait()
		close(breaks)
		time.Sleep(11 * time.Second) // it fails at the first look, and works at the second
		if opened.Load() != 3 {
			t.Errorf("opened %d times", opened.Load())
		}
		start := time.Now()
		if v, err := submit(t, q, 2, nil).Await(t.Context()); v != 2 || err != nil || time.Since(start) > time.Second {
			t.Error(v, err, time.Since(start))
		}
		if v, err := long.Await(t.Context()); v != 1 || err != nil {
			t.Error(v, err)
		}
		if err := other(); err != nil {
			t.Error(err)
		}
	})
}

// bare hides all that a backend can do but need not.
type bare struct{ driver.Backend }

// A backend that knows no results: workers of the same queue settle the futures, and
// the rest is said to be unsupported.
func TestBackendThatCanDoNothingMore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := queue.Memory(nil)
		defer m.Close()
		q := on(t, bare{m}, nil)
		stop := work(q, echo, nil)
		j := submit(t, q, 1, nil)
		if v, err := j.Await(t.Context()); v != 1 || err != nil {
			t.Error(v, err)
		}
		if v, err := q.Asker(nil)(t.Context(), 2).Await(t.Context()); v != 2 || err != nil {
			t.Error(v, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := q.Asker(func(int) *queue.SubmitOptions { return &queue.SubmitOptions{Delay: time.Minute} })(ctx, 3).Await(t.Context()); !errors.Is(err, context.DeadlineExceeded) || antiphon.ClassOf(err) != antiphon.ClassUnknown {
			t.Error(err, antiphon.ClassOf(err))
		}
		ops := q.Operations(nil)
		for name, do := range map[string]func() error{
			"Attach":  func() error { _, err := q.Attach(j.ID()).Await(t.Context()); return err },
			"Cancel":  func() error { return j.Cancel(t.Context()) },
			"Pause":   func() error { return q.Pause(t.Context()) },
			"Redrive": func() error { _, err := q.Redrive(t.Context(), queue.All); return err },
			"Purge":   func() error { _, err := q.Purge(t.Context(), queue.All); return err },
			"Updates": func() (err error) {
				for _, err = range j.Updates(t.Context()) {
				}
				return err
			},
			"Dead": func() (err error) {
				for _, err = range q.Dead(t.Context()) {
				}
				return err
			},
			"Operations.Submit": func() error { _, _, err := ops.Submit(t.Context(), []byte("1"), antiphon.Info{}); return err },
			"Operations.Get":    func() error { _, err := ops.Get(t.Context(), j.ID()); return err },
			"Operations.Wait":   func() error { _, err := ops.Wait(t.Context(), j.ID(), 0); return err },
			"Operations.Cancel": func() error { _, err := ops.Cancel(t.Context(), j.ID()); return err },
			"Operations.Delete": func() error { return ops.Delete(t.Context(), j.ID()) },
			"Operations.List":   func() error { _, err := ops.List(t.Context(), "", "", 1); return err },
			"SubmitTx":          func() error { _, err := queue.SubmitTx(t.Context(), q, 1, 1, nil); return err },
		} {
			if err := do(); !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// Whoever leaves a job that several wait for leaves the others alone.
func TestLeavingAmongOthers(t *testing.T) {
	for leaves := range 3 {
		t.Run(fmt.Sprint(leaves), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				q := open[int, int](t, nil)
				j := submit(t, q, 1, &queue.SubmitOptions{Delay: time.Minute})
				var ctxs [3]context.Context
				var cancels [3]context.CancelFunc
				ended := make(chan error, 3)
				for i := range ctxs {
					ctxs[i], cancels[i] = context.WithCancel(t.Context())
					defer cancels[i]()
					go func() {
						var last antiphon.Operation
						var err error
						for last, err = range j.Updates(ctxs[i]) {
						}
						if err == nil && last.State != antiphon.StateSucceeded {
							err = fmt.Errorf("the last is %s", last.State)
						}
						ended <- err
					}()
					synctest.Wait()
				}
				cancels[leaves]()
				if err := <-ended; !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
				stop := work(q, echo, nil)
				for range 2 {
					if err := <-ended; err != nil {
						t.Error(err)
					}
				}
				if v, err := j.Await(t.Context()); v != 1 || err != nil {
					t.Error(v, err)
				}
				if err := stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// Close tells those in Updates, too, and whoever comes after it.
func TestCloseEndsUpdates(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := open[int, int](t, nil)
		j := submit(t, q, 1, nil)
		ended := make(chan error, 1)
		updates := func() (err error) {
			for _, err = range j.Updates(t.Context()) {
			}
			return err
		}
		go func() { ended <- updates() }()
		synctest.Wait()
		_ = q.Close()
		if err := <-ended; !errors.Is(err, queue.ErrClosed) {
			t.Error(err)
		}
		if err := updates(); !errors.Is(err, queue.ErrClosed) {
			t.Error(err)
		}
		if _, err := q.Attach(j.ID()).Await(t.Context()); !errors.Is(err, queue.ErrClosed) || antiphon.ClassOf(err) != antiphon.ClassUnknown {
			t.Error(err)
		}
		if err := q.Work(t.Context(), echo, nil); !errors.Is(err, queue.ErrClosed) {
			t.Error(err)
		}
	})
}
