package sqlitequeue_test

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/queue/sqlitequeue"
)

var makeFixture = flag.Bool("fixture", false, "write testdata/v1.db anew, which is for a new version of the tables only")

const fixture = "testdata/v1.db"

// What the first release has stored is read by this one: jobs that wait, in a group and
// alone, one that a worker was doing when it died, one that has ended, a dead letter.
func TestQ14_WhatTheFirstReleaseStored(t *testing.T) {
	if *makeFixture {
		furnish(t)
	}
	stored, err := os.ReadFile(fixture)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "jobs.db")
	write(t, path, string(stored))
	b := open(t, path, nil)
	q, err := queue.New[int, int]("fixture", b, &queue.Options{Attempts: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	if s, err := q.Stats(t.Context()); err != nil || s.Ready+s.Delayed != 5 || s.Dead != 1 || s.Taken != 3 || s.Succeeded != 1 {
		t.Errorf("%+v %v", s, err)
	}
	if n, err := q.Redrive(t.Context(), queue.All); n != 1 || err != nil {
		t.Errorf("Redrive: %d, %v", n, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	working, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	type job struct {
		n, attempt int
		header     string
		checkpoint string
	}
	done := make(chan job, 16)
	go func() {
		ended <- q.Work(working, func(ctx context.Context, n int) (int, error) {
			c, _, err := queue.Restore[string](ctx)
			i := antiphon.InfoFrom(ctx)
			done <- job{n, i.Attempt, i.Header["from"], c}
			return n * n, err
		}, &queue.WorkOptions{Concurrency: 1})
	}()
	got := map[int]job{}
	for range 6 {
		select {
		case j := <-done:
			got[j.n] = j
		case <-ctx.Done():
			t.Fatalf("only %v were done", got)
		}
	}
	for n, want := range map[int]job{
		1: {1, 1, "the first release", ""}, 2: {2, 1, "", ""}, 3: {3, 1, "", ""}, 4: {4, 1, "", ""},
		5: {5, 2, "", "halfway"}, 6: {6, 1, "", ""},
	} {
		if got[n] != want {
			t.Errorf("job %d: %+v, want %+v", n, got[n], want)
		}
	}
	j, err := q.Submit(ctx, 1, &queue.SubmitOptions{Key: "key"})
	if err != nil || !j.Duplicate() {
		t.Errorf("the key of a job that is stored: %v", err)
	}
	if v, err := j.Await(ctx); v != 1 || err != nil {
		t.Error(v, err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// furnish writes the fixture with the tables as they are.
func furnish(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fixture.db")
	db := file(t, "sqlite", path)
	b, err := sqlitequeue.Open(t.Context(), db, nil)
	if err != nil {
		t.Fatal(err)
	}
	const ages = 200 * 365 * 24 * time.Hour
	q, err := queue.New[int, int]("fixture", b, &queue.Options{Attempts: 1, TTL: ages, KeepResults: ages, Lease: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	do := func(n int, f func(context.Context, int) (int, error)) {
		ctx, cancel := context.WithCancel(t.Context())
		j, err := q.Submit(ctx, n, nil)
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = j.Await(ctx); cancel() }()
		if err := q.Work(ctx, f, &queue.WorkOptions{Drain: time.Millisecond}); err != nil && !errors.Is(err, queue.ErrStuck) {
			t.Fatal(err)
		}
	}
	do(0, func(context.Context, int) (int, error) { return 0, nil })
	do(6, func(context.Context, int) (int, error) { return 0, errors.New("not yet") })
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := q.Submit(t.Context(), 5, nil); err != nil {
		t.Fatal(err)
	}
	kept, forever := make(chan error, 1), make(chan struct{})
	go func() { // a worker that stays with its job until the backend is closed
		kept <- q.Work(ctx, func(ctx context.Context, _ int) (int, error) {
			err := queue.Checkpoint(ctx, "halfway")
			cancel()
			<-forever
			return 0, err
		}, &queue.WorkOptions{Drain: 50 * time.Millisecond})
	}()
	if err := <-kept; !errors.Is(err, queue.ErrStuck) {
		t.Fatal(err)
	}
	for n, o := range map[int]*queue.SubmitOptions{
		1: {Key: "key", Header: map[string]string{"from": "the first release"}}, 2: {Priority: 7},
	} {
		if _, err := q.Submit(t.Context(), n, o); err != nil {
			t.Fatal(err)
		}
	}
	for n := 3; n <= 4; n++ {
		if _, err := q.Submit(t.Context(), n, &queue.SubmitOptions{Group: "group"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	close(forever)
	_ = q.Close()
	if _, err := db.Exec("VACUUM INTO ?", path+".small"); err != nil {
		t.Fatal(err)
	}
	all, err := os.ReadFile(path + ".small")
	if err != nil {
		t.Fatal(err)
	}
	write(t, fixture, string(all))
}
