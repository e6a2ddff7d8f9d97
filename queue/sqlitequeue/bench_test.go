package sqlitequeue_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/queue/driver"
	"github.com/antiphon-go/antiphon/queue/sqlitequeue"
)

// From Submit to the answer, through a worker of the same process. p50-µs is what half
// of them took at the most.
func BenchmarkSubmitAwait(b *testing.B) {
	for _, sync := range []sqlitequeue.Synchronous{sqlitequeue.Normal, sqlitequeue.Full} {
		for _, flight := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/inflight=%d", map[sqlitequeue.Synchronous]string{sqlitequeue.Full: "full", sqlitequeue.Normal: "normal"}[sync], flight), func(b *testing.B) {
				q, err := queue.New[int, int]("bench", open(b, filepath.Join(b.TempDir(), "jobs.db"), &sqlitequeue.Options{Synchronous: sync}), nil)
				if err != nil {
					b.Fatal(err)
				}
				ctx, cancel := context.WithCancel(context.Background())
				ended := make(chan error, 1)
				go func() {
					ended <- q.Work(ctx, func(_ context.Context, n int) (int, error) { return n, nil }, &queue.WorkOptions{Concurrency: 64})
				}()
				submitAwait(b, q, 1, 1) // the worker is there
				b.ReportAllocs()
				b.ResetTimer()
				took := submitAwait(b, q, flight, b.N)
				b.StopTimer()
				slices.Sort(took)
				b.ReportMetric(float64(took[len(took)/2].Nanoseconds())/1000, "p50-µs")
				cancel()
				<-ended
				_ = q.Close()
			})
		}
	}
}

func submitAwait(b *testing.B, q *queue.Queue[int, int], flight, n int) []time.Duration {
	took := make([]time.Duration, n)
	var next atomic.Int64
	var all sync.WaitGroup
	for range flight {
		all.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				from := time.Now()
				j, err := q.Submit(b.Context(), 7, nil)
				if err != nil {
					b.Error(err)
					return
				}
				if v, err := j.Await(b.Context()); v != 7 || err != nil {
					b.Error(v, err)
				}
				took[i] = time.Since(from)
			}
		})
	}
	all.Wait()
	return took
}

// A store of jobs as one would write it by hand for one process.
type store interface {
	put(id string, payload []byte) error
	take() (id string, err error) // "" if there is none
	settle(id string, result []byte) error
}

// Sixteen submit, then sixteen take and settle one job at a time, beside a lease table
// written by hand: no retries, keys, groups, priorities or waiting, but group commit.
func BenchmarkSixteen(b *testing.B) {
	for name, make := range map[string]func(*testing.B) store{"raw": newTable, "antiphon": newOurs} {
		b.Run(name+"/submit", func(b *testing.B) {
			s := make(b)
			sixteen(b, func(i int) error { return s.put(jobID(i), payload) })
		})
		b.Run(name+"/work", func(b *testing.B) {
			s := make(b)
			n := b.N
			b.StopTimer()
			sixteenOf(n, func(i int) error { return s.put(jobID(i), payload) })
			b.ResetTimer()
			b.StartTimer()
			sixteen(b, func(int) error {
				id, err := s.take()
				if err != nil || id == "" {
					return fmt.Errorf("took %q, %v", id, err)
				}
				return s.settle(id, payload)
			})
		})
	}
}

var payload = []byte(`{"what":"is to be done","n":123456}`)

func jobID(i int) string { return fmt.Sprintf("job-%016d", i) }

func sixteen(b *testing.B, do func(i int) error) {
	b.ReportAllocs()
	if err := sixteenOf(b.N, do); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
}

