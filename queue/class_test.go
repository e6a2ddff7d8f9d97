package queue_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/queue/driver"
)

// What has run once is never said to be not accepted, although the attempt was given
// back and does not count; what has not, is.
func TestClassOfWhatWasCanceled(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := open[int, int](t, nil)
		waits := submit(t, q, 1, nil)
		if err := waits.Cancel(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := waits.Await(t.Context()); !errors.Is(err, queue.ErrCanceled) || antiphon.ClassOf(err) != antiphon.ClassNotAccepted {
			t.Error("waiting:", err, antiphon.ClassOf(err))
		}
		expires := submit(t, q, 1, &queue.SubmitOptions{TTL: time.Second})
		if _, err := expires.Await(t.Context()); !errors.Is(err, queue.ErrExpired) || antiphon.ClassOf(err) != antiphon.ClassNotAccepted {
			t.Error("expired:", err, antiphon.ClassOf(err))
		}

		dies := true
		stop := work(q, func(_ context.Context, n int) (int, error) {
			if n == 3 && dies {
				return 0, queue.Bury(errBoom)
			}
			return 0, queue.Snooze(time.Hour)
		}, nil)
		snoozed := submit(t, q, 2, nil)
		synctest.Wait()
		if err := snoozed.Cancel(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := snoozed.Await(t.Context()); !errors.Is(err, queue.ErrCanceled) || antiphon.ClassOf(err) != antiphon.ClassUnknown {
			t.Error("snoozed:", err, antiphon.ClassOf(err))
		}
		ctx, cancel := context.WithCancel(t.Context())
		asked := q.Asker(nil)(ctx, 2)
		synctest.Wait()
		cancel()
		if _, err := asked.Await(t.Context()); !errors.Is(err, context.Canceled) || antiphon.ClassOf(err) != antiphon.ClassUnknown {
			t.Error("asked:", err, antiphon.ClassOf(err))
		}

		buried := submit(t, q, 3, nil)
		if _, err := buried.Await(t.Context()); !errors.Is(err, queue.ErrDead) {
			t.Error(err)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		if n, err := q.Redrive(t.Context(), buried.ID()); n != 1 || err != nil {
			t.Error(n, err)
		}
		if err := q.Cancel(t.Context(), buried.ID()); err != nil {
			t.Error(err)
		}
		if _, err := q.Attach(buried.ID()).Await(t.Context()); !errors.Is(err, queue.ErrCanceled) || antiphon.ClassOf(err) != antiphon.ClassUnknown {
			t.Error("redriven:", err, antiphon.ClassOf(err))
		}
	})
}

// An answer that cannot be read, or written, is that of work that was done.
func TestClassOfAnswersThatAreNone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := meddled(t)
		words, err := queue.New[int, any]("test", b, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer words.Close()
		stop := work(words, func(_ context.Context, n int) (any, error) {
			if n == 1 {
				return "one", nil
			}
			return func() {}, nil
		}, nil)
		q := on(t, b, nil)
		for n := 1; n <= 2; n++ {
			_, err := submit(t, q, n, nil).Await(t.Context())
			if antiphon.CodeOf(err) != antiphon.CodeInvalidArgument || antiphon.ClassOf(err) != antiphon.ClassFailed {
				t.Error(n, err, antiphon.CodeOf(err), antiphon.ClassOf(err))
			}
			_, err = q.Asker(nil)(t.Context(), n).Await(t.Context())
			if antiphon.CodeOf(err) != antiphon.CodeInvalidArgument || antiphon.ClassOf(err) != antiphon.ClassFailed {
				t.Error("asked", n, err, antiphon.CodeOf(err), antiphon.ClassOf(err))
			}
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// An ask settles by its deadline, and when its context ends, whatever the store does.
func TestAskWhileTheStoreHangs(t *testing.T) {
	for name, where := range map[string]string{"put": "put", "cancel": "cancel"} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b := meddled(t)
				b.remote = true
				let := make(chan struct{})
				if where == "put" {
					b.put = func(_ context.Context, _ driver.PutRequest, do func() ([]driver.Placed, error)) ([]driver.Placed, error) {
						<-let
						return do()
					}
				} else {
					b.cancel = func(do func() (driver.Record, error)) (driver.Record, error) { <-let; return do() }
				}
				q := on(t, b, nil)
				start := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				f := q.Asker(nil)(ctx, 1)
				_, err := f.Await(t.Context())
				if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Minute {
					t.Error(err, time.Since(start))
				}
				// The store may have said by then that a job expired that nobody began.
				if c := antiphon.ClassOf(err); c != antiphon.ClassUnknown && (where == "put" || c != antiphon.ClassNotAccepted) {
					t.Error(err, c)
				}
				close(let)
				synctest.Wait()
				if s, err := q.Stats(t.Context()); err != nil || s.Ready != 0 || s.Canceled+s.Expired != 1 {
					t.Errorf("the job was left: %+v, %v", s, err)
				}
				if _, err := q.Asker(nil)(ctx, 1).Await(t.Context()); antiphon.ClassOf(err) != antiphon.ClassNotAccepted {
					t.Error("ended before:", err, antiphon.ClassOf(err))
				}
			})
		})
	}
}

// A Put of which the store does not tell what became of it is unknown, an operation
// whose record cannot be read was accepted all the same.
func TestClassOfSubmitThatBroke(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := meddled(t)
		away := true
		b.put = func(_ context.Context, _ driver.PutRequest, do func() ([]driver.Placed, error)) ([]driver.Placed, error) {
			if _, err := do(); err != nil || away {
				return nil, errors.New("cut off")
			}
			return nil, nil
		}
		b.lookup = func(func() ([]driver.Record, error)) ([]driver.Record, error) { return nil, queue.ErrClosed }
		q := on(t, b, nil)
		if _, err := q.Submit(t.Context(), 1, nil); antiphon.ClassOf(err) != antiphon.ClassUnknown {
			t.Error(err)
		}
		away = false
		op, _, err := q.Operations(nil).Submit(t.Context(), []byte("1"), antiphon.Info{})
		if op.ID == "" || antiphon.ClassOf(err) != antiphon.ClassUnknown || !errors.Is(err, queue.ErrClosed) {
			t.Error(op, err)
		}
	})
}

// Of what is not known any more nobody can say that it was not done.
func TestClassOfWhatIsForgotten(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := open[int, int](t, &queue.Options{KeepResults: time.Minute})
		stop := work(q, func(_ context.Context, n int) (int, error) { return n, nil }, nil)
		job := submit(t, q, 1, nil)
		if _, err := job.Await(t.Context()); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Hour)
		for _, id := range []string{job.ID(), "nobody's"} {
			if _, err := q.Attach(id).Await(t.Context()); !errors.Is(err, queue.ErrUnknownJob) || antiphon.ClassOf(err) != antiphon.ClassUnknown {
				t.Error(id, err, antiphon.ClassOf(err))
			}
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}
