package queuetest_test

import (
	"bytes"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon/queue"
	"github.com/antiphon-go/antiphon/queue/driver"
	"github.com/antiphon-go/antiphon/queue/queuetest"
)

func memory(testing.TB) driver.Backend { return queue.Memory(nil) }

func TestMemory(t *testing.T) {
	queuetest.TestBackend(t, queuetest.Store{Open: memory, Bubble: true})
}

// In real time it is the same.
func TestMemoryInRealTime(t *testing.T) {
	t.Parallel()
	queuetest.TestBackend(t, queuetest.Store{Open: memory, Tick: 20 * time.Millisecond, Slack: 3 * time.Second})
}

func BenchmarkMemory(b *testing.B) {
	queuetest.BenchmarkBackend(b, queuetest.Store{Open: memory})
}

// One rule can be run alone.
func TestRunOfOneRule(t *testing.T) {
	out, err := exec.Command(os.Args[0], "-test.v", "-test.run=^TestMemory$/^RoundTrip$").CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: TestMemory/RoundTrip")) {
		t.Errorf("%v: %s", err, out)
	}
}
