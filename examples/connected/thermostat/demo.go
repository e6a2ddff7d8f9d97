package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// runDemo starts the hub and the device, each a process of its own, and waits for
// both to end.
func runDemo(ctx context.Context, listen string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	token := "THERMOSTAT_TOKEN=" + rand.Text()
	start := func(args ...string) (*exec.Cmd, io.Reader, error) {
		c := exec.CommandContext(ctx, self, args...)
		c.Env = append(os.Environ(), token)
		c.Stderr = os.Stderr
		c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
		c.WaitDelay = 5 * time.Second
		out, err := c.StdoutPipe()
		if err != nil {
			return nil, nil, err
		}
		return c, out, c.Start()
	}
	hub, out, err := start("hub", "-listen", listen)
	if err != nil {
		return err
	}
	var running sync.WaitGroup
	wait := func(c *exec.Cmd) {
		running.Go(func() {
			if err := c.Wait(); err != nil && ctx.Err() == nil {
				fmt.Fprintf(os.Stderr, "%s: %v\n", c, err)
			}
			cancel() // one without the other is no demo
		})
	}
	defer running.Wait()
	line, err := bufio.NewReader(out).ReadString('\n')
	wait(hub)
	if err != nil {
		return fmt.Errorf("the hub did not start: %w", err)
	}
	url := strings.TrimSpace(strings.TrimPrefix(line, "listening on "))
	device, _, err := start("device", "-hub", url)
	if err != nil {
		cancel()
		return err
	}
	wait(device)
	fmt.Printf("open %s in a browser; Ctrl-C ends it\n", url)
	return nil
}
