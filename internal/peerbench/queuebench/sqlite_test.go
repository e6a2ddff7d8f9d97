package queuebench

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mikestefanello/backlite"
	"maragu.dev/goqite"
	_ "modernc.org/sqlite"

	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/queue/sqlitequeue"
)

// A way submits jobs, and does them until ctx ends.
type way struct {
	submit func(ctx context.Context, n int) error
	work   func(ctx context.Context, do func(n int)) error
}

// Sixteen submit b.N jobs; and sixteen workers do b.N that are there.
func BenchmarkSQLite(b *testing.B) {
	for _, w := range []struct {
		name string
		open func(testing.TB) way
	}{
		{"antiphon", antiphonSQLite},
		{"goqite/tuned", func(t testing.TB) way { return goqiteWay(t, time.Millisecond) }},
		{"goqite/defaults", func(t testing.TB) way { return goqiteWay(t, 100*time.Millisecond) }},
		{"backlite/tuned", func(t testing.TB) way { return backliteWay(t, tuned) }},
		{"backlite/defaults", func(t testing.TB) way { return backliteWay(t, "?_pragma=busy_timeout(10000)") }},
	} {
		b.Run("submit/"+w.name, func(b *testing.B) {
			s := w.open(b)
			b.ResetTimer()
			sixteen(b, s.submit)
		})
		b.Run("work/"+w.name, func(b *testing.B) {
			s := w.open(b)
			sixteen(b, s.submit)
			b.ResetTimer()
			work(b, s)
		})
	}
}

// sixteen submits b.N jobs on sixteen goroutines.
func sixteen(b *testing.B, submit func(context.Context, int) error) {
	var next atomic.Int64
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				if err := submit(b.Context(), int(n)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}

// work does b.N jobs.
func work(b *testing.B, s way) {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var left atomic.Int64
	left.Store(int64(b.N))
	done := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		ended <- s.work(ctx, func(int) {
			if left.Add(-1) == 0 {
				close(done)
			}
		})
	}()
	select {
	case <-done:
	case err := <-ended:
		b.Fatal("it ended early: ", err)
	}
	b.StopTimer()
	cancel()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
}

const tuned = "?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_txlock=immediate"

func file(t testing.TB, params string) *sql.DB {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "jobs.db")+params)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func antiphonSQLite(t testing.TB) way {
	s, err := sqlitequeue.Open(context.Background(), file(t, ""), &sqlitequeue.Options{Synchronous: sqlitequeue.Normal})
	if err != nil {
		t.Fatal(err)
	}
	q, err := queue.New[int, int]("bench", s, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close(); _ = s.Close() })
	return way{
		func(ctx context.Context, n int) error { _, err := q.Submit(ctx, n, nil); return err },
		func(ctx context.Context, do func(int)) error {
			return q.Work(ctx, func(_ context.Context, n int) (int, error) { do(n); return n, nil }, nil)
		},
	}
}

// goqite asks for one message at a time, and again after a while if there is none. It
// keeps no results.
func goqiteWay(t testing.TB, every time.Duration) way {
	db := file(t, tuned)
	if every > time.Millisecond {
		db = file(t, "?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)")
	}
	if _, err := db.Exec(goqiteTables); err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1) // as its manual says
	q := goqite.New(goqite.NewOpts{DB: db, Name: "bench", Timeout: time.Minute})
	return way{
		func(ctx context.Context, n int) error {
			body, err := json.Marshal(n)
			if err != nil {
				return err
			}
			return q.Send(ctx, goqite.Message{Body: body})
		},
		func(ctx context.Context, do func(int)) error {
			var all sync.WaitGroup
			failed := make(chan error, 16)
			for range 16 {
				all.Go(func() {
					for ctx.Err() == nil {
						m, err := q.ReceiveAndWait(ctx, every)
						if ctx.Err() != nil {
							return
						}
						n := 0
						if err == nil {
							if err = json.Unmarshal(m.Body, &n); err == nil {
								err = q.Delete(context.WithoutCancel(ctx), m.ID)
							}
						}
						if err != nil {
							failed <- err
							return
						}
						do(n)
					}
				})
			}
			all.Wait()
			close(failed)
			return <-failed
		},
	}
}

// goqiteTables is what it wants to find; its users make it themselves.
const goqiteTables = `
CREATE TABLE goqite (
	id       TEXT PRIMARY KEY DEFAULT ('m_' || lower(hex(randomblob(16)))),
	created  TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ')),
	updated  TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ')),
	queue    TEXT NOT NULL,
	body     BLOB NOT NULL,
	timeout  TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ')),
	received INTEGER NOT NULL DEFAULT 0,
	priority INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TRIGGER goqite_updated_timestamp AFTER UPDATE ON goqite BEGIN
	UPDATE goqite SET updated = strftime('%Y-%m-%dT%H:%M:%fZ') WHERE id = old.id;
END;
CREATE INDEX goqite_queue_priority_created_idx ON goqite (queue, priority DESC, created);`

// task is one of backlite, which keeps no results either.
type task struct{ N int }

func (task) Config() backlite.QueueConfig {
	return backlite.QueueConfig{Name: "bench", MaxAttempts: 5, Timeout: 30 * time.Second}
}

func backliteWay(t testing.TB, params string) way {
	c, err := backlite.NewClient(backlite.ClientConfig{DB: file(t, params), Logger: slog.New(slog.DiscardHandler), NumWorkers: 16, ReleaseAfter: time.Minute})
	if err == nil {
		err = c.Install()
	}
	if err != nil {
		t.Fatal(err)
	}
	var do atomic.Pointer[func(int)]
	c.Register(backlite.NewQueue(func(_ context.Context, t task) error { (*do.Load())(t.N); return nil }))
	return way{
		func(ctx context.Context, n int) error { _, err := c.Add(task{n}).Ctx(ctx).Save(); return err },
		func(ctx context.Context, f func(int)) error {
			do.Store(&f)
			c.Start(ctx)
			<-ctx.Done()
			end, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			if !c.Stop(end) {
				return fmt.Errorf("backlite did not stop")
			}
			return nil
		},
	}
}
