package sqlitequeue_test

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon/queue/driver"
	"github.com/antiphon-go/antiphon/queue/queuetest"
	"github.com/antiphon-go/antiphon/queue/sqlitequeue"
)

// described describes SQLite with a driver.
func described(name string) queuetest.Store {
	var paths sync.Map // of backends
	openAt := func(t testing.TB, path string) driver.Backend {
		b, err := sqlitequeue.Open(context.Background(), file(t, name, path), &sqlitequeue.Options{Synchronous: sqlitequeue.Normal})
		if err != nil {
			t.Fatal(err)
		}
		paths.Store(driver.Backend(b), path)
		return b
	}
	return queuetest.Store{
		Open: func(t testing.TB) driver.Backend { return openAt(t, filepath.Join(t.TempDir(), "jobs.db")) },
		Again: func(t testing.TB, b driver.Backend) driver.Backend {
			path, _ := paths.Load(b)
			return openAt(t, path.(string))
		},
		Slack: 3 * time.Second,
	}
}

func TestSQLite(t *testing.T) {
	if raceEnabled {
		t.Skip("NOT UNDER THE RACE DETECTOR: SQLite that was translated to Go is many times slower with it than the suite waits; TestSQLiteInC is checked by it")
	}
	queuetest.TestBackend(t, described("sqlite"))
}
