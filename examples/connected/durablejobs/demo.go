package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/antiphon-go/antiphon/examples/connected/internal/squares"
)

// demo runs all of it as processes of this program.
func demo(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "durablejobs")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	place := filepath.Join(dir, "jobs.db")
	self := func(args ...string) *exec.Cmd {
		c := exec.CommandContext(ctx, os.Args[0], args...)
		c.Stderr = os.Stderr
		return c
	}

	const n = 12
	out, err := self("submit", place, fmt.Sprint(n)).Output()
	if err != nil {
		return err
	}
	ids := strings.Fields(string(out))
	fmt.Println("submitted", len(ids), "jobs; the submitter has ended")

	first := self("work", place)
	said, err := first.StdoutPipe()
	if err != nil {
		return err
	}
	if err := first.Start(); err != nil {
		return err
	}
	lines := bufio.NewScanner(said)
	for begun := 0; begun < 6 && lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "begun") {
			begun++
		}
	}
	_ = first.Process.Kill() // SIGKILL: it says goodbye to nobody
	_ = first.Wait()
	fmt.Println("the first worker was killed in the middle of jobs")

	second := self("work", place)
	if err := second.Start(); err != nil {
		return err
	}
	defer func() { _ = second.Process.Kill(); _ = second.Wait() }()
	out, err = self(append([]string{"await", place}, ids...)...).Output()
	if err != nil {
		return err
	}
	answers := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) == 2 {
			answers[f[0]] = f[1]
		}
	}
	for i, id := range ids {
		if answers[id] != fmt.Sprint((i+1)*(i+1)) {
			return fmt.Errorf("job %d was answered %q", i+1, answers[id])
		}
	}
	return squares.With(ctx, file, place, func(q *squares.Queue) error {
		s, err := q.Stats(ctx)
		if err != nil {
			return err
		}
		fmt.Printf("%d jobs, %d answers, handed out %d times\n", len(ids), s.Succeeded, s.Taken)
		if int(s.Succeeded) != len(ids) || s.Dead+s.Ready+s.Delayed+s.Running > 0 {
			return fmt.Errorf("that is not each once: %+v", s)
		}
		return nil
	})
}
