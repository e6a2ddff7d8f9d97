package sqlitequeue_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/antiphon-go/antiphon/queue/driver"
	"github.com/antiphon-go/antiphon/queue/queuetest"
	"github.com/antiphon-go/antiphon/queue/sqlitequeue"
)

// processes have a file in common.
var processes = queuetest.Processes{
	New: func(t testing.TB) string { return filepath.Join(t.TempDir(), "jobs.db") },
	Open: func(t testing.TB, path string) driver.Backend {
		return open(t, path, &sqlitequeue.Options{Synchronous: sqlitequeue.Normal})
	},
}

// Tests start this program again as one that works, submits or delivers, and kill it.
func TestMain(m *testing.M) {
	processes.Main()
	switch path := os.Getenv("SQLITEQUEUE_FILE"); os.Getenv("SQLITEQUEUE_ROLE") {
	case "accept":
		beAccepted(path)
	case "push":
		beSender(path)
	default:
		os.Exit(m.Run())
	}
}

func TestProcesses(t *testing.T) { queuetest.TestProcesses(t, processes) }
