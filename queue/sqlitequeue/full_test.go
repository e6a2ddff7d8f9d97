package sqlitequeue_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon"
	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/queue/driver"
	"github.com/antiphon-go/antiphon/queue/sqlitequeue"
)

// The disk is full: that is told as such, what was accepted stays, and all goes on when
// there is room. The number of pages that the writer may use stands for the disk.
func TestQ1_Q12_DiskFull(t *testing.T) {
	b := quick(t)
	pages := func(n int) {
		t.Helper()
		if err := b.MaxPages(n); err != nil {
			t.Fatal(err)
		}
	}
	q, err := queue.New[string, int]("full", b, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	pages(100)
	accepted := map[string]int{}
	var full error
	for i := 0; full == nil; i++ {
		if i > 10000 {
			t.Fatal("the disk does not become full")
		}
		j, err := q.Submit(t.Context(), strings.Repeat("x", 4000+i), nil)
		if full = err; err == nil {
			accepted[j.ID()] = 4000 + i
		}
	}
	if antiphon.CodeOf(full) != antiphon.CodeResourceExhausted || antiphon.ClassOf(full) != antiphon.ClassNotAccepted || errors.Is(full, queue.ErrFull) {
		t.Errorf("the disk is full, and Submit: %v, %v", antiphon.CodeOf(full), full)
	}
	if s, err := q.Stats(t.Context()); err != nil || s.Ready != len(accepted) || len(accepted) == 0 {
		t.Errorf("%d were accepted: %+v, %v", len(accepted), s, err)
	}
	pages(1 << 20)
	if j, err := q.Submit(t.Context(), "room", nil); err != nil {
		t.Errorf("there is room again, and Submit: %v", err)
	} else {
		accepted[j.ID()] = 4
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- q.Work(ctx, func(_ context.Context, s string) (int, error) { return len(s), nil }, nil)
	}()
	for id, n := range accepted {
		if v, err := q.Attach(id).Await(t.Context()); v != n || err != nil {
			t.Errorf("%d, %v; want %d", v, err, n)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// A call that fails in the database harms none of those that share its transaction.
func TestX6_OneCallsErrorIsItsOwn(t *testing.T) {
	b := quick(t)
	if err := b.Break("poison"); err != nil { // whoever puts a job of this kind is refused by the database
		t.Fatal(err)
	}
	errs := make(chan error, 64)
	for i := range cap(errs) {
		kind := "fine"
		if i%8 == 3 {
			kind = "poison"
		}
		go func() {
			_, err := b.Put(t.Context(), driver.PutRequest{Queue: "q", Jobs: []driver.Envelope{{ID: fmt.Sprint(i), Kind: kind}}})
			if (err != nil) != (kind == "poison") {
				err = fmt.Errorf("%s: %w", kind, err)
				errs <- err
				return
			}
			errs <- nil
		}()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if s, err := b.Stats(t.Context(), "q"); err != nil || s.Ready != 56 {
		t.Errorf("%+v %v", s, err)
	}
}

// Somebody else keeps the database locked: calls that give up are not done, the others
// fail at once when Busy is over, and not each after the other.
func TestX4_LockedByAnother(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	b := open(t, path, &sqlitequeue.Options{Busy: 300 * time.Millisecond})
	other, err := file(t, "sqlite", path).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	put := func(ctx context.Context, id string) error {
		_, err := b.Put(ctx, driver.PutRequest{Queue: "q", Jobs: []driver.Envelope{{ID: id}}})
		return err
	}
	errs := make(chan error, 33)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	go func() {
		err := put(ctx, "gives up")
		if !errors.Is(err, context.DeadlineExceeded) || antiphon.ClassOf(err) != antiphon.ClassNotAccepted {
			errs <- fmt.Errorf("gave up, and: %w", err)
			return
		}
		errs <- nil
	}()
	for i := range 32 {
		go func() {
			if err := put(t.Context(), fmt.Sprint(i)); antiphon.CodeOf(err) != antiphon.CodeUnavailable || !antiphon.Retryable(err) {
				errs <- fmt.Errorf("locked, and: %w", err)
				return
			}
			errs <- nil
		}()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if _, err := other.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if s, err := b.Stats(t.Context(), "q"); err != nil || s.Ready != 0 {
		t.Errorf("%+v %v", s, err)
	}
}

func TestX5_WhatOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	junk, later, there := at("junk.db"), at("later.db"), at("there.db")
	write(t, junk, strings.Repeat("this is no database ", 1000))
	_ = open(t, there, nil).Close()
	_ = open(t, later, nil).Close()
	if _, err := file(t, "sqlite", later).Exec("UPDATE antiphon_schema SET version = 99"); err != nil {
		t.Fatal(err)
	}
	one := file(t, "sqlite", at("one.db"))
	one.SetMaxOpenConns(1)
	for name, c := range map[string]struct {
		db   *sql.DB
		o    *sqlitequeue.Options
		code antiphon.Code
		says string
	}{
		"nothing":         {nil, nil, antiphon.CodeInvalidArgument, "needs a database"},
		"negative":        {file(t, "sqlite", at("x.db")), &sqlitequeue.Options{Busy: -1}, antiphon.CodeInvalidArgument, "negative"},
		"in memory":       {file(t, "sqlite", ":memory:"), nil, antiphon.CodeInvalidArgument, "queue.Memory"},
		"shared memory":   {file(t, "sqlite", "file:shared?mode=memory&cache=shared"), nil, antiphon.CodeInvalidArgument, "queue.Memory"},
		"one connection":  {one, nil, antiphon.CodeFailedPrecondition, "SetMaxOpenConns(2)"},
		"read-only":       {file(t, "sqlite", "file:"+there+"?mode=ro"), nil, antiphon.CodeFailedPrecondition, "readonly"},
		"no directory":    {file(t, "sqlite", at("no/such/jobs.db")), nil, antiphon.CodeFailedPrecondition, "unable to open"},
		"no database":     {file(t, "sqlite", junk), nil, antiphon.CodeDataLoss, "not a database"},
		"a later version": {file(t, "sqlite", later), nil, antiphon.CodeFailedPrecondition, "version 99"},
	} {
		b, err := sqlitequeue.Open(t.Context(), c.db, c.o)
		if err == nil {
			_ = b.Close()
		}
		if antiphon.CodeOf(err) != c.code || !strings.Contains(fmt.Sprint(err), c.says) {
			t.Errorf("%s: %v, %v", name, antiphon.CodeOf(err), err)
		}
	}
}

// Nobody waits any more when the backend is closed.
func TestX4_CloseWhileCallsWait(t *testing.T) {
	b := quick(t)
	ended := make(chan error, 40)
	if _, err := b.Put(t.Context(), driver.PutRequest{Queue: "full", Jobs: []driver.Envelope{{ID: "in the way"}}}); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		go func() {
			_, err := b.Take(t.Context(), nil, driver.TakeRequest{Queue: "q", Max: 1, Lease: time.Minute})
			ended <- err
		}()
		go func() {
			_, err := b.Put(t.Context(), driver.PutRequest{Queue: "full", Jobs: []driver.Envelope{{ID: fmt.Sprint(i)}}, Capacity: 1, Overflow: driver.Block})
			ended <- err
		}()
		go func() {
			for {
				if _, err := b.Stats(t.Context(), "q"); err != nil {
					ended <- err
					return
				}
			}
		}()
		go func() {
			w, err := b.Watch("q")
			if err == nil {
				_, err = w.Next(t.Context(), nil)
			}
			ended <- err
		}()
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	for range cap(ended) {
		if err := <-ended; !errors.Is(err, driver.ErrClosed) {
			t.Errorf("%v", err)
		}
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

// A job that cannot be read is a dead letter, and harms no other.
func TestQ7_WhatCannotBeReadHarmsNobody(t *testing.T) {
	b := quick(t)
	for _, id := range []string{"a", "spoilt", "b"} {
		if _, err := b.Put(t.Context(), driver.PutRequest{Queue: "q", Jobs: []driver.Envelope{{ID: id, Header: map[string]string{"k": "v"}}}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Spoil("spoilt"); err != nil {
		t.Fatal(err)
	}
	if all, err := b.List(t.Context(), "q", driver.ListRequest{Limit: 10}); len(all) != 3 || err != nil {
		t.Error(all, err)
	}
	got, err := b.Take(t.Context(), nil, driver.TakeRequest{Queue: "q", Max: 10, Lease: time.Minute})
	if err != nil || len(got) != 2 || got[0].ID != "a" || got[1].ID != "b" {
		t.Errorf("%+v %v", got, err)
	}
	dead, err := b.Dead(t.Context(), "q", "", 10)
	if err != nil || len(dead) != 1 || dead[0].ID != "spoilt" || dead[0].Err.Code != antiphon.CodeDataLoss {
		t.Errorf("%+v %v", dead, err)
	}
	if s, err := b.Stats(t.Context(), "q"); err != nil || s.Ready+s.Delayed != 0 || s.Running != 2 || s.Dead != 1 {
		t.Errorf("%+v %v", s, err)
	}
}
