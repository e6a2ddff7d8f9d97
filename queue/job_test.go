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
)

func TestAttach(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := queue.Memory(nil)
		defer m.Close()
		here, _ := queue.New[int, int]("q", m, &queue.Options{Attempts: 1, KeepResults: time.Hour})
		there, _ := queue.New[int, int]("q", m, nil)
		defer here.Close()
		defer there.Close()
		good, bad := submit(t, here, 1, nil), submit(t, here, 2, nil)
		early := there.Attach(good.ID()) // before it is done
		stop := work(here, func(_ context.Context, n int) (int, error) {
			if n == 2 {
				return 0, errBoom
			}
			return n, nil
		}, nil)
		for _, j := range []*queue.Job[int]{good, early, there.Attach(good.ID())} {
			if v, err := j.Await(t.Context()); v != 1 || err != nil {
				t.Error(v, err)
			}
		}
		for _, j := range []*queue.Job[int]{bad, there.Attach(bad.ID())} {
			if _, err := j.Await(t.Context()); !errors.Is(err, errBoom) || !errors.Is(err, queue.ErrDead) {
				t.Error(err)
			}
		}
		if _, err := there.Attach("no such").Await(t.Context()); !errors.Is(err, queue.ErrUnknownJob) {
			t.Error(err)
		}
		time.Sleep(time.Hour)
		if _, err := there.Attach(good.ID()).Await(t.Context()); !errors.Is(err, queue.ErrUnknownJob) {
			t.Error("a result outlives KeepResults:", err)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestCancel(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := open[int, int](t, nil)
		waiting := submit(t, q, 1, nil)
		if err := waiting.Cancel(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := waiting.Cancel(t.Context()); err != nil { // again
			t.Fatal(err)
		}
		if _, err := waiting.Await(t.Context()); !errors.Is(err, queue.ErrCanceled) || antiphon.ClassOf(err) != antiphon.ClassNotAccepted {
			t.Error(err, antiphon.ClassOf(err))
		}
		start := time.Now()
		stop := work(q, func(ctx context.Context, n int) (int, error) {
			select {
			case <-ctx.Done():
				if context.Cause(ctx) != queue.ErrCanceled {
					t.Error(context.Cause(ctx))
				}
				if n == 3 { // it would rather finish
					return n, nil
				}
				return 0, ctx.Err()
			case <-time.After(time.Hour):
				return n, nil
			}
		}, nil)
		running, stubborn := submit(t, q, 2, nil), submit(t, q, 3, nil)
		synctest.Wait()
		if err := running.Cancel(t.Context()); err != nil {
			t.Error(err)
		}
		if err := q.Cancel(t.Context(), stubborn.ID()); err != nil {
			t.Error(err)
		}
		if _, err := running.Await(t.Context()); !errors.Is(err, queue.ErrCanceled) || antiphon.ClassOf(err) != antiphon.ClassFailed {
			t.Error(err, antiphon.ClassOf(err))
		}
		if v, err := stubborn.Await(t.Context()); v != 3 || err != nil {
			t.Error(v, err)
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("cancelling took %v", d)
		}
		if err := q.Cancel(t.Context(), "no such"); !errors.Is(err, queue.ErrUnknownJob) {
			t.Error(err)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestUpdates(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := working(t, func(ctx context.Context, n int) (int, error) {
			for p := 25.0; p < 100; p += 25 {
				antiphon.Report(ctx, p, fmt.Sprintf("%v so far", p), p)
				time.Sleep(time.Second)
			}
			return n, nil
		}, nil, nil)
		j := submit(t, q, 1, &queue.SubmitOptions{Delay: time.Minute})
		var got []string
		last := int64(0)
		for op, err := range j.Updates(t.Context()) {
			if err != nil || op.Version <= last || op.ID != j.ID() {
				t.Fatal(op, err)
			}
			last = op.Version
			if s := fmt.Sprintf("%s %v", op.State, op.Percent); len(got) == 0 || got[len(got)-1] != s {
				got = append(got, s)
			}
		}
		if fmt.Sprint(got) != "[queued 0 running 0 running 25 running 50 running 75 succeeded 75]" &&
			fmt.Sprint(got) != "[queued 0 running 25 running 50 running 75 succeeded 75]" {
			t.Error(got)
		}
		for op, err := range j.Updates(t.Context()) {
			if err != nil || op.State != antiphon.StateSucceeded {
				t.Error(op, err)
			}
		}
		over, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		n := 0
		for _, err := range submit(t, q, 2, &queue.SubmitOptions{Delay: time.Hour}).Updates(over) {
			if n++; n == 2 && !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		}
		if n != 2 {
			t.Error(n)
		}
		for _, err := range q.Attach("no such").Updates(t.Context()) {
			if !errors.Is(err, queue.ErrUnknownJob) {
				t.Error(err)
			}
		}
	})
}

func TestDeadLettersAreRedriven(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := open[int, int](t, &queue.Options{Attempts: 1})
		broken := atomic.Bool{}
		broken.Store(true)
		stop := work(q, func(ctx context.Context, n int) (int, error) {
			if broken.Load() {
				return 0, errBoom
			}
			return antiphon.InfoFrom(ctx).Attempt, nil
		}, nil)
		var ids []string
		for i := range 250 {
			j := submit(t, q, i, nil)
			_, _ = j.Await(t.Context())
			ids = append(ids, j.ID())
		}
		i := 0
		for d, err := range q.Dead(t.Context()) { // in three pages, the oldest first
			if err != nil || d.Request != i || d.ID != ids[i] {
				t.Fatal(d, err)
			}
			i++
		}
		if i != 250 {
			t.Error(i)
		}
		broken.Store(false)
		if n, err := q.Redrive(t.Context()); n != 0 || err != nil {
			t.Error(n, err)
		}
		if n, err := q.Redrive(t.Context(), ids[3], "no such", ids[4]); n != 2 || err != nil {
			t.Error(n, err)
		}
		if v, err := q.Attach(ids[3]).Await(t.Context()); v != 1 || err != nil {
			t.Error(v, err)
		}
		if n, err := q.Purge(t.Context(), ids[5:15]...); n != 10 || err != nil {
			t.Error(n, err)
		}
		if n, err := q.Redrive(t.Context(), queue.All); n != 238 || err != nil {
			t.Error(n, err)
		}
		synctest.Wait()
		if s, _ := q.Stats(t.Context()); s.Dead != 0 || s.Succeeded != 240 {
			t.Errorf("%+v", s)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestPause(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := working(t, echo, nil, nil)
		if err := q.Pause(t.Context()); err != nil {
			t.Fatal(err)
		}
		j := submit(t, q, 1, nil)
		time.Sleep(time.Hour)
		if s, _ := q.Stats(t.Context()); !s.Paused || s.Ready != 1 || s.Oldest != time.Hour {
			t.Errorf("%+v", s)
		}
		if err := q.Resume(t.Context()); err != nil {
			t.Fatal(err)
		}
		if v, err := j.Await(t.Context()); v != 1 || err != nil {
			t.Error(v, err)
		}
	})
}

func TestCloseSettlesWhoWaits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := open[int, int](t, nil)
		j := submit(t, q, 1, nil)
		f := q.Asker(nil)(t.Context(), 2)
		if err := errors.Join(q.Close(), q.Close()); err != nil {
			t.Error(err)
		}
		for _, await := range []func(context.Context) (int, error){j.Await, f.Await} {
			if _, err := await(t.Context()); !errors.Is(err, queue.ErrClosed) || antiphon.ClassOf(err) != antiphon.ClassUnknown {
				t.Error(err, antiphon.ClassOf(err))
			}
		}
		if err := q.Work(t.Context(), echo, nil); !errors.Is(err, queue.ErrClosed) {
			t.Error(err)
		}
		if _, err := q.Attach(j.ID()).Await(t.Context()); !errors.Is(err, queue.ErrClosed) {
			t.Error(err)
		}
	})
}

