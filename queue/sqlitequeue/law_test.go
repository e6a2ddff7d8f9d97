package sqlitequeue_test

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/antiphon-go/antiphon/future/futuretest"
	"github.com/antiphon-go/antiphon/queue/queuetest"
	"github.com/antiphon-go/antiphon/queue/sqlitequeue"
)

// file opens the database of a file.
func file(t testing.TB, driver, path string) *sql.DB {
	t.Helper()
	db, err := openFile(driver, path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func openFile(driver, path string) (*sql.DB, error) { return sql.Open(driver, path) }

// open opens a backend on a file until the test ends.
func open(t testing.TB, path string, o *sqlitequeue.Options) *sqlitequeue.Backend {
	t.Helper()
	b, err := sqlitequeue.Open(context.Background(), file(t, "sqlite", path), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func quick(t testing.TB) *sqlitequeue.Backend {
	return open(t, filepath.Join(t.TempDir(), "jobs.db"), &sqlitequeue.Options{Synchronous: sqlitequeue.Normal})
}

// The law holds where the job is submitted in one process and done in another.
func TestX8_SQLite(t *testing.T) {
	for name, apart := range map[string]bool{"one process": false, "two": true} {
		t.Run(name, func(t *testing.T) {
			futuretest.TestAsker(t, futuretest.Way{
				ExactlyOnce: true,
				Open: func(t testing.TB, f futuretest.Func) futuretest.Asker {
					path := filepath.Join(t.TempDir(), "jobs.db")
					o := &sqlitequeue.Options{Synchronous: sqlitequeue.Normal}
					here := open(t, path, o)
					there := here
					if apart {
						there = open(t, path, o)
					}
					return queuetest.Asker(t, here, there, f)
				},
			})
		})
	}
}
