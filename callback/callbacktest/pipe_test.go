package callbacktest_test

import (
	"bytes"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/antiphon-go/antiphon/callback"
	"github.com/antiphon-go/antiphon/callback/callbacktest"
)

// pipe is a wire in memory whose only break is the other end's.
func pipe(o *callback.PipeOptions) func(testing.TB) *callbacktest.Ends {
	return func(testing.TB) *callbacktest.Ends {
		a, b := callback.Pipe(o)
		return &callbacktest.Ends{A: a, B: b, Cut: func() { _ = b.Close() }}
	}
}

func TestPipe(t *testing.T) {
	for name, o := range map[string]*callback.PipeOptions{
		"plain":   nil,
		"narrow":  {Buffer: 1},
		"limited": {MaxBody: 32 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			callbacktest.TestTransport(t, callbacktest.Wire{Open: pipe(o), Bubble: true})
		})
	}
}

// In real time it is the same, however slow the machine.
func TestPipeInRealTime(t *testing.T) {
	callbacktest.TestTransport(t, callbacktest.Wire{Open: pipe(nil), Patience: time.Minute, Slack: time.Minute})
}

// One rule can be run alone.
func TestRunOfOneRule(t *testing.T) {
	out, err := exec.Command(os.Args[0], "-test.v", "-test.run=^TestPipe$/^plain$/^Order$").CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: TestPipe/plain/Order")) {
		t.Errorf("%v: %s", err, out)
	}
}
