package main

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
)

// A line is what a process said.
type line struct{ who, word, number, answer string }

// A troupe is the processes of the demo, all of this program, and what they say.
type troupe struct {
	ctx     context.Context
	said    chan line
	mu      sync.Mutex
	playing map[string]*exec.Cmd
	readers sync.WaitGroup
}

func newTroupe(ctx context.Context) *troupe {
	return &troupe{ctx: ctx, said: make(chan line), playing: map[string]*exec.Cmd{}}
}

// start starts a process. It ends with ctx, or when it is killed.
func (t *troupe) start(who string, args ...string) error {
	c := exec.CommandContext(t.ctx, os.Args[0], args...)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	t.mu.Lock()
	t.playing[who] = c
	t.mu.Unlock()
	t.readers.Go(func() {
		t.listen(who, out)
		if err := c.Wait(); err != nil && !t.gone(who) {
			t.tell(line{who: who, word: "failed", answer: err.Error()})
		}
	})
	return nil
}

func (t *troupe) listen(who string, out io.Reader) {
	for lines := bufio.NewScanner(out); lines.Scan(); {
		f := append(strings.Fields(lines.Text()), "", "", "")
		t.tell(line{who, f[0], f[1], f[2]})
	}
}

func (t *troupe) tell(l line) {
	select {
	case t.said <- l:
	case <-t.ctx.Done():
	}
}

// kill ends a process with SIGKILL: it says goodbye to nobody.
func (t *troupe) kill(who string) {
	t.mu.Lock()
	c := t.playing[who]
	delete(t.playing, who)
	t.mu.Unlock()
	_ = c.Process.Kill()
}

// gone says whether a process was killed.
func (t *troupe) gone(who string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.playing[who] == nil
}
