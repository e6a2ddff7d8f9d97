// Package child has a program start itself again as another process, for tests that
// kill it.
package child

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
)

// A Process is this program, started again. It ends with the test at the latest.
type Process struct {
	Lines *bufio.Scanner // what it says

	cmd   *exec.Cmd
	stdin io.WriteCloser
}

// Start starts one, with more in its environment.
func Start(tb testing.TB, env ...string) *Process {
	tb.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	p := &Process{bufio.NewScanner(out), cmd, in}
	tb.Cleanup(func() {
		p.Kill()
		_ = p.Ended()
	})
	return p
}

// LetGo ends the Wait of the process.
func (p *Process) LetGo(tb testing.TB) {
	tb.Helper()
	if _, err := p.stdin.Write([]byte{'!'}); err != nil {
		tb.Fatal(err)
	}
}

// Kill ends the process with SIGKILL. What it said before can still be read.
func (p *Process) Kill() { _ = p.cmd.Process.Kill() }

// Ended waits until the process has ended, which it does by itself or has been told to.
// All that it said has to be read before.
func (p *Process) Ended() error { return p.cmd.Wait() }

// Wait waits in the process until it is let go. The process ends if who started it does.
func Wait() {
	if n, _ := os.Stdin.Read(make([]byte, 1)); n == 0 {
		os.Exit(0)
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
}

// Must ends the process if there is an error.
func Must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