// A worker whose backend is closed ends, and says so.
func TestWorkEndsWithItsBackend(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := queue.Memory(nil)
		q, _ := queue.New[int, int]("q", m, nil)
		ended := make(chan error, 1)
		go func() { ended <- q.Work(t.Context(), echo, nil) }()
		synctest.Wait()
		_ = m.Close()
		if err := <-ended; !errors.Is(err, queue.ErrClosed) {
			t.Error(err)
		}
		if _, err := q.Submit(t.Context(), 1, nil); !errors.Is(err, queue.ErrClosed) {
			t.Error(err)
		}
		_ = q.Close()
	})
}

// Of any number of processes that keep a schedule, one submits the job of a time.
func TestPeriodic(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var ran []string
		q := open[time.Time, int](t, nil)
		stop := work(q, func(_ context.Context, at time.Time) (int, error) {
			ran = append(ran, at.Format("15:04"))
			return 0, nil
		}, &queue.WorkOptions{Concurrency: 1})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour+time.Second)
		defer cancel()
		ended := make(chan error, 3)
		for range 3 {
			go func() {
				ended <- q.Periodic(ctx, "report", queue.Every(20*time.Minute), func(at time.Time) time.Time { return at }, nil)
			}()
		}
		for range 3 {
			if err := <-ended; !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		}
		synctest.Wait() // the last of them may just have begun
		if fmt.Sprint(ran) != "[00:20 00:40 01:00]" {
			t.Error(ran)
		}
		for name, err := range map[string]error{
			"no schedule": q.Periodic(t.Context(), "x", nil, func(at time.Time) time.Time { return at }, nil),
			"no function": q.Periodic(t.Context(), "x", queue.Every(1), nil, nil),
			"no period":   q.Periodic(t.Context(), "x", queue.Every(0), func(at time.Time) time.Time { return at }, nil),
			"no name":     q.Periodic(t.Context(), "", queue.Every(1), func(at time.Time) time.Time { return at }, nil),
			"unique":      q.Periodic(t.Context(), "x", queue.Every(1), func(at time.Time) time.Time { return at }, &queue.SubmitOptions{Unique: "u"}),
		} {
			if antiphon.CodeOf(err) != antiphon.CodeInvalidArgument {
				t.Error(name, err)
			}
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestOperations(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := open[int, int](t, nil)
		ops := q.Operations(nil)
		op, known, err := ops.Submit(t.Context(), []byte("5"), antiphon.Info{Key: "k", Header: map[string]string{"a": "b"}})
		if err != nil || known || op.State != antiphon.StateQueued || op.ID == "" {
			t.Fatal(op, known, err)
		}
		if again, known, err := ops.Submit(t.Context(), []byte("5"), antiphon.Info{Key: "k", Header: map[string]string{"a": "b"}}); err != nil || !known || again.ID != op.ID {
			t.Error(again, known, err)
		}
		if _, _, err := ops.Submit(t.Context(), []byte("five"), antiphon.Info{}); antiphon.CodeOf(err) != antiphon.CodeInvalidArgument || antiphon.ClassOf(err) != antiphon.ClassNotAccepted {
			t.Error(err)
		}
		if err := ops.Delete(t.Context(), op.ID); antiphon.CodeOf(err) != antiphon.CodeFailedPrecondition {
			t.Error(err)
		}
		brief, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if got, err := ops.Wait(brief, op.ID, op.Version); err != nil || got.Version != op.Version {
			t.Error(got, err)
		}
		stop := work(q, func(_ context.Context, n int) (int, error) { time.Sleep(50 * time.Second); return n * n, nil }, nil)
		for !op.State.Terminal() {
			if op, err = ops.Wait(t.Context(), op.ID, op.Version); err != nil {
				t.Fatal(err)
			}
		}
		if string(op.Result) != "25" || op.Metadata["a"] != "b" {
			t.Errorf("%+v", op)
		}
		if all, err := ops.List(t.Context(), antiphon.StateSucceeded, "", 10); err != nil || len(all) != 1 || all[0].ID != op.ID {
			t.Error(all, err)
		}
		late, _, _ := q.Operations(&queue.SubmitOptions{Delay: time.Hour}).Submit(t.Context(), []byte("6"), antiphon.Info{})
		if late, err = ops.Cancel(t.Context(), late.ID); err != nil || late.State != antiphon.StateCanceled {
			t.Error(late, err)
		}
		if err := ops.Delete(t.Context(), op.ID); err != nil {
			t.Error(err)
		}
		if _, err := ops.Get(t.Context(), op.ID); !errors.Is(err, queue.ErrUnknownJob) {
			t.Error(err)
		}
		soon, cancel := context.WithTimeout(t.Context(), time.Second) // and the job expires with it
		op, _, err = ops.Submit(soon, []byte("7"), antiphon.Info{})
		cancel()
		if err != nil || op.Expires.Sub(op.Created) != time.Second {
			t.Error(op, err)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// What the work reports last is known before how it ended, however soon that is; and
// however it ends.
func TestLastReport(t *testing.T) {
	for _, remote := range []bool{false, true} {
		for want, end := range map[antiphon.State]error{antiphon.StateSucceeded: nil, antiphon.StateFailed: antiphon.Permanent(errors.New("no"))} {
			bubble(t, func(t *testing.T) {
				b := meddled(t)
				b.remote = remote
				q := on(t, b, nil)
				stop := work(q, func(ctx context.Context, n int) (int, error) {
					antiphon.Report(ctx, 50, "half", nil)
					time.Sleep(10 * time.Millisecond)
					antiphon.Report(ctx, 100, "all", n)
					return n, end
				}, nil)
				j, err := q.Submit(t.Context(), 7, nil)
				if err != nil {
					t.Fatal(err)
				}
				var last antiphon.Operation
				for op, err := range j.Updates(t.Context()) {
					if last = op; err != nil {
						t.Error(err)
					}
				}
				if last.State != want || last.Percent != 100 || last.Message != "all" || string(last.Data) != "7" {
					t.Errorf("remote %v: %+v", remote, last)
				}
				if err := stop(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}
