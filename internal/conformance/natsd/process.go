package natsd

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
)

const asked = "NATSD_CONFIG"

// Main is the whole of a process that was started to be a server, and does not return
// then; in any other it does nothing.
func Main() {
	text := os.Getenv(asked)
	if text == "" {
		return
	}
	if err := serve([]byte(text)); err != nil {
		fmt.Fprintln(os.Stderr, "natsd:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func serve(text []byte) error {
	var c config
	if err := json.Unmarshal(text, &c); err != nil {
		return err
	}
	s, at, err := c.run(nil)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(at); err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, os.Stdin) // its end tells that who started us is gone
	s.Shutdown()
	s.WaitForShutdown()
	return nil
}

// A child is a process that is a server.
type child struct {
	cmd   *exec.Cmd
	stdin io.Closer
	once  sync.Once
}

// startChild starts one, and returns when it takes clients.
func startChild(c config) (*child, ports, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return nil, ports{}, err
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asked+"="+string(text))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, ports{}, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, ports{}, err
	}
	if err := cmd.Start(); err != nil {
		return nil, ports{}, err
	}
	p := &child{cmd: cmd, stdin: stdin}
	var at ports
	if err := json.NewDecoder(stdout).Decode(&at); err != nil {
		p.kill()
		return nil, ports{}, fmt.Errorf("its process said nothing (does TestMain call natsd.Main?): %w", err)
	}
	return p, at, nil
}

// kill ends the process with SIGKILL.
func (p *child) kill() {
	p.once.Do(func() {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
		_ = p.stdin.Close()
	})
}
