package queuetest

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

// A recorded backend is as good as the one below.
func TestRecorderKeepsEveryRule(t *testing.T) {
	TestBackend(t, Store{Bubble: true, Open: func(testing.TB) driver.Backend { return Record(queue.Memory(nil)).Backend() }})
}

// It can do what the one below can, and no more.
func TestRecorderCanWhatTheBackendCan(t *testing.T) {
	m := queue.Memory(nil).(everything)
	defer m.Close()
	plain := struct{ driver.Backend }{m}
	type (
		results = driver.Results
		dead    = driver.Morgue
		control = driver.Controller
		watch   = driver.Watcher
	)
	can := func(b driver.Backend) (can [4]bool) {
		_, can[0] = b.(results)
		_, can[1] = b.(dead)
		_, can[2] = b.(control)
		_, can[3] = b.(watch)
		return can
	}
	for _, b := range []driver.Backend{
		m, plain,
		struct {
			driver.Backend
			results
		}{m, m},
		struct {
			driver.Backend
			dead
		}{m, m},
		struct {
			driver.Backend
			control
		}{m, m},
		struct {
			driver.Backend
			watch
		}{m, m},
		struct {
			driver.Backend
			results
			dead
		}{m, m, m},
		struct {
			driver.Backend
			results
			control
		}{m, m, m},
		struct {
			driver.Backend
			results
			watch
		}{m, m, m},
		struct {
			driver.Backend
			dead
			control
		}{m, m, m},
		struct {
			driver.Backend
			dead
			watch
		}{m, m, m},
		struct {
			driver.Backend
			control
			watch
		}{m, m, m},
		struct {
			driver.Backend
			results
			dead
			control
		}{m, m, m, m},
		struct {
			driver.Backend
			results
			dead
			watch
		}{m, m, m, m},
		struct {
			driver.Backend
			results
			control
			watch
		}{m, m, m, m},
		struct {
			driver.Backend
			dead
			control
			watch
		}{m, m, m, m},
	} {
		if want, got := can(b), can(Record(b).Backend()); got != want {
			t.Errorf("of results, morgue, controller, watcher a backend has %v, recorded it has %v", want, got)
		}
	}
}

func TestRecorder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := Record(queue.Memory(nil))
		b := rec.Backend()
		defer b.Close()
		q, err := queue.New[int, int]("q", b, &queue.Options{Backoff: antiphon.Constant(3 * time.Second), Attempts: 2, Observer: rec.Observe})
		if err != nil {
			t.Fatal(err)
		}
		fails, err := q.Submit(t.Context(), 1, &queue.SubmitOptions{Delay: time.Second, Key: "key"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := q.Submit(t.Context(), 1, &queue.SubmitOptions{Key: "key"}); err != nil {
			t.Fatal(err)
		}
		canceled, err := q.Submit(t.Context(), 2, &queue.SubmitOptions{Delay: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		if err := canceled.Cancel(t.Context()); err != nil {
			t.Error(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- q.Work(ctx, func(context.Context, int) (int, error) {
				time.Sleep(2 * time.Second)
				return 0, errors.New("no")
			}, nil)
		}()
		if err := rec.Await(t.Context(), Buried, 1); err != nil {
			t.Error(err)
		}
		if _, err := fails.Await(t.Context()); err == nil {
			t.Error("it is dead, and was awaited without an error")
		}
		if n, err := q.Redrive(t.Context(), fails.ID()); n != 1 || err != nil {
			t.Error(n, err)
		}
		if err := rec.Await(t.Context(), Taken, 3); err != nil {
			t.Error(err)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		var got []string
		for _, s := range rec.Of(fails.ID()) {
			if s.What != Told {
				got = append(got, s.String())
			}
		}
		want := []string{
			"submitted, for 1s later",
			"duplicated",
			"taken, attempt 1, after 1s",
			"retried, for 3s later, after 2s: no",
			"taken, attempt 2, after 3s",
			"buried as failed, after 2s: ",
			"redriven",
			"taken, attempt 1",
			"retried, for 3s later, after 2s: no",
		}
		for i := range max(len(got), len(want)) {
			if i >= len(got) || i >= len(want) || len(got[i]) < len(want[i]) || got[i][:len(want[i])] != want[i] {
				t.Fatalf("the steps are %q, want %q", got, want)
			}
		}
		if steps := rec.Of(canceled.ID()); len(steps) != 2 || steps[1].What != Canceled || steps[1].State != antiphon.StateCanceled {
			t.Errorf("the steps of a canceled job are %v", steps)
		}
		if n := rec.Count(Told); n == 0 {
			t.Error("nothing was told")
		}
		if all := rec.Steps(); len(all) < len(want)+2 || all[0].Queue != "q" || all[0].At.IsZero() {
			t.Errorf("all steps are %v", all)
		}
		soon, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := rec.Await(soon, Late, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("nothing was late, and Await returned %v", err)
		}
	})
}

// What was not done is not in the list.
func TestRecorderForgetsWhatFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := Record(queue.Memory(&queue.MemoryOptions{MaxPayload: 1}))
		b := rec.Backend()
		defer b.Close()
		_, err := b.Put(t.Context(), driver.PutRequest{Queue: "q", Jobs: []driver.Envelope{{ID: "1", Payload: []byte("too large")}}})
		if err == nil || len(rec.Steps()) > 0 {
			t.Error(err, rec.Steps())
		}
		if _, err := b.Put(t.Context(), driver.PutRequest{Queue: "q", Jobs: []driver.Envelope{{ID: "1"}}, Claim: 1, Lease: time.Second}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		errs := b.Settle(t.Context(), "q", []driver.Settlement{{Lease: driver.Lease{ID: "1", Fence: 1}}})
		if errs == nil || rec.Count(Submitted) != 1 || rec.Count(Taken) != 1 || rec.Count(Late) != 1 || rec.Count(Ended) != 0 {
			t.Error(errs, rec.Steps())
		}
	})
}