func sixteenOf(n int, do func(i int) error) error {
	var next atomic.Int64
	var all sync.WaitGroup
	failed := make(chan error, 16)
	for range 16 {
		all.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				if err := do(int(i)); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	all.Wait()
	close(failed)
	return <-failed
}

type ours struct{ b *sqlitequeue.Backend }

func newOurs(b *testing.B) store {
	return ours{open(b, filepath.Join(b.TempDir(), "jobs.db"), &sqlitequeue.Options{Synchronous: sqlitequeue.Normal})}
}

func (o ours) put(id string, payload []byte) error {
	_, err := o.b.Put(context.Background(), driver.PutRequest{Queue: "q", Jobs: []driver.Envelope{{ID: id, Payload: payload, Kind: "q", TTL: time.Hour, Keep: time.Hour}}})
	return err
}

func (o ours) take() (string, error) {
	var into [1]driver.Leased
	got, err := o.b.Take(context.Background(), into[:0], driver.TakeRequest{Queue: "q", Max: 1, Lease: time.Minute, Wait: time.Second})
	if len(got) == 0 {
		return "", err
	}
	return got[0].ID, err
}

func (o ours) settle(id string, result []byte) error {
	if errs := o.b.Settle(context.Background(), "q", []driver.Settlement{{Lease: driver.Lease{ID: id, Fence: 1}, State: "succeeded", Result: result}}); errs != nil {
		return errs[0]
	}
	return nil
}

// A table is what is written by hand.
type table struct {
	calls chan *tableCall
}

type tableCall struct {
	do   func(*tableWriter) error
	err  error
	done chan struct{}
}

type tableWriter struct{ begin, commit, put, take, settle *sql.Stmt }

func newTable(b *testing.B) store {
	db := file(b, "sqlite", filepath.Join(b.TempDir(), "table.db"))
	db.SetMaxOpenConns(1)
	must := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	for _, q := range []string{"PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL",
		"CREATE TABLE jobs (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, payload BLOB, result BLOB, state INTEGER NOT NULL, due INTEGER NOT NULL, attempt INTEGER NOT NULL)",
		"CREATE INDEX ready ON jobs (seq) WHERE state = 0"} {
		_, err := db.Exec(q)
		must(err)
	}
	prepare := func(q string) *sql.Stmt {
		s, err := db.Prepare(q)
		must(err)
		return s
	}
	w := &tableWriter{
		begin: prepare("BEGIN IMMEDIATE"), commit: prepare("COMMIT"),
		put:    prepare("INSERT INTO jobs (id, payload, state, due, attempt) VALUES (?, ?, 0, 0, 0)"),
		take:   prepare("UPDATE jobs SET state = 1, due = ?, attempt = attempt + 1 WHERE seq = (SELECT seq FROM jobs WHERE state = 0 ORDER BY seq LIMIT 1) RETURNING id, payload"),
		settle: prepare("UPDATE jobs SET state = 2, result = ?, payload = NULL WHERE id = ? AND state = 1 AND attempt = 1"),
	}
	t := &table{calls: make(chan *tableCall, 256)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for c := range t.calls {
			batch := []*tableCall{c}
			for more := true; more && len(batch) < 256; {
				select {
				case c, ok := <-t.calls:
					if more = ok; ok {
						batch = append(batch, c)
					}
				default:
					more = false
				}
			}
			_, err := w.begin.Exec()
			for _, c := range batch {
				if c.err = err; err == nil {
					c.err = c.do(w)
				}
			}
			if _, err := w.commit.Exec(); err != nil {
				for _, c := range batch {
					c.err = err
				}
			}
			for _, c := range batch {
				close(c.done)
			}
		}
	}()
	b.Cleanup(func() { close(t.calls); <-ended })
	return t
}

func (t *table) call(do func(*tableWriter) error) error {
	c := &tableCall{do: do, done: make(chan struct{})}
	t.calls <- c
	<-c.done
	return c.err
}

func (t *table) put(id string, payload []byte) error {
	return t.call(func(w *tableWriter) error { _, err := w.put.Exec(id, payload); return err })
}

func (t *table) take() (id string, err error) {
	err = t.call(func(w *tableWriter) error {
		var payload []byte
		return w.take.QueryRow(time.Now().Add(time.Minute).UnixMilli()).Scan(&id, &payload)
	})
	return id, err
}

func (t *table) settle(id string, result []byte) error {
	return t.call(func(w *tableWriter) error { _, err := w.settle.Exec(result, id); return err })
}
