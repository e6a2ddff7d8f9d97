package main

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/antiphon-go/antiphon/examples/connected/internal/squares"
	"github.com/antiphon-go/antiphon/queue"
)

// The test is the program itself when it is told to be.
func TestMain(m *testing.M) {
	if os.Getenv("DURABLEJOBS") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestDemo(t *testing.T) {
	c := exec.Command(os.Args[0], "demo")
	c.Env = append(os.Environ(), "DURABLEJOBS=run")
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if !strings.Contains(string(out), "12 jobs, 12 answers") || !strings.Contains(string(out), "killed in the middle") {
		t.Errorf("%s", out)
	}
}

// The same program in memory: only where jobs are kept differs.
func TestInMemory(t *testing.T) {
	b := queue.Memory(nil)
	defer b.Close()
	q, err := squares.New(b)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- squares.Work(ctx, q) }()
	if err := squares.SubmitAll(ctx, q, 3); err != nil {
		t.Error(err)
	}
	j, err := q.Submit(ctx, 3, &queue.SubmitOptions{Key: "square of 3"})
	if err != nil || !j.Duplicate() {
		t.Errorf("%v", err)
	}
	if err := squares.Await(ctx, q, []string{j.ID()}); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
