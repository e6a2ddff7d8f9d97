package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

// On a real network the demo finds what it says it finds, however slow the machine
// is; how long things take is for the other test.
func TestDemo(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := demo(&out, listener, new(net.Dialer).DialContext); err != nil {
		t.Fatalf("%v; printed:\n%s", err, &out)
	}
	for _, s := range scenes {
		if printed := paragraph(t, out.String(), s.title); len(printed) < 2 {
			t.Errorf("%s: nothing is shown", s.title)
		}
	}
}

// In a bubble nothing but what is waited for takes time, so that what was measured
// is exact.
func TestDemoTakesTheTimeItSays(t *testing.T) {
	var out bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		network := newPipes()
		if err := demo(&out, network, network.dial); err != nil {
			t.Fatalf("%v; printed:\n%s", err, &out)
		}
	})
	for _, c := range []struct {
		scene string
		says  []string // patterns, each of which a line matches
	}{
		{"The slowest, not the sum", []string{
			`asked for six prices in 0s, and got them after 100ms: \[500 400 700 400 500 500\]`,
			`the slowest call took 100ms, all of them together 600ms`,
			`answering 6 at once`,
		}},
		{"Never more at once", []string{`after 300ms: three rounds of 100ms`, `answering 3 at once`}},
		{"A timeout for each attempt", []string{
			`attempt 1 took longer than 250ms`, `attempt 1 failed, the next comes after 50ms`, `answered after 300ms`,
		}},
		{"The server says when", []string{`attempt 1 failed, the next comes after 1s`, `saw us again after 1s`}},
		{"A second call", []string{`answered after 40ms by the second call`, `has noticed`}},
		{"One cancel, two answers", []string{
			`request end 0s after the cancel`,
			`the one under way +canceled +unknown `,
			`the one in the queue +canceled +not_accepted `,
		}},
		{"A client with options", []string{`by CallOpts: dawn \[el\]$`, `under a policy: dusk-flaky-once \[is\], asked for 2 times`}},
		{"Is it safe to ask again?", []string{
			`429, come back later +resource_exhausted +not_accepted +not done: ask again`,
			`no connection +unavailable +not_accepted +not done: ask again`,
			`409, sold out +failed_precondition +failed `,
			`connection lost +unavailable +unknown +done or not`,
			`no answer in time +deadline_exceeded +unknown +done or not`,
		}},
	} {
		lines := paragraph(t, out.String(), c.scene)[1:]
		if len(lines) != len(c.says) {
			t.Errorf("%s: %d lines, want %d:\n%s", c.scene, len(lines), len(c.says), strings.Join(lines, "\n"))
		}
		for _, says := range c.says {
			if !slices.ContainsFunc(lines, regexp.MustCompile(says).MatchString) {
				t.Errorf("%s: nothing like %q in\n%s", c.scene, says, strings.Join(lines, "\n"))
			}
		}
	}
}

// A scene that cannot be shown fails, by its title.
func TestDemoFails(t *testing.T) {
	for _, s := range scenes {
		t.Run(s.title, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := newPipes()
				network.refused = true
				all := scenes
				scenes = []scene{s}
				defer func() { scenes = all }()
				if err := demo(new(bytes.Buffer), network, network.dial); err == nil || !strings.HasPrefix(err.Error(), s.title) {
					t.Errorf("nobody could reach the shop: %v", err)
				}
			})
		})
	}
}

// paragraph returns the lines that begin with the one that title begins.
func paragraph(t *testing.T, text, title string) []string {
	t.Helper()
	for p := range strings.SplitSeq(text, "\n\n") {
		if strings.HasPrefix(p, title) {
			return strings.Split(p, "\n")
		}
	}
	t.Fatalf("no scene %q in\n%s", title, text)
	return nil
}

// pipes are a network in memory.
type pipes struct {
	conns   chan net.Conn
	closed  chan struct{}
	once    sync.Once
	refused bool
}

func newPipes() *pipes {
	return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (p *pipes) dial(ctx context.Context, _, address string) (net.Conn, error) {
	if p.refused || address != p.String() {
		return nil, &net.OpError{Op: "dial", Net: p.Network(), Err: errors.New("connection refused")}
	}
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr  { return p }
func (p *pipes) Network() string { return "memory" }
func (p *pipes) String() string  { return "shop:80" }
