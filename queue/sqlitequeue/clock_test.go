package sqlitequeue_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue/driver"
	"github.com/antiphon-go/antiphon/queue/sqlitequeue"
)

// jumping is the real clock, set to another time.
type jumping struct {
	clock.Clock
	by time.Duration
}

func (j *jumping) Now() time.Time { return j.Clock.Now().Add(j.by) }

// The wall clock is set back by an hour: leases and delays get longer, never shorter,
// and the order stays.
func TestQ4_Q6_Q8_TheClockIsSetBack(t *testing.T) {
	c := &jumping{Clock: clock.New()}
	b := open(t, filepath.Join(t.TempDir(), "jobs.db"), &sqlitequeue.Options{Synchronous: sqlitequeue.Normal, Clock: c})
	put := func(id string, delay time.Duration) {
		t.Helper()
		if _, err := b.Put(t.Context(), driver.PutRequest{Queue: "q", Jobs: []driver.Envelope{{ID: id, Delay: delay}}}); err != nil {
			t.Fatal(err)
		}
	}
	take := func(n int) (ids string) {
		t.Helper()
		got, err := b.Take(t.Context(), nil, driver.TakeRequest{Queue: "q", Max: n, Lease: time.Minute, Wait: time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range got {
			ids += l.ID + " "
		}
		return ids
	}
	put("leased", 0)
	if got := take(1); got != "leased " {
		t.Fatal(got)
	}
	put("delayed", time.Minute)
	put("1", 0)
	if err := b.Pause(t.Context(), "q", false); err != nil { // nothing reads the clock meanwhile
		t.Fatal(err)
	}
	c.by = -time.Hour
	put("2", 0)
	if got := take(10); got != "1 2 " {
		t.Errorf("the clock was set back, and %q were handed out", got)
	}
	if errs := b.Settle(t.Context(), "q", []driver.Settlement{{Lease: driver.Lease{ID: "leased", Fence: 1}, State: antiphon.StateSucceeded}}); errs != nil {
		t.Error(errs)
	}
}

// A thousand dead letters are made jobs again while others work.
func TestQ7_ManyAreRedriven(t *testing.T) {
	const n = 1000
	b := quick(t)
	for i := 0; i < n; i += 100 {
		jobs := make([]driver.Envelope, 100)
		for k := range jobs {
			jobs[k].ID = fmt.Sprint(i + k)
		}
		if _, err := b.Put(t.Context(), driver.PutRequest{Queue: "q", Jobs: jobs}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := b.Take(t.Context(), nil, driver.TakeRequest{Queue: "q", Max: n, Lease: time.Minute})
	if err != nil || len(got) != n {
		t.Fatal(len(got), err)
	}
	all := make([]driver.Settlement, n)
	for i := range all {
		all[i] = driver.Settlement{Lease: got[i].Lease, Outcome: driver.Bury, State: antiphon.StateFailed}
	}
	if errs := b.Settle(t.Context(), "q", all); errs != nil {
		t.Fatal(errs)
	}
	if n, err := b.Purge(t.Context(), "q", []string{"0", "1", "no such job"}); n != 2 || err != nil {
		t.Errorf("Purge: %d, %v", n, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Redrive(ctx, "q", nil); err == nil {
		t.Error("Redrive with a context that has ended")
	}
	if got, err := b.Redrive(t.Context(), "q", nil); got != n-2 || err != nil {
		t.Errorf("Redrive: %d, %v", got, err)
	}
	if s, err := b.Stats(t.Context(), "q"); err != nil || s.Ready != n-2 || s.Dead != 0 {
		t.Errorf("%+v %v", s, err)
	}
	if got, err = b.Take(t.Context(), nil, driver.TakeRequest{Queue: "q", Max: n, Lease: time.Minute}); len(got) != n-2 || err != nil || got[0].ID != "2" {
		t.Errorf("%d, %v", len(got), err)
	}
	if got[0].Fence != 2 || got[0].Attempt != 1 {
		t.Errorf("%+v", got[0].Lease)
	}
}
