package sqlitequeue_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"testing"

	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/queue/sqlitequeue"
)

func TestSubmitInATransactionOfTheCallers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jobs.db")
	db := file(t, "sqlite", path+"?_pragma=busy_timeout(5000)")
	b, err := sqlitequeue.Open(t.Context(), db, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	q, err := queue.New[int, int]("mails", b, &queue.Options{Capacity: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	if _, err := db.Exec("CREATE TABLE orders (n INTEGER)"); err != nil {
		t.Fatal(err)
	}
	in := func(commit bool) (id string) {
		t.Helper()
		tx, err := db.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec("INSERT INTO orders VALUES (1)"); err != nil {
			t.Fatal(err)
		}
		if id, err = queue.SubmitTx(t.Context(), q, tx, 7, nil); err != nil {
			t.Fatal(err)
		}
		end := tx.Rollback
		if commit {
			end = tx.Commit
		}
		if err := end(); err != nil {
			t.Fatal(err)
		}
		return id
	}
	gone, there := in(false), in(true)
	if _, err := q.Attach(gone).Await(t.Context()); !errors.Is(err, queue.ErrUnknownJob) {
		t.Error(err)
	}
	if s, err := q.Stats(t.Context()); err != nil || s.Ready != 1 {
		t.Errorf("%+v %v", s, err)
	}
	in(true)
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := queue.SubmitTx(t.Context(), q, tx, 8, nil); !errors.Is(err, queue.ErrFull) {
		t.Error(err)
	}
	if err := tx.Rollback(); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- q.Work(ctx, func(_ context.Context, n int) (int, error) { return n * n, nil }, nil) }()
	if v, err := q.Attach(there).Await(t.Context()); v != 49 || err != nil {
		t.Error(v, err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	m := queue.Memory(nil)
	defer m.Close()
	other, _ := queue.New[int, int]("q", m, nil)
	if _, err := queue.SubmitTx(t.Context(), other, (*sql.Tx)(nil), 1, nil); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
}
