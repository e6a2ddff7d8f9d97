package natsqueue_test

import (
	"os"
	"testing"

	"github.com/antiphon-go/antiphon/internal/conformance/natsd"
	"github.com/antiphon-go/antiphon/queue/driver"
	"github.com/antiphon-go/antiphon/queue/queuetest"
)

// processes have a server in common, which is not killed.
var processes = queuetest.Processes{
	New:  func(t testing.TB) string { return serve(t).URL() },
	Open: func(t testing.TB, url string) driver.Backend { return open(t, dial(t, url), nil) },
}

func TestMain(m *testing.M) {
	natsd.Main()
	processes.Main()
	os.Exit(m.Run())
}

func TestProcesses(t *testing.T) { queuetest.TestProcesses(t, processes) }
