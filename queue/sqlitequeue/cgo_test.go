//go:build cgo

package sqlitequeue_test

import (
	"context"
	"path/filepath"
	"testing"

	_ "github.com/mattn/go-sqlite3"

	"github.com/antiphon-go/antiphon/future/futuretest"
	"github.com/antiphon-go/antiphon/queue/queuetest"
	"github.com/antiphon-go/antiphon/queue/sqlitequeue"
)

// The driver is the user's choice: all holds with one that is SQLite's own code, too.
func TestSQLiteInC(t *testing.T) { queuetest.TestBackend(t, described("sqlite3")) }

func TestX8_SQLiteInC(t *testing.T) {
	futuretest.TestAsker(t, futuretest.Way{
		ExactlyOnce: true,
		Open: func(t testing.TB, f futuretest.Func) futuretest.Asker {
			b, err := sqlitequeue.Open(context.Background(), file(t, "sqlite3", filepath.Join(t.TempDir(), "jobs.db")), &sqlitequeue.Options{Synchronous: sqlitequeue.Normal})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = b.Close() })
			return queuetest.Asker(t, b, b, f)
		},
	})
}
